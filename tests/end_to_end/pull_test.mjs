// `hearth pull` against a local server that behaves like the hub: listing, redirects, ranges, hashes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

const model = readFileSync(new URL('../data/models/llama.gguf', import.meta.url));
const sha256 = createHash('sha256').update(model).digest('hex');
let server, folder, requests, behaviour;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'hearth-pull-'));
  server = http.createServer((request, response) => {
    requests.push({ url: request.url, range: request.headers.range, auth: request.headers.authorization });
    const send = (status, headers, body) => { response.writeHead(status, headers); response.end(body); };
    if (behaviour.status) return send(behaviour.status, {}, 'no');
    if (request.url.startsWith('/api/models/org/repo/tree/main')) {
      const file = (name) => ({ type: 'file', path: name, size: model.length, lfs: { oid: behaviour.sha256 ?? sha256 } });
      return send(200, { 'content-type': 'application/json' },
        JSON.stringify([file('tiny-Q4_K_M.gguf'), file('tiny-Q8_0.gguf'), file('mmproj-Q4_K_M.gguf'), { path: 'README.md' }]));
    }
    if (request.url.startsWith('/org/repo/resolve/main/'))
      return send(302, { location: '/cdn' + request.url.slice(request.url.lastIndexOf('/')) }, '');
    if (request.url.startsWith('/cdn/')) {
      const begin = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const headers = { 'content-length': model.length - begin };
      if (begin) headers['content-range'] = `bytes ${begin}-${model.length - 1}/${model.length}`;
      response.writeHead(begin ? 206 : 200, headers);
      if (!behaviour.cutAt) return response.end(model.subarray(begin));
      return response.write(model.subarray(begin, behaviour.cutAt), () => response.destroy());
    }
    send(404, {}, 'no');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

// Resolves with {code, err}; a server in this process needs the event loop, so nothing here blocks.
function hearth(args, how = {}, env = {}) {
  behaviour = how;
  requests = [];
  const all = { ...process.env, HOME: folder, XDG_DATA_HOME: path.join(folder, 'data'), HF_ENDPOINT: `http://127.0.0.1:${server.address().port}`, ...env };
  return new Promise((resolve) =>
    execFile(process.env.HEARTH_BINARY, args, { env: all }, (error, out, err) => resolve({ code: error?.code ?? 0, out, err })));
}
const listed = async () => JSON.parse((await hearth(['models', '--json'])).out).models;

test('a repository without quant gets its best known file, checked and named', async () => {
  const { code, err } = await hearth(['pull', 'hf:org/repo'], {}, { HF_TOKEN: 'hf_secret' });
  assert.equal(code, 0, err);
  assert.equal(requests[0].auth, 'Bearer hf_secret');
  const [entry] = await listed();
  assert.equal(entry.name, 'tiny-q4_k_m');
  assert.equal(entry.files[0].sha256, sha256);
  assert.equal(entry.architecture, 'llama');
  assert.deepEqual(readFileSync(entry.path), model);
  assert.equal((await hearth(['models', 'rm', 'tiny-q4_k_m'])).code, 0);
  assert.deepEqual(await listed(), []);
});

test('a broken download is resumed where it ended', async () => {
  const broken = await hearth(['pull', 'hf:org/repo:Q8_0'], { cutAt: 1000 });
  assert.equal(broken.code, 1);
  assert.match(broken.err, /1000 of \d+ bytes are kept, pull again to go on/);
  assert.deepEqual(await listed(), [], 'nothing half-done is visible');
  const { code, err } = await hearth(['pull', 'hf:org/repo:Q8_0']);
  assert.equal(code, 0, err);
  assert.equal(requests.at(-1).range, 'bytes=1000-');
  const [entry] = await listed();
  assert.deepEqual(readFileSync(entry.path), model);
  await hearth(['models', 'rm', entry.name]);
});

test('a file whose hash is wrong is refused and removed', async () => {
  const { code, err } = await hearth(['pull', 'hf:org/repo/tiny-Q8_0.gguf'], { sha256: '0'.repeat(64) });
  assert.equal(code, 1);
  assert.match(err, /SHA-256 is .* the hub says 0000/);
  assert.deepEqual(await listed(), []);
});

test('what the hub refuses says what to do', async () => {
  assert.match((await hearth(['pull', 'hf:org/repo'], { status: 401 })).err, /set HF_TOKEN/);
  assert.match((await hearth(['pull', 'hf:org/repo'], { status: 404 })).err, /no such repository/);
  assert.match((await hearth(['pull', 'hf:org/repo:Q2_K'])).err, /it holds:\s+tiny-Q4_K_M\.gguf/);
  assert.match((await hearth(['pull', 'hf:org'])).err, /expected hf:ORG\/REPO/);
  assert.match((await hearth(['pull', 'hf:org/repo'], {}, { HF_ENDPOINT: 'http://127.0.0.1:1' })).err, /127\.0\.0\.1/);
});

test('a local file is linked, a broken one is refused', async () => {
  const file = new URL('../data/models/llama.gguf', import.meta.url).pathname;
  assert.equal((await hearth(['pull', file, '--name', 'mine'])).code, 0);
  assert.equal((await listed())[0].isLinked, true);
  await hearth(['models', 'rm', 'mine']);
  assert.deepEqual(readFileSync(file), model, 'removing the link leaves the file');
  const bad = await hearth(['pull', new URL(import.meta.url).pathname, '--name', 'bad']);
  assert.equal(bad.code, 1);
  assert.deepEqual(await listed(), []);
});
