// The `ws` package from npm speaks the native protocol: two clients on one session, resuming after a
// dropped connection, and after a killed daemon, with nothing lost and nothing doubled.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Daemon, RpcClient, fold } from './daemon.mjs';

let daemon;
before(async () => { daemon = await Daemon.start(); });
after(async () => assert.equal((await daemon.stop()).code, 0));

const ask = (client, session, text, key, options = {}) =>
  client.call('turn/start', { session, idempotencyKey: key, input: [{ type: 'text', text }], maxTokens: 40, temperature: 0, ...options });

function assertInOrder(events, session) {
  const seqs = events.filter((e) => e.session === session && !['sync.live', 'sync.gap', 'turn.progress'].includes(e.kind)).map((e) => e.seq);
  for (let i = 1; i < seqs.length; ++i) assert.ok(seqs[i] > seqs[i - 1], `seq ${seqs[i]} after ${seqs[i - 1]}`);
}

test('a turn streams to both clients of a session alike', async () => {
  const [a, b] = [await RpcClient.connect(daemon.discovery), await RpcClient.connect(daemon.discovery)];
  const { id: session } = await a.call('session/create', { title: 'two windows' });
  await a.call('session/subscribe', { session, since: 0 });
  await b.call('session/subscribe', { session, since: 0 });
  const { turn } = await ask(a, session, 'What is the capital of France?', 'k1');
  await Promise.all([a.idle(turn), b.idle(turn)]);
  assert.deepEqual(fold(a.events), fold(b.events));
  assert.ok(fold(a.events)[1][1].length > 10);
  assert.equal(a.events.find((e) => e.kind === 'route').data.decision.target, 'local');
  for (const client of [a, b]) assertInOrder(client.events, session);
  await a.drop();
  await b.drop();
});

test('a client that drops in the middle resumes from its cursor', async () => {
  const watcher = await RpcClient.connect(daemon.discovery);
  const { id: session } = await watcher.call('session/create', {});
  await watcher.call('session/subscribe', { session, since: 0 });
  let unlucky = await RpcClient.connect(daemon.discovery);
  await unlucky.call('session/subscribe', { session, since: 0 });
  const { turn } = await ask(watcher, session, 'Tell me a story about a bear.', 'k2', { maxTokens: 80, ignoreEos: true });
  await unlucky.wait((e) => e.kind === 'message.delta' && e.session === session);
  const seen = [...unlucky.events];
  await unlucky.drop();
  const cursor = Math.max(...seen.map((e) => e.seq));
  const { welcome } = unlucky;
  unlucky = await RpcClient.connect(daemon.discovery, { resume: { epoch: welcome.epoch, cursors: { [session]: cursor } } });
  await Promise.all([watcher.idle(turn), unlucky.idle(turn)]);
  assert.deepEqual(fold([...seen, ...unlucky.events]), fold(watcher.events));
  await watcher.drop();
  await unlucky.drop();
});

test('the epoch of initialize, of daemon.json and of an event are one, whichever a client says', async () => {
  const client = await RpcClient.connect(daemon.discovery);
  const { id: session } = await client.call('session/create', { title: 'epochs' });
  const { epoch: number } = await client.call('session/subscribe', { session, since: 0 });
  assert.equal(client.welcome.epoch, String(number));
  assert.equal(daemon.discovery.epoch, String(number));
  for (const epoch of [number, client.welcome.epoch]) {
    client.events.length = 0;
    await client.call('session/subscribe', { session, since: 1, epoch });
    await client.wait((event) => event.kind === 'sync.live');
    assert.ok(!client.events.some((event) => event.kind === 'sync.gap'), typeof epoch);
    const again = await RpcClient.connect(daemon.discovery, { resume: { epoch, cursors: { [session]: 1 } } });
    await again.wait((event) => event.kind === 'sync.live');
    assert.ok(!again.events.some((event) => event.kind === 'sync.gap'), typeof epoch);
    await again.drop();
  }
  await client.call('session/subscribe', { session, since: 1, epoch: 'another' });
  await client.wait((event) => event.kind === 'sync.gap');
  await client.drop();
});

test('a client gets no events of the kinds that it opted out of', async () => {
  const client = await RpcClient.connect(daemon.discovery, { optOut: ['message.delta', 'turn.progress'] });
  const { id: session } = await client.call('session/create', {});
  await client.call('session/subscribe', { session, since: 0 });
  const { turn } = await ask(client, session, 'What is the capital of France?', 'quiet');
  await client.idle(turn);
  const kinds = new Set(client.events.map((event) => event.kind));
  assert.ok(!kinds.has('message.delta') && !kinds.has('turn.progress'));
  assert.ok(fold(client.events)[1][1].length > 10, 'the finished message holds the text');
  await client.drop();
});

test('a resent prompt is not answered twice', async () => {
  const client = await RpcClient.connect(daemon.discovery);
  const { id: session } = await client.call('session/create', {});
  await client.call('session/subscribe', { session, since: 0 });
  const first = await ask(client, session, 'Hi', 'same', { maxTokens: 4 });
  await client.idle(first.turn);
  const second = await ask(client, session, 'Hi', 'same', { maxTokens: 4 });
  assert.deepEqual(second, first);
  const { messages } = await client.call('session/snapshot', { session });
  assert.equal(messages.length, 2);
  await client.drop();
});

test('an interrupted turn keeps what was said', async () => {
  const client = await RpcClient.connect(daemon.discovery);
  const { id: session } = await client.call('session/create', {});
  await client.call('session/subscribe', { session, since: 0 });
  const { turn } = await ask(client, session, 'Count to a thousand.', 'k3', { maxTokens: 2000 });
  await client.wait((e) => e.kind === 'message.delta' && e.session === session);
  await client.call('turn/interrupt', { session });
  const end = await client.idle(turn);
  assert.equal(end.data.reason, 'interrupted');
  const { messages } = await client.call('session/snapshot', { session });
  assert.ok(messages[1].message.blocks[0].text.length > 0);
  await client.drop();
});

test('a killed daemon loses nothing that it acknowledged', async () => {
  let client = await RpcClient.connect(daemon.discovery);
  const { id: session } = await client.call('session/create', { title: 'survivor' });
  await client.call('session/subscribe', { session, since: 0 });
  const { turn, message } = await ask(client, session, 'Tell me about rivers.', 'k4', { maxTokens: 400 });
  await client.wait((e) => e.kind === 'message.delta' && e.session === session);
  await daemon.kill();
  await daemon.serve();
  client = await RpcClient.connect(daemon.discovery);
  const snapshot = await client.call('session/snapshot', { session });
  assert.equal(snapshot.info.title, 'survivor');
  assert.equal(snapshot.messages[0].message.id, message);
  assert.equal(snapshot.info.state, 'idle');
  assert.equal(snapshot.reason, 'interrupted');
  assert.equal(snapshot.turn, turn);
  const again = await ask(client, session, 'Tell me about rivers.', 'k4');
  assert.equal(again.turn, turn, 'the resent prompt finds its first result');
  await client.drop();
});

test('errors of the protocol name what is wrong and keep the connection', async () => {
  const client = await RpcClient.connect(daemon.discovery);
  await assert.rejects(client.call('no/such'), { code: -32601 });
  await assert.rejects(client.call('session/get', {}), (e) => e.code === -32602 && /params\.session: missing/.test(e.message));
  await assert.rejects(client.call('session/get', { session: 'nope' }), /nope/);
  assert.deepEqual(await client.call('ping'), {});
  await client.drop();
});

test('what no model could carry out is refused at once and stays out of the conversation', async (context) => {
  const own = await Daemon.start({ config: '[alias]\n"old-name" = "smollm2"\n' });
  context.after(() => own.stop());
  const client = await RpcClient.connect(own.discovery);
  const promptTokens = async (session, key, options) => {
    const { turn } = await ask(client, session, 'Hi', key, { maxTokens: 4, ...options });
    await client.wait((e) => e.session === session && e.data.turn === turn && e.data.state === 'idle');
    return client.events.findLast((e) => e.kind === 'usage' && e.session === session).data.usage.promptTokens;
  };
  const [alone, after] = [await client.call('session/create', {}), await client.call('session/create', {})];
  for (const { id } of [alone, after]) await client.call('session/subscribe', { session: id, since: 0 });
  for (const [options, said] of [
    [{ model: 'nope' }, /^params\.model: model "nope" is not known here; known are: .*smollm2/],
    [{ temperature: -3 }, /^params\.temperature: expected a number from 0 to/],
    [{ topP: 7 }, /^params\.topP: /],
    [{ maxTokens: -1 }, /^params\.maxTokens: /],
    [{ templateVariables: 'x' }, /^params\.templateVariables: expected an object/],
  ]) await assert.rejects(ask(client, after.id, 'A long and silly question.', 'silly', options), (e) => e.code === -32602 && said.test(e.message));
  assert.deepEqual((await client.call('session/snapshot', { session: after.id })).messages, []);
  assert.equal(await promptTokens(after.id, 'k'), await promptTokens(alone.id, 'k'));
  await promptTokens(after.id, 'k2', { model: 'old-name' });
  assert.equal(client.events.findLast((e) => e.kind === 'route').data.decision.model, 'smollm2', 'a name of [alias]');
  await client.drop();
});

test('a client that says its name alone is let in', async () => {
  const client = await RpcClient.connect(daemon.discovery, { client: { name: 'short' }, protocol: undefined });
  assert.equal(client.welcome.protocol, 1);
  await client.drop();
});

test('editors/protocol.json is what the daemon speaks', async () => {
  const client = await RpcClient.connect(daemon.discovery);
  const file = new URL('../../editors/protocol.json', import.meta.url);
  const spoken = await client.call('ops/protocol');
  if (process.env.HEARTH_WRITE_PROTOCOL) writeFileSync(file, JSON.stringify(spoken, null, 1) + '\n');
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), spoken,
    'run with HEARTH_WRITE_PROTOCOL=1 to write it anew');
  await client.drop();
});

test('health and metrics describe the daemon', async () => {
  const client = await RpcClient.connect(daemon.discovery);
  const health = await client.call('ops/health');
  assert.equal(health.status, 'ok');
  assert.equal(health.pid, daemon.discovery.pid);
  assert.match((await client.call('ops/metrics')).text, /hearth_requests_total/);
  const { models } = await client.call('model/list');
  assert.ok(models.some((model) => model.id === 'smollm2' && model.targets.includes('local')));
  await client.drop();
});
