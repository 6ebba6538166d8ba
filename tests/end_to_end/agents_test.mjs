// Claude Code, Codex, opencode, Qwen Code and Continue against Hearth in front of a scripted provider: each runs a tool
// and answers with what it gave.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import path from 'node:path';
import { readCall, runAgent, Trap, workplace } from './agents.mjs';
import { Daemon } from './daemon.mjs';
import { Upstream } from './upstream.mjs';

const secret = 'mauve-7319';
let upstream, daemon, trap, agent, file;

// Asks for the file, then says what stood in it. Requests beside (titles, summaries) get a few words.
function script(asked) {
  const call = readCall(agent, file);
  if (!asked.tools.includes(call.name)) return { text: 'A short title' };
  if (!asked.results.length) return { text: 'I will read it.', calls: [call] };
  return { text: `The word is ${/the word is (\w+-\d+)/.exec(asked.results.join(' '))?.[1] ?? 'unknown'}, found.` };
}

before(async () => {
  upstream = await Upstream.start(script);
  trap = await Trap.start();
  daemon = await Daemon.start({ model: null, config: upstream.config() + '\n[alias]\n"claude-*" = "claudia"\n"gpt-*" = "chatty"\n' });
});
after(async () => {
  assert.equal((await daemon.stop()).code, 0);
  await trap.stop();
  await upstream.stop();
});

for (const [name, model, wire] of [
  ['claude', 'claude-sonnet-5', 'messages'],  // mapped by [alias], to a provider of its own wire
  ['claude', 'chatty', 'chat'],               // and to one of another wire
  ['codex', 'gpt-5.6', 'chat'],
  ['opencode', 'auto', 'chat'],
  ['qwen', 'auto', 'chat'],
  ['cn', 'auto', 'chat'],
])
  test(`${name} with ${model} runs a tool and answers`, async () => {
    const place = workplace(name);
    agent = name;
    file = path.join(place.project, 'secret.txt');
    const before = upstream.requests.length;
    const run = await runAgent(name, {
      daemon, model, trap, place, files: { 'secret.txt': `the word is ${secret}\n` },
      prompt: 'Read the file secret.txt and tell me the word in it.',
    });
    const seen = `${name} ended with ${run.code}\n${run.out}\n${run.err}`;
    assert.equal(run.code, 0, seen);
    assert.match(run.out, new RegExp(`The word is ${secret}, found`), seen);
    const asked = upstream.requests.slice(before).filter((request) => request.tools.length);
    assert.ok(asked.length >= 2, seen);
    assert.match(asked.at(-1).results.join(' '), new RegExp(secret), 'the tool really ran');
    for (const request of asked) if (model !== 'auto') assert.equal(request.wire, wire);
  });

// Agents look for newer versions of themselves; they were let out nowhere, and asked no other model.
test('no agent asked a model but through the daemon', () => {
  const models = trap.attempts.filter((host) => /anthropic|openai|openrouter|googleapis|opencode\.ai|continue\.dev|dashscope|qwen/.test(host));
  assert.deepEqual(models, []);
});

test('all that the provider was asked went through the daemon and is written down', () => {
  const { records } = JSON.parse(daemon.run('egress', '--json'));
  assert.equal(records.length, upstream.requests.length);
  const attempts = daemon.run('ledger', 'export').trim().split('\n').length;
  assert.equal(attempts, upstream.requests.length, 'each has its row in the ledger');
});
