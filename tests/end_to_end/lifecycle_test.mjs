// Start and end of the daemon: the second one, a taken port, what a killed one leaves behind, disks
// that are full or closed, tokens and strangers.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, test } from 'node:test';
import { Daemon, RpcClient, command, folders, hearth, require } from './daemon.mjs';

const daemons = [], strays = [];
async function start(options) {
  const daemon = await Daemon.start(options);
  daemons.push(daemon);
  return daemon;
}
function bare() {
  const made = folders();
  strays.push(made.folder);
  return made;
}
afterEach(async () => { for (const daemon of daemons.splice(0)) await daemon.stop(); });
after(() => { for (const folder of strays) rmSync(folder, { recursive: true, force: true }); });

// {code, out, err} of a command that others run beside.
async function output(args, env, program = hearth) {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const run = { out: '', err: '' };
  child.stdout.on('data', (text) => { run.out += text; });
  child.stderr.on('data', (text) => { run.err += text; });
  [run.code] = await once(child, 'close');
  return run;
}

const runtime = (daemon, name) => path.join(daemon.env.XDG_RUNTIME_DIR, 'hearth', name);
// A process that has ended and that nobody has waited for has no command line.
const isAlive = (pid) => existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`).length > 0;

test('daemon.json is owner-only and names url, socket, token, pid, epoch and version', async () => {
  const daemon = await start();
  const { url, socket, token, pid, epoch, version } = daemon.discovery;
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.ok(statSync(socket).isSocket());
  assert.ok(token.length >= 43, '256 bits');
  assert.equal(pid, daemon.process.pid);
  assert.ok(epoch && version);
  assert.equal(statSync(runtime(daemon, 'daemon.json')).mode & 0o777, 0o600);
  assert.equal(statSync(path.dirname(socket)).mode & 0o777, 0o700);
  assert.equal(daemon.command(['stop']).code, 0);
  assert.ok(!existsSync(runtime(daemon, 'daemon.json')), 'gone with the daemon');
});

test('a second start exits 0 and says who runs', async () => {
  const daemon = await start();
  for (const how of [['serve'], ['serve', '--detach']]) {
    const second = daemon.command(how);
    assert.equal(second.code, 0, second.err);
    assert.match(second.err, new RegExp(`another daemon is running \\(pid ${daemon.process.pid}\\)`));
  }
  assert.equal((await daemon.fetch('/v1/models')).status, 200, 'the first is untouched');
});

test('a second start with another runtime folder fails: nobody could reach the daemon there', async () => {
  const daemon = await start();
  const elsewhere = bare();
  const second = command(['serve', '--port', '0'], { env: { ...daemon.env, XDG_RUNTIME_DIR: elsewhere.env.XDG_RUNTIME_DIR } });
  assert.equal(second.code, 1, second.err);
  assert.match(second.err, /in use by another hearth daemon.*XDG_RUNTIME_DIR/);
});

test('a taken port is left to its owner, and the other one is said', async () => {
  const taken = net.createServer();
  await new Promise((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const daemon = await start();
  await daemon.kill();
  await daemon.serve(taken.address().port);
  assert.match(daemon.stderr, /port is taken/);
  assert.notEqual(new URL(daemon.discovery.url).port, String(taken.address().port));
  assert.match(daemon.stderr, new RegExp(`is ready at ${daemon.discovery.url}`));
  assert.equal((await daemon.fetch('/v1/models')).status, 200);
  taken.close();
});

test('a detached start says that the port was taken, and so does the log', async () => {
  const taken = net.createServer();
  await new Promise((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const daemon = await start();
  await daemon.kill();
  const { port } = taken.address();
  const started = await output(['serve', '--detach', '--port', String(port)], daemon.env);
  taken.close();
  assert.equal(started.code, 0, started.err);
  const said = new RegExp(`port is taken by another program, using a free one wanted=${port}`);
  assert.match(started.err, said);
  assert.match(daemon.log(), said);
  assert.equal(daemon.command(['stop']).code, 0);
});

test('a start beside another one waits until that can be found, or is gone', async () => {
  const daemon = await start();
  await daemon.kill();
  const holder = spawn('sh', ['-c', 'exec 9>"$0"; flock 9; echo held; exec cat', runtime(daemon, 'daemon.lock')], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  const serving = daemon.serve();
  await Promise.race([serving, new Promise((resolve) => daemon.process.stderr.on('data', () => { if (/waiting until it can be found/.test(daemon.stderr)) resolve(); }))]);
  holder.stdin.end();
  await serving;
  assert.equal(daemon.command(['status']).code, 0, 'it has taken the place');
});

test('whoever starts a daemon together with others can use it at once', async () => {
  const daemon = await start();
  await daemon.kill();
  const runs = await Promise.all(Array.from({ length: 5 }, () => output(['-c', '"$0" serve --detach --port 0 && "$0" status', hearth], daemon.env, 'sh')));
  for (const { code, err } of runs) assert.equal(code, 0, err);
  assert.equal(runs.filter(({ err }) => /is ready at/.test(err)).length, 1);
  assert.equal(daemon.command(['stop']).code, 0);
});

test('a daemon that hangs is reported, with the way to end it', async () => {
  const daemon = await start();
  process.kill(daemon.process.pid, 'SIGSTOP');
  try {
    const runs = await Promise.all([['status'], ['doctor'], ['chat', 'hi'], ['complete', 'hi'], ['stop']].map((args) => output(args, daemon.env)));
    for (const { code, out, err } of runs) {
      assert.equal(code, 1);
      assert.match(out + err, new RegExp(`\\(pid ${daemon.process.pid}\\) has not answered for 5 s: .*kill -9 ${daemon.process.pid}`));
    }
  } finally {
    process.kill(daemon.process.pid, 'SIGCONT');
  }
  assert.equal(daemon.command(['status']).code, 0);
});

test('a SIGHUP before the daemon is ready does not end it', async () => {
  const daemon = await start();
  await daemon.kill();
  const lock = runtime(daemon, 'daemon.lock');
  rmSync(lock);
  let isOver = false;
  const serving = daemon.serve().finally(() => { isOver = true; });
  while (!isOver) {
    if (existsSync(lock)) daemon.process.kill('SIGHUP');
    await new Promise(setImmediate);
  }
  await serving;
  assert.match(daemon.log(), /configuration loaded/);
});

test('what a killed daemon leaves behind is in nobody\'s way', async () => {
  const daemon = await start();
  const { token } = daemon.discovery;
  await daemon.kill();
  assert.ok(existsSync(runtime(daemon, 'daemon.sock')) && existsSync(runtime(daemon, 'daemon.json')));
  for (const args of [['status'], ['chat', 'hi'], ['complete', 'hi']]) {
    const run = daemon.command(args);
    assert.equal(run.code, 1);
    assert.match(run.err, /no daemon answers at .*hearth serve --detach/);
  }
  assert.match(daemon.command(['stop']).err, /no daemon is running/);
  await daemon.serve();
  assert.equal(daemon.discovery.token, token, 'the token is stable');
  assert.equal(daemon.command(['status']).code, 0);
});

test('a detached daemon holds nothing of its starter and ends when asked', async () => {
  const daemon = await start();
  await daemon.kill();
  const held = path.join(daemon.folder, 'lock');
  const started = spawnSync('sh', ['-c', 'exec 9>"$1"; flock 9; exec "$0" serve --detach --port 0', hearth, held], { env: daemon.env, encoding: 'utf8', timeout: 20_000 });
  assert.equal(started.status, 0, started.stderr);
  assert.match(started.stderr, /is ready at/);
  execFileSync('flock', ['--nonblock', held, 'true']);
  const { pid } = daemon.read();
  for (const fd of [0, 1, 2])
    assert.equal(execFileSync('readlink', [`/proc/${pid}/fd/${fd}`], { encoding: 'utf8' }).trim(), '/dev/null');
  assert.match(daemon.command(['stop']).err, /stopped/);
  assert.ok(!isAlive(pid));
});

test('a starter without standard input and output can detach a daemon too', async () => {
  const daemon = await start();
  await daemon.kill();
  for (const closed of ['<&- >&-', '<&- >&- 2>&-', '2>&-']) {
    const started = spawnSync('sh', ['-c', `exec "$0" serve --detach --port 0 ${closed}`, hearth], { env: daemon.env, timeout: 20_000 });
    assert.equal(started.status, 0, closed);
    const { pid } = daemon.read();
    for (const fd of [0, 1, 2])
      assert.equal(execFileSync('readlink', [`/proc/${pid}/fd/${fd}`], { encoding: 'utf8' }).trim(), '/dev/null');
    assert.equal(daemon.command(['stop']).code, 0);
  }
});

test('a detached daemon reads the file that --config names, wherever it was started', async () => {
  const daemon = await start();
  await daemon.kill();
  const at = path.join(daemon.folder, 'mine.toml');
  writeFileSync(at, '[server]\nmax_connections = 7\n');
  const options = { env: daemon.env, cwd: daemon.folder, encoding: 'utf8', timeout: 20_000 };
  const started = spawnSync(hearth, ['serve', '--detach', '--port', '0', '--config', 'mine.toml'], options);
  assert.equal(started.status, 0, started.stderr);
  daemon.read();
  const client = await RpcClient.connect(daemon.discovery);
  const config = await client.call('config/get');
  assert.equal(config.path, at);
  assert.match(config.toml, /max_connections = 7/);
  rmSync(at);
  await assert.rejects(client.call('config/reload'), /mine\.toml: cannot open/);
  assert.match((await client.call('config/get')).toml, /max_connections = 7/, 'the old one is kept');
  await client.drop();
  assert.equal(daemon.command(['stop']).code, 0);
});

test('SIGHUP puts the changed configuration in force', async () => {
  const daemon = await start({ config: '[alias]\n"old-name" = "local"\n' });
  const ids = async () => (await (await daemon.fetch('/v1/models')).json()).data.map(({ id }) => id);
  assert.ok((await ids()).includes('old-name'));
  const at = path.join(daemon.env.XDG_CONFIG_HOME, 'hearth', 'hearth.toml');
  const reload = async (toml, done) => {
    writeFileSync(at, toml);
    process.kill(daemon.discovery.pid, 'SIGHUP');
    while (!done(await ids(), daemon.log()));
  };
  await reload('[alias]\n"new-name" = "local"\n', (names) => names.includes('new-name'));
  assert.ok(!(await ids()).includes('old-name'));
  await reload('[alias]\n"third" = 3\n', (names, log) => /configuration kept, the new one is wrong/.test(log));
  assert.ok((await ids()).includes('new-name'), 'a wrong file changes nothing');
  await reload('[alias]\n"third" = "local"\n', (names) => names.includes('third'));
});

test('stop interrupts answers, stop --drain lets them end', async () => {
  const daemon = await start();
  for (const [args, reason] of [[['stop'], 'interrupted'], [['stop', '--drain'], 'done']]) {
    const client = await RpcClient.connect(daemon.discovery);
    const { id: session } = await client.call('session/create', {});
    await client.call('session/subscribe', { session, since: 0 });
    const limits = { maxTokens: reason === 'done' ? 40 : 4000, ignoreEos: true };
    const { turn } = await client.call('turn/start', { session, idempotencyKey: 'k', input: [{ type: 'text', text: 'Tell a story.' }], ...limits });
    await client.wait((event) => event.kind === 'message.delta');
    const stopping = spawn(hearth, args, { env: daemon.env });
    assert.equal(await client.closed, 1012);
    assert.equal((await once(stopping, 'exit'))[0], 0);
    assert.equal((await daemon.exited).code, 0);
    await daemon.serve();
    const later = await RpcClient.connect(daemon.discovery);
    const snapshot = await later.call('session/snapshot', { session });
    assert.equal(snapshot.turn, turn);
    assert.equal(snapshot.reason, reason);
    assert.equal(snapshot.usage.completionTokens, reason === 'done' ? 40 : 0);
    await later.drop();
  }
});

test('stop after stop --drain does not wait any longer', async () => {
  const daemon = await start();
  const client = await RpcClient.connect(daemon.discovery);
  const [busy, idle] = [await client.call('session/create', {}), await client.call('session/create', {})];
  await client.call('session/subscribe', { session: busy.id, since: 0 });
  const ask = (session, limits) => client.call('turn/start', { session, idempotencyKey: 'k', input: [{ type: 'text', text: 'Tell a story.' }], ...limits });
  await ask(busy.id, { maxTokens: 4000, ignoreEos: true });
  await client.wait((event) => event.kind === 'message.delta');

  await client.call('ops/shutdown', { drain: true });
  await assert.rejects(ask(idle.id), /the daemon is stopping/);
  assert.equal(daemon.command(['stop']).code, 0);
  assert.equal((await daemon.exited).code, 0);
  await client.closed;
  const ended = client.events.findLast((event) => event.kind === 'session.state');
  assert.equal(ended.data.reason, 'interrupted');
});

test('a rotated token replaces the old one at once', async () => {
  const daemon = await start();
  const old = daemon.discovery.token;
  const client = await RpcClient.connect(daemon.discovery);
  assert.equal(daemon.command(['token', 'rotate']).code, 0);
  await client.closed;
  const models = (token) => fetch(daemon.discovery.url + '/v1/models', { headers: { authorization: `Bearer ${token}` } });
  assert.equal((await models(old)).status, 401);
  assert.notEqual(daemon.read().token, old);
  assert.equal((await models(daemon.discovery.token)).status, 200);
  const { token } = daemon.discovery;
  await daemon.kill();
  await daemon.serve();
  assert.equal(daemon.discovery.token, token, 'also after a restart');
});

test('a token that clients cannot be told of does not replace the old one', async () => {
  const daemon = await start();
  const { token } = daemon.discovery;
  const client = await RpcClient.connect(daemon.discovery);
  const inTheWay = runtime(daemon, `daemon.json.${daemon.process.pid}.part`);
  mkdirSync(inTheWay);
  const refused = daemon.command(['token', 'rotate']);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /daemon\.json.*(Is a directory|cannot create)/);
  assert.equal(daemon.read().token, token);
  assert.equal(daemon.command(['status']).code, 0);
  await client.call('ping');
  await client.drop();
  rmSync(inTheWay, { recursive: true });
  assert.equal(daemon.command(['token', 'rotate']).code, 0);
  assert.equal((await daemon.fetch('/v1/models')).status, 401);
  daemon.read();
  assert.equal((await daemon.fetch('/v1/models')).status, 200);
});

test('health proves to whoever knows the token that it is the daemon', async () => {
  const daemon = await start();
  const health = async (challenge) => (await fetch(daemon.discovery.url + '/healthz', { headers: challenge ? { 'x-hearth-challenge': challenge } : {} })).json();
  const { token, version } = daemon.discovery;
  assert.deepEqual(await health(), { status: 'ok', version });
  const proof = createHmac('sha256', token).update('0123456789').digest('hex');
  assert.deepEqual(await health('0123456789'), { status: 'ok', version, proof });
  assert.deepEqual(await health('x'.repeat(257)), { status: 'ok', version }, 'only a short one is answered');
});

// The status that a raw request gets: fetch() would not let a test set Host.
function statusOf(daemon, route, headers) {
  return new Promise((resolve, reject) => {
    const request = http.get(daemon.discovery.url + route, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
  });
}

test('a wrong token, Origin or Host is refused, over HTTP and WebSocket', async () => {
  const daemon = await start();
  const authorization = `Bearer ${daemon.discovery.token}`;
  const cases = [
    [{}, 401], [{ authorization: 'Bearer nonsense' }, 401], [{ authorization }, 200],
    [{ 'x-api-key': daemon.discovery.token }, 200], [{ authorization, origin: 'https://evil.test' }, 403],
    [{ authorization, host: 'evil.test' }, 403], [{ authorization, host: 'localhost:1' }, 403],
  ];
  for (const [headers, status] of cases) assert.equal(await statusOf(daemon, '/v1/models', headers), status, JSON.stringify(headers));
  assert.equal(await statusOf(daemon, '/v1/models?token=' + daemon.discovery.token, {}), 401, 'never in the URL');
  assert.equal(await statusOf(daemon, '/healthz', {}), 200);
  assert.equal(await statusOf(daemon, '/healthz', { host: 'evil.test' }), 403);

  const WebSocket = require('ws');
  for (const [headers, status] of cases.filter(([, status]) => status !== 200)) {
    const socket = new WebSocket(daemon.discovery.url.replace('http', 'ws') + '/hearth', { headers });
    const [error] = await once(socket, 'error');
    assert.match(error.message, new RegExp(String(status)));
  }
});

test('a runtime folder that others may write is refused and left as it is', () => {
  const { env } = bare();
  const runtime = path.join(env.XDG_RUNTIME_DIR, 'hearth');
  mkdirSync(runtime);
  chmodSync(runtime, 0o777);
  for (const [args, said] of [[['serve', '--port', '0'], 'err'], [['doctor'], 'out'], [['serve', '--port', '0'], 'err']]) {
    const run = command(args, { env });
    assert.equal(run.code, 1, run.err);
    assert.match(run[said], /hearth: mode 0777 lets others write there, expected 0700/);
  }
  assert.equal(statSync(runtime).mode & 0o777, 0o777);
  rmSync(runtime, { recursive: true });
  assert.match(command(['doctor'], { env }).out, /good +runtime .*not there yet/);
  assert.ok(!existsSync(runtime), 'doctor looks and makes nothing');
});

test('a folder that cannot be written is named', () => {
  const { folder, env } = bare();
  writeFileSync(path.join(folder, 'file'), '');
  const run = command(['serve', '--port', '0'], { env: { ...env, XDG_STATE_HOME: path.join(folder, 'file') } });
  assert.equal(run.code, 1);
  assert.match(run.err, /\/file.*(Not a directory|expected a folder)/);
});

const readOnly = mountable() ? 'a read-only file system' : 'a read-only folder';
test(`${readOnly} as state folder is named`, () => {
  const { folder, env } = bare();
  const state = path.join(folder, 'closed');
  mkdirSync(path.join(state, 'hearth'), { recursive: true, mode: 0o700 });
  if (mountable()) execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,mode=700', 'none', path.join(state, 'hearth')]);
  else chmodSync(path.join(state, 'hearth'), 0o500);
  try {
    const run = command(['serve', '--port', '0'], { env: { ...env, XDG_STATE_HOME: state } });
    assert.equal(run.code, 1);
    assert.match(run.err, /closed\/hearth\/.*(Read-only file system|Permission denied)/);
  } finally {
    if (mountable()) execFileSync('umount', [path.join(state, 'hearth')]);
    else chmodSync(path.join(state, 'hearth'), 0o700);
  }
});

// Root may mount, unless a container forbids it.
function mountable() {
  mountable.known ??= spawnSync('unshare', ['--mount', '--propagation', 'unchanged', 'true']).status === 0 && process.getuid() === 0;
  return mountable.known;
}

const full = mountable() ? 'a full disk (tmpfs)' : 'a full disk (RLIMIT_FSIZE, since nothing can be mounted here)';
test(`${full} refuses what cannot be kept, loses nothing, and recovers`, async () => {
  const daemon = await start();
  await daemon.kill();
  const state = path.join(daemon.env.XDG_STATE_HOME, 'hearth');
  rmSync(state, { recursive: true, force: true });
  mkdirSync(state, { mode: 0o700 });
  if (mountable()) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'none', state]);
  try {
    await daemon.serve();
    if (!mountable()) execFileSync('prlimit', ['--fsize=400000:400000', '--pid', String(daemon.process.pid)]);
    const client = await RpcClient.connect(daemon.discovery);
    const kept = [];
    let refusal;
    while (!refusal) {
      const title = `session ${kept.length} ${'x'.repeat(20_000)}`;
      await client.call('session/create', { title }).then(({ id }) => kept.push({ id, title }), (error) => { refusal = error; });
      assert.ok(kept.length < 200, 'it fits no more than a few');
    }
    assert.match(refusal.message, /disk|space|full|large/i);
    assert.ok(kept.length > 0);
    assert.equal((await daemon.post('/v1/completions', { model: 'local', prompt: 'Once', max_tokens: 2 })).status, 200, 'what needs no disk goes on');
    if (mountable()) execFileSync('mount', ['-o', 'remount,size=16m', state]);
    else execFileSync('prlimit', ['--fsize=unlimited', '--pid', String(daemon.process.pid)]);
    const { id } = await client.call('session/create', { title: 'after' });
    kept.push({ id, title: 'after' });
    await daemon.kill();
    await daemon.serve();
    const again = await RpcClient.connect(daemon.discovery);
    for (const { id, title } of kept) assert.equal((await again.call('session/get', { session: id })).title, title);
    await again.drop();
    await daemon.kill();
  } finally {
    if (mountable()) execFileSync('umount', [state]);
  }
});
