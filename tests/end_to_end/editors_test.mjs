// Several editors on one session: all see the same, and one that stops reading costs the others and
// the daemon nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon, RpcClient } from './daemon.mjs';
import { Editor } from './editor.mjs';

let daemon;
const faults = [];
before(async () => { daemon = await Daemon.start(); });
after(async () => assert.equal((await daemon.stop()).code, 0));

const residentBytes = async (client) => (await client.call('ops/health')).residentBytes;
async function open(session, name) {
  const editor = new Editor(session, name, (text) => faults.push(text));
  await editor.resume(daemon.discovery);
  return editor;
}
const say = (editor, text, maxTokens) => editor.client.call('turn/start', {
  session: editor.session, idempotencyKey: text, input: [{ type: 'text', text }], maxTokens, temperature: 0, ignoreEos: true });

async function newSession(title) {
  const client = await RpcClient.connect(daemon.discovery);
  const { id } = await client.call('session/create', { title });
  await client.drop();
  return id;
}

test('two editors take turns in one session and always show the same', async () => {
  const session = await newSession('shared');
  const editors = [await open(session, 'left'), await open(session, 'right')];
  for (let i = 0; i < 6; ++i) {
    const speaker = editors[i % 2], other = editors[1 - (i % 2)];
    const { turn } = await say(speaker, `Line ${i}`, 6);
    await assert.rejects(say(other, `Interruption ${i}`, 6), /is running turn/);
    await other.client.call('session/rename', { session, title: `round ${i}` });
    await Promise.all(editors.map((editor) => editor.client.idle(turn)));
  }
  await Promise.all(editors.map((editor) => editor.compareWithSnapshot()));
  assert.deepEqual([...editors[0].messages], [...editors[1].messages]);
  assert.deepEqual([...editors[0].logged.values()], [...editors[1].logged.values()]);
  assert.equal(editors[0].messages.size, 12);
  assert.deepEqual(faults, []);
  for (const editor of editors) await editor.client.drop();
});

test('an editor that stops reading falls back to a snapshot; daemon and others do not notice', async () => {
  const session = await newSession('slow');
  const [reader, slow] = [await open(session, 'reader'), await open(session, 'slow')];
  const kinds = [];
  slow.onChange = (event) => kinds.push(event.kind);
  slow.client.socket.pause();
  const before = await residentBytes(reader.client);
  // Far more than sockets hold: 40 MB of titles, each an event for both.
  const title = (i) => `${i} ${'x'.repeat(200_000)}`;
  for (let i = 0; i < 200; ++i) await reader.client.call('session/rename', { session, title: title(i) });
  const grown = await residentBytes(reader.client) - before;
  assert.ok(grown < 16 << 20, `the daemon grew by ${grown} bytes`);
  assert.equal(reader.title, title(199), 'the other editor saw all of it at once');

  slow.client.socket.resume();
  while (slow.title !== title(199)) await new Promise((resolve) => { slow.onChange = (event) => { kinds.push(event.kind); resolve(); }; });
  assert.ok(kinds.includes('sync.gap'), 'by a snapshot');
  await slow.compareWithSnapshot();
  const { turn } = await say(reader, 'Hello', 6);
  await Promise.all([reader, slow].map((editor) => editor.client.idle(turn)));
  assert.deepEqual([...slow.messages], [...reader.messages]);
  assert.deepEqual(faults, []);
  for (const editor of [reader, slow]) await editor.client.drop();
});
