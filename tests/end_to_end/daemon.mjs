// A daemon of one's own for a test: temporary XDG folders, any free port, the default model linked in.
import { spawn, spawnSync, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const hearth = process.env.HEARTH_BINARY;
export const require = createRequire(process.env.HEARTH_CLIENTS + '/package.json');

// Empty folders of one's own, and the environment in which `hearth` uses them.
export function folders() {
  const folder = mkdtempSync(path.join(tmpdir(), 'hearth-e2e-'));
  const env = { ...process.env, HOME: folder, XDG_CONFIG_DIRS: path.join(folder, 'machine') };
  for (const kind of ['CONFIG_HOME', 'STATE_HOME', 'DATA_HOME', 'CACHE_HOME', 'RUNTIME_DIR']) {
    env[`XDG_${kind}`] = path.join(folder, kind.toLowerCase());
    mkdirSync(env[`XDG_${kind}`], { mode: 0o700 });
  }
  return { folder, env };
}

// One run of the command line: {code, out, err}; standard input is `input` and then ends.
export function command(args, { env = process.env, input = '', encoding = 'utf8', cwd } = {}) {
  const run = spawnSync(hearth, args, { env, cwd, input: Buffer.from(input), encoding, maxBuffer: 1 << 28, timeout: 120_000 });
  return { code: run.status ?? run.signal, out: run.stdout, err: String(run.stderr) };
}

export class Daemon {
  // `model: null` starts one without a model.
  static async start({ config = '', model = process.env.HEARTH_TEST_MODEL } = {}) {
    if (!hearth) throw new Error('HEARTH_BINARY is not set: run through ./dev test');
    if (model === undefined) throw new Error('HEARTH_TEST_MODEL is not set: run through ./dev test');
    const daemon = new Daemon();
    Object.assign(daemon, folders());
    mkdirSync(path.join(daemon.env.XDG_CONFIG_HOME, 'hearth'));
    writeFileSync(path.join(daemon.env.XDG_CONFIG_HOME, 'hearth', 'hearth.toml'), config);
    if (model) daemon.run('pull', model, '--name', 'smollm2');
    await daemon.serve();
    return daemon;
  }

  // Starts (again) and resolves when daemon.json is there.
  async serve(port = 0) {
    this.process = spawn(hearth, ['serve', '--port', String(port)], { env: this.env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.stderr = '';
    this.exited = new Promise((resolve) => this.process.once('exit', (code, signal) => resolve({ code, signal })));
    await new Promise((resolve, reject) => {
      this.process.stderr.on('data', (chunk) => {
        this.stderr += chunk;
        if (this.stderr.includes('is ready at')) resolve();
      });
      this.exited.then(() => reject(new Error(`hearth serve ended: ${this.stderr}`)));
    });
    this.read();
  }

  read() {
    this.discovery = JSON.parse(readFileSync(path.join(this.env.XDG_RUNTIME_DIR, 'hearth', 'daemon.json'), 'utf8'));
    return this.discovery;
  }

  run(...args) {
    return execFileSync(hearth, args, { env: this.env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  // Like run(), for commands that may fail: {code, out, err}.
  command(args, options = {}) {
    return command(args, { env: this.env, ...options });
  }

  fetch(route, init = {}) {
    const headers = { authorization: `Bearer ${this.discovery.token}`, 'content-type': 'application/json', ...init.headers };
    return fetch(this.discovery.url + route, { ...init, headers });
  }

  post(route, body, headers = {}) {
    return this.fetch(route, { method: 'POST', body: JSON.stringify(body), headers });
  }

  log() {
    return readFileSync(path.join(this.env.XDG_STATE_HOME, 'hearth', 'hearth.log'), 'utf8');
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGTERM');
    const how = await this.exited;
    if (RpcClient.hasLostCalls) console.error(this.log().split('\n').slice(-200).join('\n'));
    rmSync(this.folder, { recursive: true, force: true });
    return how;
  }
}

// A client of /hearth. Events are kept in order, and told to onEvent as they come; wait(predicate) resolves with
// the first that fits. When the connection ends, calls without a reply are rejected.
export class RpcClient {
  static hasLostCalls = false;  // then Daemon.stop() shows the log

  static async connect(discovery, initialize = {}, onEvent = () => {}) {
    const WebSocket = require('ws');
    const client = new RpcClient();
    client.events = [];
    client.onEvent = onEvent;
    client.waiters = [];
    client.replies = new Map();
    client.nextId = 1;
    client.socket = new WebSocket(discovery.url.replace('http', 'ws') + '/hearth', {
      headers: { authorization: `Bearer ${discovery.token}` },
    });
    await new Promise((resolve, reject) => {
      client.socket.once('open', resolve);
      client.socket.once('error', reject);
    });
    let fault = '';
    client.socket.on('error', (error) => { fault = error.message; });  // 'close' follows
    client.closed = new Promise((resolve) => client.socket.once('close', (code, reason) => {
      client.ending = `the connection has ended (${[code, String(reason), fault].filter(Boolean).join(', ')})`;
      resolve(code);
    }));
    client.closed.then(() => {
      RpcClient.hasLostCalls ||= client.replies.size > 0;
      for (const { reject } of client.replies.values()) reject(new Error(client.ending));
      client.replies.clear();
    });
    client.socket.on('message', (data) => client.hear(JSON.parse(data)));
    client.welcome = await client.call('initialize', { client: { name: 'test', version: '1' }, protocol: 1, ...initialize });
    return client;
  }

  hear(message) {
    if (message.method === 'event') {
      this.events.push(message.params);
      this.onEvent(message.params);
      this.waiters = this.waiters.filter((waiter) => !waiter(message.params));
    } else if (this.replies.has(message.id)) {
      const { resolve, reject } = this.replies.get(message.id);
      this.replies.delete(message.id);
      if (message.error) reject(Object.assign(new Error(message.error.message), message.error));
      else resolve(message.result);
    }
  }

  call(method, params = {}) {
    if (this.socket.readyState !== this.socket.OPEN) return this.closed.then(() => { RpcClient.hasLostCalls = true; throw new Error(this.ending); });
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.replies.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  }

  // Also looks at what has arrived already.
  wait(predicate) {
    const found = this.events.find(predicate);
    if (found) return Promise.resolve(found);
    return new Promise((resolve) => {
      this.waiters.push((event) => {
        if (!predicate(event)) return false;
        resolve(event);
        return true;
      });
    });
  }

  idle(turn) {
    return this.wait((e) => e.kind === 'session.state' && e.data.state === 'idle' && e.data.turn === turn);
  }

  async drop() {
    this.socket.terminate();
    await this.closed;
  }
}

// What a client shows after these events: ids and texts of the messages. Replayed and live streams
// must fold to the same thing.
export function fold(events) {
  const messages = new Map();
  for (const event of events) {
    const { kind, data } = event;
    if (kind === 'sync.gap') {
      messages.clear();
      for (const entry of data.snapshot.messages) messages.set(entry.message.id, textOf(entry.message));
    } else if (kind === 'message.upsert') {
      messages.set(data.message.id, textOf(data.message));
    } else if (kind === 'message.delta') {
      messages.set(data.message, (messages.get(data.message) ?? '') + data.text);
    }
  }
  return [...messages.entries()];
}

export function textOf(message) {
  return message.blocks.filter((block) => block.type === 'text').map((block) => block.text).join('');
}
