// `hearth` as a person sees it: on a terminal, which script(1) gives it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Daemon, hearth } from './daemon.mjs';

let daemon;
before(async () => { daemon = await Daemon.start(); });
after(async () => assert.equal((await daemon.stop()).code, 0));

const escape = '\x1b';
const colour = /\x1b\[[0-9;]*m/;
const greedy = ['--temperature', '0'];

class Terminal {
  constructor(args, env = {}) {
    // Without exec the shell may stay in between, and a Ctrl-C ends it as well.
    const line = 'exec ' + [hearth, ...args].map((word) => `'${word}'`).join(' ');
    const { NO_COLOR, ...plain } = daemon.env;
    this.child = spawn('script', ['-qefc', line, '/dev/null'], { env: { ...plain, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = once(this.child, 'exit').then(([code]) => code);
    this.screen = '';
    this.mark = 0;  // what was seen before
    this.child.stdout.setEncoding('utf8');
    this.child.stdout.on('data', (text) => { this.screen += text; this.look?.(); });
  }

  // What was shown since the last type(), without colours and the line that counts the prompt's tokens.
  get shown() {
    return this.screen.slice(this.mark).replace(/\x1b\[[0-9;]*[mK]/g, '').replace(/\r?reading the prompt: \d+\/\d+ tokens\r/g, '');
  }

  until(pattern) {
    return new Promise((resolve, reject) => {
      this.look = () => { if (pattern.test(this.shown)) resolve(); };
      this.ended.then((code) => reject(new Error(`ended with ${code} before ${pattern}: ${JSON.stringify(this.screen)}`)));
      this.look();
    });
  }

  type(keys) {
    this.mark = this.screen.length;
    this.child.stdin.write(keys);
  }
}

test('a conversation: Ctrl-C stops the answer and not the conversation, Ctrl-D ends it', async () => {
  const terminal = new Terminal(['chat', ...greedy, '-n', '4000']);
  await terminal.until(/Ctrl-C stops an answer, Ctrl-D ends\. Session ses\S+\r\n> $/);
  assert.ok(terminal.screen.includes(`${escape}[1m> `), 'the prompt is bold');
  for (const question of ['Count to ten thousand.', 'Now count to a million.']) {
    terminal.type(question + '\n');
    await terminal.until(new RegExp(`^${question}\r\n\\s*\\S{1}`));
    terminal.type('\x03');
    await terminal.until(/\r\nhearth: interrupted\r\n> $/);
  }
  terminal.type('\x04');
  assert.equal(await terminal.ended, 0);
  const { engine } = JSON.parse(daemon.command(['status', '--json']).out);
  assert.ok(engine.decodeTokens < 4000, 'neither was decoded to the end');
});

test('a terminal is shown colours and the route, unless NO_COLOR asks for none', async () => {
  for (const [env, isColoured] of [[{}, true], [{ NO_COLOR: '1' }, false]]) {
    const answer = new Terminal(['chat', ...greedy, '-n', '4', 'Hi'], env);
    assert.equal(await answer.ended, 0, answer.screen);
    assert.match(answer.screen, /route: local \(smollm2\)/);
    assert.equal(colour.test(answer.screen), isColoured, JSON.stringify(answer.screen));
    const refusal = new Terminal(['chat', '-m', 'gpt-9', 'Hi'], env);
    assert.equal(await refusal.ended, 1);
    assert.equal(refusal.screen.includes(`${escape}[31mhearth:${escape}[0m `), isColoured, JSON.stringify(refusal.screen));
  }
});

test('what is no terminal is shown neither', () => {
  for (const args of [['chat', ...greedy, '-n', '4', 'Hi'], ['chat', '-m', 'gpt-9', 'Hi'], ['doctor'], ['status']]) {
    const run = daemon.command(args);
    assert.doesNotMatch(run.out + run.err, /\x1b/, args.join(' '));
  }
});
