// Remote servers as they are in the world: HTTP/2 behind an authority of one's own, several servers of one model as a
// pool, one of which dies.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { constants, createSecureServer } from 'node:http2';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon } from './daemon.mjs';

const events = (text) =>
  [{ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] },
   { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
   { choices: [], usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 } }]
    .map((data) => `data: ${JSON.stringify(data)}\n\n`).join('') + 'data: [DONE]\n\n';

// A server of vLLM's kind.
function modelServer(name) {
  const server = createServer(async (request, response) => {
    if (request.url === '/metrics') {
      server.looks = (server.looks ?? 0) + 1;
      return response.end('vllm:num_requests_running{engine="0"} 3.0\nvllm:num_requests_waiting{engine="0"} 0.0\nvllm:kv_cache_usage_perc{engine="0"} 0.25\n');
    }
    for await (const _ of request);
    server.asked = (server.asked ?? 0) + 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(events(name));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

let folder, secure, sessions = 0, versions = [], torn = [], servers, daemon;

before(async () => {
  folder = execFileSync('mktemp', ['-d']).toString().trim();
  const file = (name) => path.join(folder, name);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=hearth test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', file('key.pem'), '-out', file('ca.pem')],
  { stdio: 'ignore' });
  secure = createSecureServer({ allowHTTP1: true, key: readFileSync(file('key.pem')), cert: readFileSync(file('ca.pem')) }, async (request, response) => {
    let asked = '';
    for await (const chunk of request) asked += chunk;
    if (request.url.startsWith('/torn/')) {
      torn.push(asked);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return response.write(events('half').slice(0, 60), () => (request.httpVersion === '2.0' ? response.stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED) : response.end()));
    }
    versions.push(request.httpVersion);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(events('over two'));
  });
  secure.on('session', () => ++sessions);
  await new Promise((resolve) => secure.listen(0, '127.0.0.1', resolve));
  servers = await Promise.all(['one', 'two', 'three'].map(modelServer));
  const endpoints = servers.map((server) => `"http://127.0.0.1:${server.address().port}/v1"`).join(', ');
  daemon = await Daemon.start({ model: null, config: `
[network]
ca_file = "${file('ca.pem')}"
[target.secure]
kind = "api:acme"
model = "m"
base_url = "https://127.0.0.1:${secure.address().port}/v1"
free = true
[target.torn]
kind = "api:acme"
model = "m3"
base_url = "https://127.0.0.1:${secure.address().port}/torn/v1"
free = true
[target.team]
kind = "pool"
model = "m2"
endpoints = [${endpoints}]
free = true
` });
});

after(async () => {
  await daemon?.stop();
  secure?.close();
  for (const server of servers ?? []) server.close();
});

async function ask(model, text) {
  const response = await daemon.post('/v1/chat/completions', { model, messages: [{ role: 'user', content: text }] });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.choices[0].message.content;
}

test("HTTP/2 behind the user's own authority, one connection for all", async () => {
  for (let i = 0; i < 3; ++i) assert.equal(await ask('secure', `question ${i}`), 'over two');
  assert.deepEqual(versions, ['2.0', '2.0', '2.0']);
  assert.equal(sessions, 1);
});

// curl tries a stream again that ended so, though its body may be gone by then.
test('a stream that a server wants over HTTP/1.1 in its midst is not sent again', async () => {
  const response = await daemon.post('/v1/chat/completions', { model: 'torn', messages: [{ role: 'user', content: 'x'.repeat(100000) }] });
  assert.equal(response.status, 502, await response.text());
  for (const body of torn) assert.equal(JSON.parse(body).messages.at(-1).content.length, 100000);
  assert.ok(torn.length >= 1);
});

test('a pool keeps a conversation on one server and goes on when it dies', async () => {
  const home = await ask('team', 'a conversation');
  for (let i = 0; i < 4; ++i) assert.equal(await ask('team', 'a conversation'), home);
  const names = new Set();
  for (let i = 0; i < 30; ++i) names.add(await ask('team', `conversation ${i}`));
  assert.equal(names.size, 3, 'others are spread');

  const status = JSON.parse(daemon.run('status', '--json'));
  const rows = status.targets.filter((row) => row.target === 'team');
  assert.equal(rows.length, 3);
  assert.ok(rows.some((row) => row.serverRunning === 3 && row.cacheUse === 0.25), 'figures of the servers are shown');
  assert.ok(servers.every((server) => server.looks > 0));

  const dying = servers[['one', 'two', 'three'].indexOf(home)];
  dying.closeAllConnections();
  await new Promise((resolve) => dying.close(resolve));
  const other = await ask('team', 'a conversation');
  assert.notEqual(other, home);
});
