// The command line as people and scripts use it, with a daemon and without.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, command, folders, hearth } from './daemon.mjs';

let daemon, bare;  // a running daemon; folders without one
before(async () => {
  daemon = await Daemon.start();
  bare = folders();
});
after(async () => {
  assert.equal((await daemon.stop()).code, 0);
  rmSync(bare.folder, { recursive: true, force: true });
});

const without = (...args) => command(args, { env: bare.env });
const withDaemon = (...args) => daemon.command(args);
const greedy = ['--temperature', '0'];

function assertFails(run, code, ...messages) {
  assert.equal(run.code, code, run.err);
  for (const message of messages) assert.match(run.err, message);
}
function assertWorks(run) {
  assert.equal(run.code, 0, run.err);
  return run;
}

test('--version names version, commit, backends and build', () => {
  const { out } = assertWorks(withDaemon('--version'));
  assert.match(out, /^hearth \d+\.\d+\.\d+\ncommit: \w+\nbackends: cpu.*\nbuild: .*\n$/);
});

test('a command of another version than the daemon says so and what to do', () => {
  const at = path.join(daemon.env.XDG_RUNTIME_DIR, 'hearth', 'daemon.json');
  const good = readFileSync(at, 'utf8');
  const commit = /commit: (\w+)/.exec(withDaemon('--version').out)[1];
  assert.equal(daemon.discovery.commit, commit);
  const { version } = daemon.discovery;
  const restart = '.*hearth stop.*hearth serve --detach';
  try {
    for (const [from, to, said] of [
      [/"version":"[^"]*"/, '"version":"9.9.9"', `version ${version} \\(commit ${commit}\\), the daemon is 9\\.9\\.9`],
      [/"commit":"[^"]*"/, '"commit":"abcabcabcabc"', `the daemon is ${version} \\(commit abcabcabcabc\\)`],
    ]) {
      writeFileSync(at, good.replace(from, to));
      const advice = new RegExp(said + restart);
      assert.match(withDaemon('--version').out, advice);
      assert.match(assertWorks(withDaemon('status')).err, advice);
      assert.match(withDaemon('doctor').out, advice);
    }
  } finally {
    writeFileSync(at, good);
  }
  assert.doesNotMatch(withDaemon('--version').out, /note:/);
});

test('a wrong command or option is refused with the choices', () => {
  assertFails(without(), 2, /expected a command; commands are: serve, chat/);
  assertFails(without('stauts'), 2, /unknown command "stauts"; commands are: .*status/);
  assertFails(without('token'), 2, /hearth token: expected a command; commands are: create, list/);
  assertFails(without('config', 'chek'), 2, /hearth config: unknown command "chek"; commands are: check/);
  assertFails(without('status', '--wat'), 2, /--wat/, /hearth status --help/);
  assertFails(without('models', 'rm'), 2, /name is required/);
  assertFails(without('serve', '--port', '99999'), 2, /--port.*99999.*65535/);
  assertFails(without('serve', '--port', 'abc'), 2, /--port/);
  assertFails(without('completion', 'tcsh'), 1, /expected bash, zsh or fish/);
  assertFails(without('-v'), 2, /unknown option "-v"; commands are: /);
  assertWorks(without('--help'));
  assert.equal(assertWorks(without('help')).out, without('--help').out);
  assert.match(assertWorks(without('help', 'models', 'rm')).out, /Usage: hearth models rm/);
});

test('pull says what it takes, and what is no model', () => {
  assertFails(without('pull', 'https://example.org/x.gguf'), 1, /an address is not taken, expected hf:ORG\/REPO/);
  assertFails(without('pull', 'xx:yy'), 1, /"xx:yy": expected hf:/);
  const run = without('pull', '/etc/passwd');
  assertFails(run, 1, /^hearth: \/etc\/passwd: .*not a GGUF file/);
  assertFails(command(['pull', 'hf:org/repo'], { env: { ...bare.env, HF_ENDPOINT: 'http://127.0.0.1:9' } }), 1, /check the network .*hearth pull PATH/);
});

test('without a daemon, commands that need one say how to start it', () => {
  for (const args of [['status'], ['chat', 'hi'], ['complete', 'hi'], ['token', 'rotate']])
    assertFails(without(...args), 1, /no daemon is running.*hearth serve --detach/);
  const { code, message } = JSON.parse(without('status', '--json').out);
  assert.equal(code, 'not_found');
  assert.match(message, /no daemon is running/);
  assert.match(assertWorks(without('stop')).err, /no daemon is running/);
  assert.match(assertWorks(without('gc')).err, /no daemon is running/);
  assertFails(without('logs'), 1, /hearth\.log: there is no log yet/);
  assert.match(assertWorks(without('doctor')).out, /note +daemon +no daemon is running/);
});

test('without a home there is a clear word', () => {
  assertFails(command(['status'], { env: { PATH: process.env.PATH } }), 1, /set HOME, or XDG_CONFIG_HOME/);
  assertFails(command(['serve'], { env: { PATH: process.env.PATH } }), 1, /set HOME/);
});

test('status tells people and scripts how the daemon is', () => {
  assert.match(assertWorks(withDaemon('status')).out, new RegExp(`pid ${daemon.discovery.pid}.*\n.*${daemon.discovery.url}`));
  const health = JSON.parse(withDaemon('status', '--json').out);
  assert.equal(health.pid, daemon.discovery.pid);
  assert.equal(health.url, daemon.discovery.url);
  assert.equal(health.version, daemon.discovery.version);
});

test('what was decided when a model was loaded is told', async () => {
  const own = await Daemon.start({ config: '[model.smollm2]\ncontext = 9000\n' });
  const told = /loaded: smollm2, context of 9000 tokens, weights .*\n    context of 9000 tokens, as configured, is beyond the 8192/;
  assert.match(assertWorks(own.command(['models', 'load', 'smollm2'])).out, told);
  assert.equal(JSON.parse(own.command(['models', 'load', 'smollm2', '--json']).out).facts.context, 9000);
  assert.match(assertWorks(own.command(['status'])).out, told);
  assert.match(own.log(), /about the model model=smollm2 note="context of 9000 tokens/);
  assertFails(own.command(['models', 'load', 'none']), 1, /none/);
  await own.stop();
});

test('chat answers a prompt, with text piped in, and as JSON', () => {
  const answer = assertWorks(withDaemon('chat', ...greedy, '-n', '16', '--stats', 'What is the capital of France?'));
  assert.match(answer.out, /^.{10,}\n$/s);
  assert.match(answer.err, /route: local \(smollm2\).*\nprompt: \d+ tokens .* answer: \d+ tokens at [\d.]+ tok\/s/);
  const quiet = assertWorks(withDaemon('chat', ...greedy, '-n', '4', 'Hi'));
  assert.equal(quiet.err, '', 'nothing but the answer when nobody watches');

  const piped = daemon.command(['chat', ...greedy, '-n', '16', '--json'], { input: 'What is the capital of France?' });
  const { session, text, route, usage } = JSON.parse(assertWorks(piped).out);
  assert.equal(text + '\n', answer.out, 'the same prompt, the same answer');
  assert.equal(route.target, 'local');
  assert.equal(usage.usage.completionTokens, 16);

  const more = daemon.command(['chat', ...greedy, '-n', '8', '--json', '--session', session, 'And'], { input: 'of Italy?' });
  assert.equal(JSON.parse(assertWorks(more).out).session, session);
  assertFails(daemon.command(['chat'], { input: '' }), 1, /nothing to say/);
  assertFails(withDaemon('chat', '--session', 'ses_none', 'hi'), 1, /ses_none/);
  assertFails(withDaemon('chat', '--model', 'gpt-9', 'hi'), 1, /gpt-9/);
});

test('a text that cannot be sent is refused with the place or the limit', () => {
  const latin1 = Buffer.from('diff --git\n+caf\xe9\n', 'latin1');
  for (const args of [['chat'], ['chat', 'Explain'], ['complete']])
    assertFails(daemon.command(args, { input: latin1 }), 1, /standard input, line 2: not UTF-8.*iconv/);
  assertFails(daemon.command(['chat'], { input: 'x'.repeat(5 << 20) }), 1, /the message would have 52\d+ bytes, the daemon takes at most 4194304 \(\[server\] max_message\)/);
  assertWorks(withDaemon('chat', '-n', '2', 'x' + 'ü'.repeat(60)), 'a title ends between characters');
});

test('output that cannot be written is a failure', () => {
  for (const args of [['logs'], ['completion', 'bash'], ['models'], ['status'], ['doctor'], ['--help'], ['--version'], ['chat', '-n', '2', 'Hi'], ['complete', '-n', '2', 'Hi']]) {
    const run = spawnSync('sh', ['-c', 'exec "$0" "$@" >/dev/full', hearth, ...args], { env: daemon.env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    assert.equal(run.status, 1, `${args}: ${run.signal} ${run.stderr}`);
    assert.match(run.stderr, /^hearth: .*(No space left on device|standard output cannot be written)/m, args.join(' '));
  }
});

test('a damaged daemon.json is named', () => {
  const at = path.join(daemon.env.XDG_RUNTIME_DIR, 'hearth', 'daemon.json');
  const good = readFileSync(at, 'utf8');
  try {
    for (const bad of ['{"url":', '{"url":"http://127.0.0.1:1"}', ''])  {
      writeFileSync(at, bad);
      for (const args of [['status'], ['chat', 'hi'], ['stop']]) assertFails(withDaemon(...args), 1, /^hearth: \S*daemon\.json.*(not valid JSON|missing).*start it again/);
    }
  } finally {
    writeFileSync(at, good);
  }
});

test('Ctrl-C stops an answer and keeps what was said', async () => {
  const child = spawn(hearth, ['chat', ...greedy, '-n', '4000', 'Count to ten thousand.'], { env: daemon.env, stdio: ['ignore', 'pipe', 'pipe'] });
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 130);
  let engine;
  do ({ engine } = JSON.parse(withDaemon('status', '--json').out)); while (engine.running > 0);
  assert.ok(engine.decodeTokens < 4000, 'it was not decoded to the end');
});

test('a conversation over a pipe answers the whole of it once', () => {
  const run = daemon.command(['chat', ...greedy, '-n', '4'], { input: 'one\ntwo\n' });
  assertWorks(run);
  assert.ok(run.out.length > 1);
});

test('complete continues a text, as text and as JSON', () => {
  const prompt = 'The capital of France is';
  assert.match(assertWorks(withDaemon('complete', ...greedy, '-n', '8', prompt)).out, /Paris/);
  assert.match(assertWorks(daemon.command(['complete', ...greedy, '-n', '8'], { input: prompt })).out, /Paris/);
  const { choices } = JSON.parse(assertWorks(withDaemon('complete', ...greedy, '-n', '8', '--json', prompt)).out);
  assert.match(choices[0].text, /Paris/);
  assert.doesNotMatch(withDaemon('complete', ...greedy, '-n', '8', '--stop', 'Paris', prompt).out, /Paris/);
  assertFails(withDaemon('complete', '-m', 'gpt-9', prompt), 1, /gpt-9/, /smollm2/);
  assertFails(daemon.command(['complete'], { input: '' }), 1, /nothing to continue/);
});

test('a prompt over the context is refused with both numbers', () => {
  const input = 'word '.repeat(9000);
  assertFails(daemon.command(['chat'], { input }), 1, /8192/, /90\d\d/);
  assertFails(daemon.command(['complete'], { input }), 1, /8192/, /900\d/);
});

test('the log can be read and followed', async () => {
  const lines = assertWorks(withDaemon('logs', '-n', '3')).out.trimEnd().split('\n');
  assert.equal(lines.length, 3);
  assert.match(withDaemon('logs', '-n', '100000').out, /ready/);
  assert.match(assertWorks(withDaemon('logs', '--engine')).out, /model loaded model=smollm2/);
  const follower = spawn(hearth, ['logs', '-f', '-n', '0'], { env: daemon.env });
  const line = once(follower.stdout, 'data');
  await once(follower, 'spawn');
  // Written until it is seen: the follower may start to watch after the first of them.
  let seen = false;
  line.then(() => { seen = true; });
  while (!seen) {
    process.kill(daemon.discovery.pid, 'SIGHUP');
    await Promise.race([line, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  assert.match(String(await line), /configuration loaded/);
  follower.kill();
});

test('gc says what it would remove, and removes it', () => {
  const junk = path.join(daemon.env.XDG_STATE_HOME, 'hearth', 'hearth.log.1');
  writeFileSync(junk, 'old');
  writeFileSync(path.join(path.dirname(junk), 'engine.log.1'), 'older');
  assert.match(assertWorks(withDaemon('gc', '--dry-run')).out, /would remove old log: .*hearth\.log\.1 \(3 B\)/);
  assert.match(withDaemon('gc', '--dry-run').out, /would remove old log: .*engine\.log\.1 \(5 B\)/);
  assert.equal(readFileSync(junk, 'utf8'), 'old');
  assert.match(assertWorks(withDaemon('gc')).out, /removed old log/);
  assert.throws(() => readFileSync(junk));
  const state = (name) => path.join(daemon.env.XDG_STATE_HOME, 'hearth', name);
  const damaged = ['sessions/sessions.db.damaged-1', 'ledger/ledger.db.damaged-1', 'ledger/ledger.db.damaged-1-wal'];
  const copies = ['sessions/sessions.db.bak-v1', 'ledger/ledger.db.bak-v1'];
  for (const name of [...damaged, ...copies]) writeFileSync(state(name), 'old');
  assertWorks(withDaemon('gc'));
  for (const name of damaged) assert.throws(() => readFileSync(state(name)), name);
  for (const name of copies) assert.equal(readFileSync(state(name), 'utf8'), 'old', 'not old enough');
  assert.match(withDaemon('gc', '--older-than', '0', '--dry-run').out, /would remove copy of an older database: .*ledger\.db\.bak-v1/);
  const { out } = assertWorks(withDaemon('gc', '--older-than', '0', '--dry-run'));
  assert.match(out, /would remove session: ses_/);
  assertWorks(withDaemon('gc', '--older-than', '0'));
  for (const name of copies) assert.throws(() => readFileSync(state(name)), name);
  assert.doesNotMatch(withDaemon('gc', '--older-than', '0', '--dry-run').out, /session/);
});

test('config check names file, line and the nearest key', () => {
  const at = path.join(bare.folder, 'wrong.toml');
  const check = (toml) => {
    writeFileSync(at, toml);
    return command(['config', 'check', '--config', at], { env: bare.env });
  };
  const good = assertWorks(check('[server]\nport = 4000\n'));
  assert.match(good.out, /port = 4000/);
  assert.match(good.err, /wrong\.toml is good/);
  assertFails(check('[server]\nporrt = 1\n'), 1, /wrong\.toml:2.*porrt.*did you mean "port"/);
  assertFails(check('[server]\nport = "x"\n'), 1, /wrong\.toml:2.*port/);
  assertFails(check('[server\n'), 1, /wrong\.toml:1/);
  const gone = check('[model.x]\npath = "x.gguf"\n[network]\nca_file = "~/ca.pem"\n');
  assertFails(gone, 1, new RegExp(`model\\.x\\.path: ${bare.folder}/x\\.gguf: No such file`), new RegExp(`network\\.ca_file: ${bare.folder}/ca\\.pem: No such file`));
  assert.match(assertWorks(without('config', 'check')).err, /does not exist: the defaults are in force/);
  const machine = path.join(bare.env.XDG_CONFIG_DIRS, 'hearth');
  mkdirSync(machine, { recursive: true });
  writeFileSync(path.join(machine, 'hearth.toml'), '[server]\nmax_connections = 7\n');
  assert.match(assertWorks(without('config', 'check')).out, /max_connections = 7/, 'the file of the machine');
  rmSync(machine, { recursive: true });
  assertFails(without('config', 'check', '--config', path.join(bare.folder, 'none.toml')), 1, /none\.toml: cannot open/);
});

test('doctor checks the installation, for people and for scripts', () => {
  assert.match(assertWorks(withDaemon('doctor')).out, /good +daemon .*answers at http/);
  const { checks, good } = JSON.parse(withDaemon('doctor', '--json').out);
  assert.equal(good, true);
  assert.ok(checks.every((check) => check.check && check.verdict && check.finding));
  writeFileSync(path.join(bare.env.XDG_CONFIG_HOME, 'wrong.toml'), '[nope]\n');
  const sick = command(['doctor', '--config', path.join(bare.env.XDG_CONFIG_HOME, 'wrong.toml')], { env: bare.env });
  assert.equal(sick.code, 1);
  assert.match(sick.out, /bad +configuration .*nope/);
});

test('doctor names the databases that were set aside', () => {
  const at = path.join(bare.env.XDG_STATE_HOME, 'hearth', 'ledger');
  mkdirSync(at, { recursive: true });
  assert.match(without('doctor').out, /good +databases/);
  writeFileSync(path.join(at, 'ledger.db.damaged-7'), '');
  assert.match(without('doctor').out, /note +databases +.*ledger\/ledger\.db\.damaged-7.*hearth gc/);
});

test('completion offers commands, their commands and options', () => {
  for (const shell of ['bash', 'zsh', 'fish']) assert.match(assertWorks(without('completion', shell)).out, /--?drain|-l drain/);
  const script = assertWorks(without('completion', 'bash')).out;
  const offered = (...words) => {
    const probe = `${script}\nCOMP_WORDS=(hearth ${words.map((word) => `"${word}"`).join(' ')}); COMP_CWORD=${words.length}; _hearth; echo "\${COMPREPLY[*]}"`;
    return execFileSync('bash', ['-c', probe], { encoding: 'utf8' }).trim().split(' ');
  };
  for (const command of ['serve', 'chat', 'models', 'dev']) assert.ok(offered('').includes(command), command);
  assert.deepEqual(offered('stop', '--dr'), ['--drain']);
  assert.deepEqual(offered('models', 'r'), ['rm', 'recommend']);
  assert.deepEqual(offered('models', 'l'), ['load']);
  assert.deepEqual(offered('serve', '--port', '4', '--det'), ['--detach']);
  assert.deepEqual(offered('dev', 'tok'), ['tokenize']);
});
