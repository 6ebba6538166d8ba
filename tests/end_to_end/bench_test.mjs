// `hearth bench engine`: the contract of its machine-readable output, and what wrong input gets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command } from './daemon.mjs';

const smollm2 = process.env.HEARTH_TEST_MODEL;
const bench = (...args) => command(['bench', 'engine', ...args]);

test('every size is measured at every depth, prompts before generations', () => {
  const run = bench(smollm2, '-p', '4,8', '-n', '2', '-d', '0,16', '-t', '2', '-r', '1', '--json');
  assert.equal(run.code, 0, run.err);
  const rows = JSON.parse(run.out);
  assert.deepEqual(rows.map(({ test, depth }) => `${test}@${depth}`), ['pp4@0', 'pp8@0', 'tg2@0', 'pp4@16', 'pp8@16', 'tg2@16']);
  for (const row of rows) assert.ok(row.tok_s > 0 && row.min <= row.tok_s && row.tok_s <= row.max, JSON.stringify(row));
});

test('a size of 0 leaves a kind of test out', () => {
  const run = bench(smollm2, '-p', '0', '-n', '2', '-r', '1', '--json');
  assert.deepEqual(JSON.parse(run.out).map((row) => row.test), ['tg2']);
});

test('the table says what share of the machine a speed is', () => {
  const run = bench(smollm2, '-p', '8', '-n', '2', '-r', '1');
  assert.equal(run.code, 0, run.err);
  assert.match(run.out, /pp8 .*GOP\/s, \d+ % of int8/);
  assert.match(run.out, /tg2 .*GB\/s, \d+ % of read/);
});

test('a missing model and a wrong size are said', () => {
  const missing = bench('/no/such/model.gguf');
  assert.equal(missing.code, 1);
  assert.match(missing.err, /no\/such\/model\.gguf/);
  const wrong = bench(smollm2, '-p', 'many');
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /-p/);
});

test('a depth beyond the model\'s context is refused with both numbers', () => {
  const run = bench(smollm2, '-p', '0', '-n', '2', '-d', '0,8191', '-r', '1');
  assert.equal(run.code, 1);
  assert.match(run.err, /tg2 at depth 8191 needs a context of 8193 tokens, the model has 8192/);
  assert.equal(run.out, '');
});
