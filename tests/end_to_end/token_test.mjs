// Named tokens and `hearth setup`: clients that do not hold the owner's token.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, RpcClient, command, folders, hearth, require } from './daemon.mjs';
import { Upstream } from './upstream.mjs';

const config = `
[[label]]
name = "closed"
match = ["none/*"]
trust = "local"
`;
let daemon, bare, upstream;
before(async () => {
  upstream = await Upstream.start(() => ({ text: 'From afar.' }));
  daemon = await Daemon.start({ config: config + upstream.config() });
  bare = folders();
});
after(async () => {
  assert.equal((await daemon.stop()).code, 0);
  await upstream.stop();
  rmSync(bare.folder, { recursive: true, force: true });
});

function works(run) {
  assert.equal(run.code, 0, run.err);
  return run;
}
const token = (...args) => daemon.command(['token', ...args]);
const create = (...args) => works(token('create', ...args)).out.trim();
const models = (key) => fetch(daemon.discovery.url + '/v1/models', { headers: { authorization: `Bearer ${key}` } });

test('a named token is printed once, opens /v1 and is kept hashed', async () => {
  const key = create('ci', '--label', 'closed,work', '--budget', '5/day', '--expires', '30d');
  assert.match(key, /^hth_[0-9a-f]{64}$/);
  assert.equal((await models(key)).status, 200);
  assert.equal((await fetch(daemon.discovery.url + '/v1/models', { headers: { 'x-api-key': key } })).status, 200);
  const at = path.join(daemon.env.XDG_STATE_HOME, 'hearth', 'tokens.json');
  assert.equal(statSync(at).mode & 0o777, 0o600);
  assert.ok(!readFileSync(at, 'utf8').includes(key.slice(4)));
  const { out } = works(token('list'));
  assert.match(out, /ci +closed,work +\$5\.00\/day +\d{4}-/);
  assert.ok(!out.includes(key));
  const [row] = JSON.parse(works(token('list', '--json')).out).tokens;
  assert.deepEqual([row.name, row.labels, row.budgetUsd, row.budgetPer, row.expired], ['ci', ['closed', 'work'], 5, 'day', false]);
  assert.equal(row.sha256, undefined);
});

const ask = (key, body) => fetch(daemon.discovery.url + '/v1/chat/completions', {
  method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({ max_tokens: 16, messages: [{ role: 'user', content: 'Hi' }], ...body }),
});

test('its labels are those of every request', async () => {
  const key = create('sealed', '--label', 'closed');
  const refused = await ask(key, { model: 'chatty' });
  assert.notEqual(refused.status, 200);
  assert.match((await refused.json()).error.message, /closed/);
  assert.equal((await ask(daemon.discovery.token, { model: 'chatty' })).status, 200);
  assert.equal((await ask(key, { model: 'local' })).status, 200, 'what stays here may be asked');
});

test('its budget is a wall, for it alone', async () => {
  const poor = create('poor', '--budget', '0'), rich = create('rich', '--budget', '5/day');
  const refused = await ask(poor, { model: 'chatty' });
  assert.notEqual(refused.status, 200);
  assert.match((await refused.json()).error.message, /token:poor/);
  assert.equal((await ask(poor, { model: 'local' })).status, 200, 'what costs nothing may be asked');
  const n = upstream.requests.length;
  assert.equal((await ask(rich, { model: 'chatty' })).status, 200);
  assert.equal(upstream.requests.length, n + 1);
  assert.equal((await ask(daemon.discovery.token, { model: 'chatty' })).status, 200);
  assert.match((await (await daemon.fetch('/metrics')).text()), /^hearth_budget_spent_usd\{[^}]*token:rich[^}]*\} (?!0\n)[\d.e-]+$/m);
});

test('it opens nothing that is the owner\'s', async () => {
  const key = create('narrow');
  for (const route of ['/metrics', '/nowhere'])
    assert.equal((await fetch(daemon.discovery.url + route, { headers: { authorization: `Bearer ${key}` } })).status, 403);
  await assert.rejects(RpcClient.connect({ ...daemon.discovery, token: key }), /403/);
  assert.equal((await daemon.fetch('/metrics')).status, 200);
});

test('a revoked token ends at once, its running answer too', async () => {
  const key = create('short-lived');
  const answer = await fetch(daemon.discovery.url + '/v1/completions', {
    method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'local', prompt: 'Once upon a time', max_tokens: 6000, stream: true, ignore_eos: true }),
  });
  assert.equal(answer.status, 200);
  const reader = answer.body.getReader();
  await reader.read();
  works(token('revoke', 'short-lived'));
  assert.equal((await models(key)).status, 401);
  await assert.rejects(async () => { while (!(await reader.read()).done); }, 'the stream breaks');
  assert.match(token('revoke', 'short-lived').err, /no token "short-lived"; there are: ci/);
});

test('an expired token is refused and says so', async () => {
  const key = create('old', '--expires', '1h', '--json');
  const made = JSON.parse(key);
  const at = path.join(daemon.env.XDG_STATE_HOME, 'hearth', 'tokens.json');
  assert.equal((await models(made.token)).status, 200);
  const edited = JSON.parse(readFileSync(at, 'utf8'));
  edited.tokens.find(({ name }) => name === 'old').expiresMs = Date.now() - 1;
  execFileSync('sh', ['-c', 'umask 077; cat > "$1.new" && mv "$1.new" "$1"', 'sh', at], { input: JSON.stringify(edited) });
  const refused = await models(made.token);
  assert.equal(refused.status, 401);
  assert.match((await refused.json()).error.message, /"old" has expired/);
  assert.match(works(token('list')).out, /old .*\(over\)/);
});

test('a label that the policy does not know is told', () => {
  const run = works(token('create', 'typo', '--label', 'clsoed'));
  assert.match(run.err, /note: the policy has no \[\[label\]\] named "clsoed"/);
});

test('wrong names, budgets and ends are refused with what was expected', () => {
  const refused = (args, message) => {
    const run = token('create', ...args);
    assert.notEqual(run.code, 0);
    assert.match(run.err, message);
    assert.equal(run.out, '');
  };
  refused(['a b'], /"a b" is no name.*expected/);
  refused(['ci'], /token "ci" already/);
  refused(['x', '--budget', '5/year'], /budget "5\/year": expected.*day/);
  refused(['x', '--expires', 'soon'], /expiry "soon": expected.*30d/);
  refused([], /name is required/);
});

test('tokens need no daemon', () => {
  const without = (...args) => command(['token', ...args], { env: bare.env });
  assert.match(works(without('list')).out, /no named tokens; make one/);
  assert.match(works(without('create', 'a')).out, /^hth_/);
  assert.equal(JSON.parse(works(without('list', '--json')).out).tokens.length, 1);
  works(without('revoke', 'a'));
  assert.deepEqual(JSON.parse(works(without('list', '--json')).out), { tokens: [] });
  assert.match(works(without('show')).out, /^[0-9a-f]{64}\n$/);
});

test('setup prints what each client takes', async () => {
  const setup = (client, ...more) => works(daemon.command(['setup', client, ...more]));
  const { url } = daemon.discovery;
  const codex = setup('codex');
  assert.match(codex.out, new RegExp(`base_url = "${url}/v1"\nenv_key = "HEARTH_TOKEN"\nwire_api = "responses"`));
  assert.match(codex.err, /config\.toml/);
  const opencode = JSON.parse(setup('opencode', '--model', 'local').out);
  assert.equal(opencode.model, 'hearth/local');
  assert.equal(opencode.provider.hearth.options.baseURL, url + '/v1');
  assert.match(setup('continue').out, new RegExp(`apiBase: ${url}/v1\n +apiKey: ${daemon.discovery.token}\n`));

  // What a shell makes of the others.
  const variables = (client, ...more) => {
    const script = `eval "$(${hearth} setup ${client} ${more.join(' ')})"; env`;
    const out = execFileSync('bash', ['-c', script], { env: daemon.env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return Object.fromEntries(out.trim().split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  };
  const claude = variables('claude');
  assert.equal(claude.ANTHROPIC_BASE_URL, url);
  assert.equal(claude.ANTHROPIC_AUTH_TOKEN, daemon.discovery.token);
  assert.equal(claude.ANTHROPIC_MODEL, 'auto');
  assert.equal(variables('qwen').OPENAI_BASE_URL, url + '/v1');
  const key = create('sdk');
  const sdk = variables('sdk', '--token', key);
  assert.equal(sdk.OPENAI_API_KEY, key);
  const { OpenAI } = require('openai');
  const client = new OpenAI({ apiKey: sdk.OPENAI_API_KEY, baseURL: sdk.OPENAI_BASE_URL });
  const answer = await client.chat.completions.create({ model: 'auto', max_tokens: 4, messages: [{ role: 'user', content: 'Hi' }] });
  assert.ok(answer.choices[0].message.content);

  assert.match(daemon.command(['setup', 'emacs']).err, /emacs.*codex/);
  assert.match(daemon.command(['setup', 'sdk', '--model', 'a"; rm -rf']).err, /expected letters/);
  assert.match(command(['setup', 'codex'], { env: bare.env }).err, /no daemon is running; .*48620/);
});

test('a reverse proxy on this machine serves a team, each with a token', async () => {
  const { port } = new URL(daemon.discovery.url);
  const proxy = http.createServer((request, response) => {
    const headers = { ...request.headers, host: `127.0.0.1:${port}` };
    const onward = http.request({ host: '127.0.0.1', port, method: request.method, path: request.url, headers },
      (answer) => { response.writeHead(answer.statusCode, answer.headers); answer.pipe(response); });
    request.pipe(onward);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${proxy.address().port}`;
  try {
    const key = create('colleague');
    assert.equal((await fetch(base + '/v1/models', { headers: { authorization: `Bearer ${key}` } })).status, 200);
    assert.equal((await fetch(base + '/v1/models')).status, 401);
    assert.equal((await fetch(base + '/metrics', { headers: { authorization: `Bearer ${key}` } })).status, 403);
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
});
