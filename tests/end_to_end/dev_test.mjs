// `hearth dev`: what people who work on models call, and what they get for wrong input.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { command, hearth } from './daemon.mjs';

const data = new URL('../data/models/', import.meta.url).pathname;
const smollm2 = process.env.HEARTH_TEST_MODEL;
let folder;
before(() => { folder = mkdtempSync(path.join(tmpdir(), 'hearth-dev-')); });
after(() => rmSync(folder, { recursive: true, force: true }));

const file = (name, content) => {
  const at = path.join(folder, name);
  if (content !== undefined) writeFileSync(at, content);
  return at;
};
const dev = (args, options) => command(['dev', ...args], options);
const floats = (at) => {
  const bytes = readFileSync(at);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};

function assertFails(run, code, message) {
  assert.equal(run.code, code, run.err);
  assert.match(run.err, message);
}

test('logits are written for every position, as the reference computes them', () => {
  const expected = floats(path.join(data, 'llama.logits.f32'));
  const tokens = readFileSync(path.join(data, 'llama.tokens'), 'utf8').trim().split(/\s+/).join(',');
  const out = file('llama.f32');
  const run = dev(['logits', path.join(data, 'llama.gguf'), '--tokens', tokens, '--out', out]);
  assert.equal(run.code, 0, run.err);
  const logits = floats(out);
  assert.equal(logits.length, 72 * 320);
  const mean = expected.reduce((sum, x) => sum + x, 0) / expected.length;
  const deviation = Math.sqrt(expected.reduce((sum, x) => sum + (x - mean) ** 2, 0) / expected.length);
  const worst = logits.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i])), 0);
  assert.ok(worst < 1e-4 * deviation, `${worst} of ${deviation}`);
});

test('logits of a quantized model have n x vocabulary floats, the same each time', () => {
  const [one, two] = [file('one.f32'), file('two.f32')];
  assert.equal(dev(['logits', smollm2, '--tokens', '1,2,3', '--out', one]).code, 0);
  assert.equal(dev(['logits', '--out', two, '--tokens', '1,2,3', smollm2]).code, 0, 'options may come first');
  assert.equal(readFileSync(one).length, 3 * 49152 * 4);
  assert.ok(readFileSync(one).equals(readFileSync(two)));
  assert.ok(floats(one).every(Number.isFinite));
});

test('logits name a wrong token, list or file', () => {
  const out = file('unused.f32');
  const logits = (model, tokens, to = out) => dev(['logits', model, '--tokens', tokens, '--out', to]);
  assertFails(logits(smollm2, '1,49152'), 1, /token 49152 .*expected 0 to 49151/);
  assert.ok(!existsSync(out), 'nothing half-done is left');
  const kept = file('kept.f32');
  writeFileSync(kept, 'as it was');
  assertFails(logits(smollm2, '1,49152', kept), 1, /token 49152/);
  assert.equal(readFileSync(kept, 'utf8'), 'as it was');
  assert.ok(!existsSync(kept + '.part'));
  assert.equal(logits(smollm2, ' 1, 2 ,3 ', file('spaces.f32')).code, 0);
  assert.equal(readFileSync(file('spaces.f32')).length, 3 * 49152 * 4);
  for (const wrong of ['1,', ',1', '1,,2', '1 2', '1.5']) assertFails(logits(smollm2, wrong), 1, /--tokens: expected numbers/);
  assertFails(logits('nope', '1'), 1, /"nope" is neither a file nor a stored model; stored are: /);
  assertFails(logits(smollm2, '1', '/dev/full'), 1, /\/dev\/full: cannot write: No space left/);
  assertFails(logits(smollm2, '1,x'), 1, /--tokens: expected numbers .*"x"/);
  assertFails(logits(smollm2, ''), 1, /no tokens/);
  assertFails(logits(smollm2, '1', path.join(folder, 'no/such/folder')), 1, /no\/such\/folder: cannot open/);
  assertFails(logits(path.join(folder, 'none.gguf'), '1'), 1, /none\.gguf: cannot open: No such file/);
  assertFails(dev(['logits', smollm2]), 2, /hearth dev logits: --(tokens|out) is required/);
  assertFails(dev(['logits', smollm2, '--tokens', '1', '--out']), 2, /--out/);
  assertFails(dev(['inspect', smollm2, 'another']), 2, /hearth dev inspect: .*another/);
  assertFails(dev(['nope']), 2, /hearth dev: unknown command "nope"; commands are: logits, .*tokenize/);
  assertFails(dev([]), 2, /hearth dev: expected a command; commands are: logits/);
  assert.match(dev(['logits', '--help']).out, /--tokens/);
});

test('what is read and written may be a pipe or a link', () => {
  const bash = (script, options = {}) => spawnSync('bash', ['-c', script, hearth], { encoding: 'utf8', ...options });
  const rendered = bash(`"$0" dev template <(printf 'Hi {{ name }}')`, { input: '{"name":"Ada"}' });
  assert.equal(rendered.status, 0, rendered.stderr);
  assert.equal(rendered.stdout, 'Hi Ada');
  assertFails(dev(['template', folder], { input: '{}' }), 1, /: cannot read: Is a directory/);
  assertFails(dev(['template', file('none.jinja')], { input: '{}' }), 1, /none\.jinja: cannot open: No such file/);
  const [link, target] = [file('link.f32'), file('target.f32')];
  writeFileSync(target, '');
  symlinkSync(target, link);
  assert.equal(dev(['logits', smollm2, '--tokens', '1', '--out', link]).code, 0);
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.equal(readFileSync(target).length, 49152 * 4);
});

const tokenize = (input, ...flags) => {
  const run = dev(['tokenize', smollm2, ...flags], { input });
  assert.equal(run.code, 0, run.err);
  return JSON.parse(run.out);
};
const detokenize = (tokens) => {
  const run = dev(['detokenize', smollm2], { input: JSON.stringify(tokens), encoding: 'buffer' });
  assert.equal(run.code, 0, run.err);
  return run.out;
};

test('text is tokenized as it is, control tokens only with --special', () => {
  assert.deepEqual(tokenize('Hello world'), [19556, 905]);
  assert.deepEqual(tokenize(''), []);
  const [start] = tokenize('<|im_start|>', '--special');
  assert.equal(start, 1);
  assert.ok(!tokenize('<|im_start|>').includes(start), 'a user cannot write a control token');
  assert.notEqual(tokenize('a\n').length, tokenize('a').length, 'no newline is taken off');
});

test('bytes that are no UTF-8 give a JSON array of tokens', () => {
  const tokens = tokenize(Buffer.from([0x68, 0xff, 0xfe, 0xc3, 0x20, 0x00, 0xe2, 0x82]));
  assert.ok(tokens.length > 0 && tokens.every((token) => Number.isInteger(token) && token >= 0 && token < 49152));
});

test('a control character that the vocabulary cannot spell is left out, as other tokenizers do', () => {
  assert.deepEqual(tokenize('a\x04b'), [...tokenize('a'), ...tokenize('b')]);
  assert.deepEqual(tokenize('.\x04.'), tokenize('..'));
});

test('detokenize gives the text back byte for byte', () => {
  for (const text of ['Hello world', 'naïve café — 日本語 🙂\n\ttabs  and   spaces\n', ' leading', 'trailing ', '<|im_start|>user'])
    assert.equal(detokenize(tokenize(text)).toString(), text);
  assert.equal(detokenize([]).length, 0);
});

test('detokenize names what is no array of tokens', () => {
  const wrong = (input, message) => assertFails(dev(['detokenize', smollm2], { input }), 1, message);
  wrong('[1,2', /not valid JSON/);
  wrong('{"a": 1}', /stdin.*expected/);
  wrong('[49152]', /token 49152, expected 0 to 49151/);
  wrong('[-1]', /token -1/);
});

test('a template is rendered with every key as a variable', () => {
  const at = file('a.jinja', '{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n{% endfor %}{{ bos_token }}{{ n + 1 }}');
  const input = JSON.stringify({ messages: [{ role: 'user', content: ' hi ' }], bos_token: '<s>', n: 41 });
  const run = dev(['template', at], { input });
  assert.equal(run.code, 0, run.err);
  assert.equal(run.out, '[user] hi\n<s>42');
});

test('a template that raises, is wrong or gets no object fails with the reason', () => {
  const render = (source, input) => dev(['template', file('b.jinja', source)], { input });
  assertFails(render('{{ raise_exception("roles must alternate") }}', '{}'), 1, /roles must alternate/);
  assertFails(render('{{ a', '{}'), 1, /line 1/);
  assertFails(render('x', '{"a":'), 1, /not valid JSON/);
  assertFails(render('x', '[1]'), 1, /expected a JSON object/);
  assertFails(render('{% for i in range(1000000000) %}x{% endfor %}', '{}'), 1, /template/);
  assertFails(dev(['template', file('none.jinja')], { input: '{}' }), 1, /none\.jinja: cannot open/);
});

test('inspect describes a model to people and to scripts', () => {
  const text = dev(['inspect', smollm2]);
  assert.equal(text.code, 0, text.err);
  assert.match(text.out, /general\.architecture\s+string\s+llama/);
  const { metadata, tensors } = JSON.parse(dev(['inspect', smollm2, '--json']).out);
  assert.equal(metadata['llama.context_length'], 8192);
  assert.ok(tensors.some((tensor) => tensor.name === 'token_embd.weight'));
});

test('truncated and hostile model files are named, with what was expected', () => {
  const good = readFileSync(path.join(data, 'llama.gguf'));
  const inspect = (name, bytes) => dev(['inspect', file(name, bytes)]);
  assertFails(inspect('text.gguf', 'hello, this is no model'), 1, /text\.gguf: .*not a GGUF file.*expected "GGUF"/);
  assertFails(inspect('empty.gguf', ''), 1, /empty\.gguf: /);
  for (const size of [4, 23, 24, 500, good.length - 1])
    assertFails(inspect('cut.gguf', good.subarray(0, size)), 1, /cut\.gguf: /);
  const huge = Buffer.from(good);
  huge.writeBigUInt64LE(2n ** 62n, 8);  // the number of tensors
  assertFails(inspect('huge.gguf', huge), 1, /huge\.gguf: .*4611686018427387904/);
  const version = Buffer.from(good);
  version.writeUInt32LE(99, 4);
  assertFails(inspect('version.gguf', version), 1, /version\.gguf: .*99/);
});

test('without a home the current folder is no store', () => {
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder };
  assert.equal(command(['pull', path.join(data, 'llama.gguf'), '--name', 'planted'], { env }).code, 0);
  const run = command(['dev', 'inspect', 'planted'], { env: { PATH: process.env.PATH }, cwd: path.join(folder, 'hearth') });
  assertFails(run, 1, /"planted" is no file/);
});

test('dev needs neither a daemon nor a home', () => {
  const env = { PATH: process.env.PATH };
  assert.equal(dev(['inspect', smollm2], { env }).code, 0);
  assert.equal(command(['--version'], { env }).code, 0);
  assertFails(command(['dev', 'inspect', 'nope'], { env }), 1, /"nope" is no file, and without a home there are no stored models/);
});
