// Labelled text does not leave, whatever wire it came in by and however a client dressed it; what does leave is in
// the egress ledger, byte for byte. The user's proxy records everything that the daemon sends.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, RpcClient, command, folders } from './daemon.mjs';

const kKey = 'acme-key-7Qm2Zx9Lw4Rt8Bn5Vc1K';  // of the upstream; must be in its requests and nowhere else

// Keeps every byte; answers each request on OpenAI's chat wire.
class RecordingProxy {
  static async start() {
    const proxy = new RecordingProxy();
    proxy.received = [];
    proxy.nSent = 0;
    proxy.nRequests = 0;
    proxy.server = net.createServer((socket) => proxy.serve(socket));
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  serve(socket) {
    let pending = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      this.received.push(bytes);
      pending = Buffer.concat([pending, bytes]);
      for (;;) {
        const head = pending.indexOf('\r\n\r\n');
        if (head < 0) return;
        const length = Number(/content-length: (\d+)/i.exec(pending.subarray(0, head).toString())?.[1] ?? 0);
        if (pending.length < head + 4 + length) return;
        pending = pending.subarray(head + 4 + length);
        this.answer(socket);
      }
    });
  }

  answer(socket) {
    ++this.nRequests;
    const chunk = (delta, reason = null) => `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'acme-1',
      choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
    const body = chunk({ role: 'assistant', content: 'The sky is blue.' }) + chunk({}, 'stop') +
      `data: ${JSON.stringify({ id: 'x', choices: [], usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 } })}\n\ndata: [DONE]\n\n`;
    const answer = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    this.nSent += Buffer.byteLength(answer);
    socket.write(answer);
  }

  bytes() { return Buffer.concat(this.received); }
}

const kCanaries = 1000;
const canary = (i) => `cnry-${(Math.imul(i, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')}-${(i * 40503 + 977).toString(36)}-k${String(i).padStart(4, '0')}w7`;

// A labelled file: what a person would write, with a canary of its own in its middle.
const fileText = (i) => [
  `# Notes of the board, part ${i}`,
  `The offer for parcel ${i} was raised on the ninth; our reserve lies ${i * 7 + 3} below it.`,
  `Reference of the sealed envelope: ${canary(i)} (kept by the notary alone).`,
  `Nobody outside this room may learn that parcel ${i} is for sale before the vote.`, ''].join('\n');

let proxy, daemon, rpc, root;

before(async () => {
  proxy = await RecordingProxy.start();
  const { folder, env } = folders();
  root = path.join(folder, 'workspace');
  mkdirSync(path.join(root, 'pinned'), { recursive: true });
  mkdirSync(path.join(root, 'src'));
  for (let i = 0; i < kCanaries; ++i) writeFileSync(path.join(root, 'pinned', `part_${i}.md`), fileText(i));
  writeFileSync(path.join(root, 'src', 'main.py'), 'print("hello, world")\n');
  daemon = new Daemon();
  Object.assign(daemon, { folder, env: { ...env, http_proxy: proxy.url, HTTP_PROXY: proxy.url, ACME_KEY: kKey } });
  const config = path.join(env.XDG_CONFIG_HOME, 'hearth');
  mkdirSync(config);
  writeFileSync(path.join(config, 'hearth.toml'), `policy_file = "policy.toml"\n[log]\nlevel = "trace"\n`);
  writeFileSync(path.join(config, 'policy.toml'), `
policy = { name = "pinned", trust_floor = "retained" }
workspace = { roots = [${JSON.stringify(root)}] }
label = [
  { name = "pinned", match = ["pinned/**", "tool:vault"], trust = "local" },
  { name = "secret", match = ["detector:key"], trust = "local" },
]
target.cloud = { kind = "api:acme", model = "acme-1", base_url = "http://upstream.test/v1", key_env = "ACME_KEY", free = true, quality = 0.9 }
`);
  await daemon.serve();
  rpc = await RpcClient.connect(daemon.discovery);
});
after(async () => {
  await rpc.drop();
  await daemon.stop();
  proxy.server.close();
});

// ---- the shapes in which clients send text ----

const escaped = (text) => JSON.stringify(text).slice(1, -1);
const numbered = (text) => text.split('\n').map((line, n) => `${String(n + 1).padStart(6)}→${line}`).join('\n');
const listed = (text, i) => text.split('\n').map((line, n) => `pinned/part_${i}.md:${n + 1}:${line}`).join('\n');
const shapes = [
  (i) => `What does this mean?\n\n${fileText(i)}`,
  (i) => numbered(fileText(i)),
  (i) => listed(fileText(i), i),
  (i) => `{"content":"${escaped(fileText(i))}"}`,
  (i) => `{"outer":"${escaped(`{"content":"${escaped(fileText(i))}"}`)}"}`,
  (i) => fileText(i).split('\n').slice(1, 4).map((line) => `-      ${line}`).join('\n'),
  (i) => `${fileText(i).split('\n')[2]}`,
  (i) => `Who keeps ${canary(i)}?`,
  (i) => Buffer.from(fileText(i)).toString('base64'),
  (i) => Buffer.from(fileText(i)).toString('hex'),
  (i) => encodeURIComponent(fileText(i)),
  (i) => fileText(i).replace(/\s+/g, ' '),
];

// Each way to send a text; resolves to the HTTP status (or the code of the turn's end).
const ask = async (route, body, headers) => {
  const answer = await daemon.post(route, body, headers);
  await answer.text();
  return answer.status;
};
let nTurns = 0;
const turn = async (input) => {
  const { id } = await rpc.call('session/create', { title: 'parcels' });
  await rpc.call('session/subscribe', { session: id });
  const { turn } = await rpc.call('turn/start', { session: id, idempotencyKey: `k${++nTurns}`, input });
  const ended = await rpc.wait((e) => e.session === id && e.kind === 'session.state' && e.data.state === 'idle' && e.data.turn === turn);
  await rpc.call('session/unsubscribe', { session: id });
  return ended.data.error ? ended.data.error.code : 200;
};
const chat = (content, more = {}) => ({ model: 'auto', messages: [{ role: 'user', content }], max_tokens: 20, ...more });
const wires = {
  chat: (text) => ask('/v1/chat/completions', chat(text)),
  'chat, streamed': (text) => ask('/v1/chat/completions', chat(text, { stream: true })),
  'chat, parts': (text) => ask('/v1/chat/completions', chat([...text.match(/[^]{1,40}/g)].map((piece) => ({ type: 'text', text: piece })))),
  'chat, system': (text) => ask('/v1/chat/completions', { ...chat('Hello'), messages: [{ role: 'system', content: text }, { role: 'user', content: 'Hello' }] }),
  'chat, tool result': (text) => ask('/v1/chat/completions', { ...chat(''), messages: [
    { role: 'user', content: 'read it' },
    { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'read', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'c1', content: text }] }),
  'chat, tool arguments': (text) => ask('/v1/chat/completions', { ...chat(''), messages: [
    { role: 'user', content: 'write it' },
    { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'write', arguments: JSON.stringify({ text }) } }] },
    { role: 'tool', tool_call_id: 'c1', content: 'done' }] }),
  'chat, tool description': (text) => ask('/v1/chat/completions', chat('Hello', { tools: [{ type: 'function', function: { name: 't', description: text, parameters: { type: 'object' } } }] })),
  completions: (text) => ask('/v1/completions', { model: 'auto', prompt: text, max_tokens: 20 }),
  responses: (text) => ask('/v1/responses', { model: 'auto', input: text, max_output_tokens: 20 }),
  'responses, tool output': (text) => ask('/v1/responses', { model: 'auto', input: [
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'go on' }] },
    { type: 'function_call', call_id: 'c1', name: 'shell', arguments: '{}' },
    { type: 'function_call_output', call_id: 'c1', output: text }] }),
  messages: (text) => ask('/v1/messages', { model: 'auto', max_tokens: 20, system: 'Help.', messages: [{ role: 'user', content: [{ type: 'text', text }] }] }),
  'messages, tool result': (text) => ask('/v1/messages', { model: 'auto', max_tokens: 20, messages: [
    { role: 'user', content: 'go on' },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'read', input: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text }] }] }] }),
  session: (text) => turn([{ type: 'text', text }]),
  'session, by source': (text) => turn([{ type: 'toolResult', callId: 'c', text: `${text}`, source: { tool: 'vault' } }]),
  'chat, header': (text) => ask('/v1/chat/completions', chat(`unknown to any file: ${text}`), { 'x-hearth-labels': 'pinned' }),
};

test(`of ${kCanaries} canaries none leaves, on any wire, in any dress`, async () => {
  const names = Object.keys(wires);
  const refused = new Map(names.map((name) => [name, 0]));
  const before = proxy.nRequests;
  let next = 0;
  const worker = async () => {
    while (next < kCanaries) {
      const i = next++;
      const name = names[i % names.length];
      const status = await wires[name](shapes[Math.floor(i / names.length) % shapes.length](i));
      assert.ok(status === 403 || status === 'denied', `${name}: canary ${i} was answered with ${status}`);
      refused.set(name, refused.get(name) + 1);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  assert.equal(proxy.nRequests, before);
  for (const name of names) assert.ok(refused.get(name) >= Math.floor(kCanaries / names.length), name);
});

test('the file that a call names is its result\'s source, on every wire', async () => {
  const before = proxy.nRequests;
  const text = 'one two three four five';  // in no file that is known
  const sent = {
    chat: (name, args) => ask('/v1/chat/completions', { ...chat(''), messages: [
      { role: 'user', content: 'read it' },
      { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name, arguments: JSON.stringify(args) } }] },
      { role: 'tool', tool_call_id: 'c1', content: text }] }),
    responses: (name, args) => ask('/v1/responses', { model: 'auto', input: [
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'read it' }] },
      { type: 'function_call', call_id: 'c1', name, arguments: JSON.stringify(args) },
      { type: 'function_call_output', call_id: 'c1', output: text }] }),
    messages: (name, args) => ask('/v1/messages', { model: 'auto', max_tokens: 20, messages: [
      { role: 'user', content: 'read it' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name, input: args }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: text }] }] }),
  };
  for (const [wire, send] of Object.entries(sent)) {
    for (const args of [{ path: 'pinned/new.md' }, { file_path: '/home/u/work/pinned/new.md' }, { filePath: './pinned/new.md' },
      { command: ['bash', '-lc', 'cat pinned/new.md'] }, { cmd: 'cd .. && tail -5 "../work/pinned/new.md"' }])
      assert.equal(await send('tool', args), 403, `${wire} ${JSON.stringify(args)}`);
    assert.equal(await send('vault', {}), 403, `${wire}: by the tool`);
  }
  assert.equal(proxy.nRequests, before);
  for (const [wire, send] of Object.entries(sent)) assert.equal(await send('tool', { path: 'open/new.md' }), 200, wire);
});

test('what Hearth itself holds is a secret: its token, a key, in any sentence', async () => {
  const before = proxy.nRequests;
  for (const secret of [kKey, daemon.discovery.token])
    assert.equal(await wires.chat(`Is ${secret} the right one?`), 403);
  assert.equal(proxy.nRequests, before);
});

test('what is not labelled is answered on every wire', async () => {
  for (const [name, send] of Object.entries(wires)) {
    if (name === 'chat, header' || name === 'session, by source' || name === 'completions') continue;
    assert.equal(await send('Why is the sky blue? Please answer in one sentence.'), 200, name);
  }
});

test('a label follows: into a later turn, a file that is labelled meanwhile, a secret that is pasted', async () => {
  const before = proxy.nRequests;
  const diary = 'On the third of May the old clockmaker closed his shop and gave me the brass key.';
  assert.equal(await wires.chat(diary), 200, 'not labelled yet');
  writeFileSync(path.join(root, 'pinned', 'diary.md'), diary);
  assert.equal(await wires.chat(diary), 403, 'labelled from the next request on');
  assert.equal(await wires.messages(`You said: "${diary}"`), 403);
  const pem = ['-----BEGIN RSA ', 'PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj'].join('');
  assert.equal(await wires.responses(`Is this right?\n${pem}`), 403);
  assert.equal(proxy.nRequests, before + 1);
});

test('a refusal says which label, what carries it, and whose trust is too low', async () => {
  const answer = await (await daemon.post('/v1/chat/completions', chat(fileText(5)))).json();
  assert.match(answer.error.message, /label "pinned" \(message 1, text of pinned\/part_5\.md, digest [0-9a-f]{32}\) allows trust local at most, the target has retained/);
});

test('a person may take a label off a text; the act is kept', async () => {
  const message = (await (await daemon.post('/v1/chat/completions', chat(fileText(6)))).json()).error.message;
  const digest = /digest ([0-9a-f]{32})/.exec(message)[1];
  assert.equal(daemon.command(['declassify', digest, '--label', 'pinned']).code, 1, 'a reason is asked for');
  const act = daemon.command(['declassify', digest, '--label', 'pinned', '--why', 'it was in the papers']);
  assert.equal(act.code, 0, act.err);
  assert.equal(await wires.chat(fileText(6)), 200);
  assert.equal(await wires.chat(fileText(6) + 'and more'), 403, 'this text alone');
  const listed = JSON.parse(daemon.run('declassify', '--json'));
  assert.equal(listed.declassified[0].text, digest);
  assert.equal(listed.declassified[0].why, 'it was in the papers');
  assert.ok(listed.workspace.labelledFiles >= kCanaries);
});

test('the ledger holds every byte that left, and verifies', async () => {
  const report = JSON.parse(daemon.run('egress', '--json'));
  assert.equal(report.total.sent, proxy.bytes().length, 'sent');
  assert.equal(report.total.received, proxy.nSent, 'received');
  assert.equal(report.records.length, proxy.nRequests);
  const record = report.records.at(-1);
  assert.deepEqual(record.hosts, ['upstream.test']);
  assert.equal(record.target, 'cloud');
  assert.match(record.decision, /^dec-/);
  assert.ok(record.blocks.length > 0);
  const verified = daemon.command(['egress', 'verify']);
  assert.equal(verified.code, 0, verified.err);
  assert.match(verified.out, new RegExp(`^${proxy.nRequests} records in \\d days? ?`));
  const csv = daemon.run('egress', '--csv').trim().split('\r\n');
  assert.equal(csv.length, proxy.nRequests + 1);
  assert.equal(JSON.parse(daemon.run('egress', '--json', '--host', 'elsewhere')).records.length, 0);
  const folder = path.join(daemon.env.XDG_STATE_HOME, 'hearth', 'egress');
  const day = readdirSync(folder).filter((name) => name.endsWith('.jsonl'))[0];
  for (const text of ['sky blue', kKey]) assert.ok(!readFileSync(path.join(folder, day), 'utf8').includes(text), 'no text, no key');
  appendFileSync(path.join(folder, day), '{"seq":9999}\n');
  assert.equal(daemon.command(['egress', 'verify']).code, 1);
});

test('recorded traffic holds no canary in any coding', () => {
  const traffic = proxy.bytes().toString('latin1').toLowerCase();
  for (let i = 0; i < kCanaries; ++i) {
    if (i === 6) continue;  // declassified above
    const plain = canary(i);
    const base64 = Buffer.from(plain).toString('base64').slice(1, -4).toLowerCase();
    for (const form of [plain, base64, Buffer.from(plain).toString('hex'), encodeURIComponent(plain)])
      assert.ok(!traffic.includes(form), `canary ${i}`);
  }
});

test('keys are in requests and nowhere else', async () => {
  assert.ok(proxy.bytes().includes(`Bearer ${kKey}`));
  const state = path.join(daemon.env.XDG_STATE_HOME, 'hearth');
  for (const name of readdirSync(state)) {
    if (!name.includes('.log')) continue;
    const text = readFileSync(path.join(state, name), 'latin1');
    assert.ok(!text.includes(kKey), name);
    assert.ok(!text.includes(daemon.discovery.token), name);
  }
  const { pid } = daemon.discovery;
  assert.ok(!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(kKey));
  for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean))
    assert.ok(!readFileSync(`/proc/${child}/environ`, 'latin1').includes(kKey));
});

test('another program of the same user reads neither memory nor environment', async () => {
  // As nobody, where we are root: root may read everything.
  const as = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
  const { folder, env } = folders();
  const binary = path.join(folder, 'hearth');
  copyFileSync(process.env.HEARTH_BINARY, binary);
  chmodSync(binary, 0o755);
  if (as.uid) execFileSync('chown', ['-R', `${as.uid}:${as.gid}`, folder]);
  const other = spawn(binary, ['serve', '--port', '0'], { env: { ...env, ACME_KEY: kKey }, stdio: ['ignore', 'ignore', 'pipe'], ...as });
  const ended = new Promise((resolve) => other.once('exit', resolve));
  let said = '';
  await new Promise((resolve, reject) => {
    other.stderr.on('data', (bytes) => { if ((said += bytes).includes('is ready at')) resolve(); });
    ended.then(() => reject(new Error(said)));
  });
  for (const file of ['environ', 'maps', 'mem']) {
    const read = spawnSync('head', ['-c', '1', `/proc/${other.pid}/${file}`], as);
    assert.notEqual(read.status, 0, file);
    assert.match(String(read.stderr), /denied/, file);
  }
  other.kill();
  await ended;
  rmSync(folder, { recursive: true, force: true });
});

test('a policy that is wrong stays out; the old one is kept and the place is named', async () => {
  const file = path.join(daemon.env.XDG_CONFIG_HOME, 'hearth', 'policy.toml');
  const good = readFileSync(file, 'utf8');
  writeFileSync(file, good + '\n[target.cloud2]\nkind = "api:acme"\nmodel = "m"\nbase_url = "http://x.test/v1"\nfree = true\ntrsut = "local"\n');
  const checked = daemon.command(['policy', 'check']);
  assert.equal(checked.code, 1);
  assert.match(checked.err, /policy\.toml:1\d: unknown key "target\.cloud2\.trsut"; did you mean "trust"\?/);
  await assert.rejects(rpc.call('config/reload'), /policy\.toml:1\d/);
  assert.equal(await wires.chat(fileText(7)), 403, 'the old one is in force');
  writeFileSync(file, good.replace('trust_floor = "retained"', 'trust_floor = "local"'));
  await rpc.call('config/reload');
  assert.equal(await wires.chat('Why is the sky blue?'), 403, 'the new one is');
  writeFileSync(file, good);
  await rpc.call('config/reload');
  assert.equal(await wires.chat('Why is the sky blue?'), 200);
});

test('policy show and policy test say what serving does', () => {
  const shown = JSON.parse(daemon.run('policy', 'show', '--json'));
  const chatClass = shown.classes.find((each) => each.class === 'chat');
  assert.deepEqual(chatClass.sights.find((sight) => sight.label === 'pinned').targets, []);
  assert.deepEqual(chatClass.sights.find((sight) => sight.label === '').targets, ['cloud']);
  assert.match(daemon.run('policy', 'show'), /paraphrase/);
  const cases = path.join(daemon.folder, 'cases.toml');
  writeFileSync(cases, `
[[case]]
name = "notes stay"
text = ${JSON.stringify(fileText(9))}
expect = { refused = "denied", labels = ["pinned"], excluded = ["cloud: label"] }
[[case]]
name = "by path"
path = "pinned/x.md"
expect = { refused = true }
[[case]]
name = "the rest may go"
text = "hello"
expect = { target = "cloud" }
`);
  const passed = daemon.command(['policy', 'test', cases]);
  assert.equal(passed.code, 0, passed.out + passed.err);
  writeFileSync(cases, '{"name":"wrong","labels":["pinned"],"expect":{"target":"cloud"}}\n');
  const failed = daemon.command(['policy', 'test', cases]);
  assert.equal(failed.code, 1);
  assert.match(failed.out, /FAIL wrong\n.*expected cloud, it is refused/);
});

test('policy check and policy test know the model that is here, as serving does', () => {
  const { folder, env } = folders();
  const config = path.join(env.XDG_CONFIG_HOME, 'hearth');
  mkdirSync(config);
  writeFileSync(path.join(config, 'hearth.toml'), `
model.tiny = { path = ${JSON.stringify(path.join(folder, 'tiny.gguf'))} }
label = [{ name = "secret", match = ["**/.env*"], trust = "local" }]
target.cloud = { kind = "api:acme", model = "acme-1", base_url = "http://upstream.test/v1", free = true, quality = 0.9 }
`);
  const cases = path.join(folder, 'cases.toml');
  writeFileSync(cases, `
[[case]]
path = "config/.env"
expect = { target = "local", labels = ["secret"] }
`);
  const tested = command(['policy', 'test', cases], { env });
  assert.equal(tested.code, 0, tested.out + tested.err);
  const checked = command(['policy', 'check'], { env });
  assert.equal(checked.code, 0, checked.err);
  assert.doesNotMatch(checked.out, /no target may see/);
  rmSync(folder, { recursive: true, force: true });
});
