// Every public format of recorded outcomes and traces, by rows invented here in the same form.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { formats, recognise } from '../../scripts/public_formats.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'hearth-formats-'));
after(() => rmSync(folder, { recursive: true }));

// Reads what it is recognised as; file names say nothing.
function read(format, texts, prices = {}) {
  const files = [texts].flat().map((text, i) => ({ name: `file-${i}`, text }));
  for (const { text } of files) assert.equal(recognise(text), format);
  return [...formats[format].read(files, prices)];
}
const json = (rows) => rows.map((row) => JSON.stringify(row)).join('\n');
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`);

test('RouteLLM: right or wrong in a column for each model, priced by length', () => {
  const rows = read('routellm', 'Unnamed: 0,prompt,big,small,big_response\r\n0,"What, ""now""?",True,False,"A, B"\r\n1,Who?,False,,No\r\n',
    { big: { input: 4, output: 8 } });
  assert.deepEqual(rows.map((row) => row.prompt), ['What, "now"?', 'Who?']);
  assert.deepEqual(Object.keys(rows[1].targets), ['big'], 'who has no verdict is not there');
  assert.equal(rows[0].targets.big.quality, 1);
  assert.equal(rows[0].targets.small.quality, 0);
  close(rows[0].targets.big.cost_usd, (4 * 4 + 2 * 8) / 1e6);
});

test('RouterBench: verdict and cost in columns of each model', () => {
  const rows = read('routerbench', ',sample_id,prompt,eval_name,org/a,b,org/a|model_response,org/a|total_cost,b|total_cost,oracle_model_to_route_to\n' +
    '7,set.1,How?,set,1.0,0.25,"Two\nlines",0.5,0.001,org/a\n8,set.2,Why?,set,,0.0,,,0.002,b\n');
  assert.deepEqual(rows[0], { id: 'set.1', prompt: 'How?', class: 'set', targets: { 'org/a': { quality: 1, cost_usd: 0.5 }, b: { quality: 0.25, cost_usd: 0.001 } } });
  assert.deepEqual(Object.keys(rows[1].targets), ['b']);
});

test('RouterArena: a file for each model; questions meet, the unscored are left out', () => {
  const line = (model, index, score) => ({
    global_index: index, question: `Q of ${index}`, llm_selected: model, generated_answer: 'x', token_usage: { input_tokens: 9, output_tokens: 3 }, success: true,
    evaluation_result: score === null ? null : { score, metric: 'm', inference_cost: 0.01 },
  });
  const rows = read('routerarena', [json([line('a', 'Set_One_1', 1), line('a', 'Set_One_2', null)]), json([line('b', 'Set_One_1', 0), line('b', 'Set_One_1', 1)])]);
  assert.deepEqual(rows, [{ id: 'Set_One_1', prompt: 'Q of Set_One_1', class: 'Set_One', input_tokens: 9,
    targets: { a: { quality: 1, cost_usd: 0.01 }, b: { quality: 0.5, cost_usd: 0.01 } } }]);
});

test('TwinRouterBench: the least tier that suffices, and all above it', () => {
  const rows = read('twinrouterbench', json([{ id: 's1', benchmark: 'bench', instance_id: 'i', step_index: 2, total_steps: 5, target_tier: 'mid_high', target_tier_id: 2,
    messages: [{ role: 'system', content: 'Be brief' }, { role: 'user', content: [{ type: 'text', text: 'Do it' }] }] }]));
  assert.deepEqual(Object.entries(rows[0].targets).map(([tier, { quality }]) => [tier, quality]), [['low', 0], ['mid', 0], ['mid_high', 1], ['high', 1]]);
  assert.equal(rows[0].prompt, 'Do it');
  assert.equal(rows[0].class, 'bench');
  assert.ok(rows[0].targets.low.cost_usd < rows[0].targets.high.cost_usd / 10);
});

test('SWE-bench: tasks of models meet; a task\'s class is its repository', () => {
  const rows = read('swebench', JSON.stringify({ m1: { 'own__repo-1': { resolved: true, cost: 0.5, api_calls: 9 } }, m2: { 'own__repo-1': { resolved: false, cost: 0.1, api_calls: 3 } } }));
  assert.deepEqual(rows, [{ id: 'own__repo-1', class: 'own', targets: { m1: { quality: 1, cost_usd: 0.5 }, m2: { quality: 0, cost_usd: 0.1 } } }]);
});

test('LiveCodeBench: per cent become shares, several samples of a question several rows, what was not run is left out', () => {
  const rows = read('livecodebench', JSON.stringify({ models: [], performances: [
    { question_id: 5, model: 'a', difficulty: 'easy', 'pass@1': 70 }, { question_id: 5, model: 'a', difficulty: 'easy', 'pass@1': 10 },
    { question_id: 5, model: 'b', difficulty: 'easy', 'pass@1': 100 }, { question_id: 6, sample_id: 'sample_0', model: 'a', 'Pass@1': 20, 'Pass@1-COT': 30 },
    { question_id: 6, sample_id: 'sample_0', model: 'b', 'Pass@1': -1 }] }));
  assert.deepEqual(rows.map(({ targets }) => Object.entries(targets).map(([name, { quality }]) => `${name} ${quality}`)), [['a 0.7', 'b 1'], ['a 0.1'], ['a 0.2']]);
  assert.equal(rows[0].class, 'easy');
});

test('Aider: one row for what is thought beforehand, of a model\'s runs the best', () => {
  const run = (model, passed, more) => `- dirname: 2025--x\n  test_cases: 200\n  model: ${model}\n  pass_rate_1: 1.5\n  pass_rate_2: ${passed}\n  command: "aider: y"\n${more}\n`;
  const [row] = read('aider', run('a', 40, '  seconds_per_case: 12.5\n  total_cost: 6.0') + run('a', 30, '  total_cost: 1.0') + run('b', 20, ''));
  assert.deepEqual(row.targets, { a: { quality: 0.4, cost_usd: 0.03, latency_ms: 12500 }, b: { quality: 0.2, cost_usd: 0 } });
});

test('a share on another scale is said, not taken for right', () => {
  const arena = (score) => json([{ global_index: 'S_1', question: 'Q', llm_selected: 'a', evaluation_result: { score } }]);
  assert.throws(() => read('routerarena', arena(87)), /the score of S_1 is 87, expected 0 to 1/);
  assert.throws(() => read('routerarena', arena(-0.5)), /S_1/);
  const bench = (passed) => JSON.stringify({ performances: [{ question_id: 5, model: 'a', 'pass@1': passed }] });
  assert.throws(() => read('livecodebench', bench(7000)), /file-0-5 that passed is 70/);
  assert.throws(() => read('aider', '- dirname: x\n  model: m\n  pass_rate_1: 400\n'), /of m that passed is 4/);
});

test('llmperf: how long a host took', () => {
  const request = (seconds, code) => ({ error_code: code, ttft_s: 0.2, end_to_end_latency_s: seconds, number_input_tokens: 550, number_output_tokens: 150 });
  const rows = read('llmperf', JSON.stringify([request(1.5, null), request(0, null), request(2, 500)]));
  assert.deepEqual(rows.map(({ targets }) => targets['file-0']), [{ quality: 1, cost_usd: 0, latency_ms: 1500 }, { quality: 0, cost_usd: 0, latency_ms: 2000 }]);
  assert.equal(rows[0].input_tokens, 550);
});

test('Mooncake: arrivals, lengths and blocks', () => {
  assert.deepEqual(read('mooncake', json([{ timestamp: 3000, input_length: 700, output_length: 20, hash_ids: [4, 9] }])),
    [{ at_ms: 3000, input_tokens: 700, output_tokens: 20, blocks: [4, 9], block_tokens: 512 }]);
});

test('Azure: arrivals and lengths', () => {
  const rows = read('azure', 'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-01-02 03:04:05.5000000,480,10\n2023-01-02 03:04:06.7500000,31,2');
  assert.equal(rows[1].at_ms - rows[0].at_ms, 1250);
  assert.deepEqual([rows[0].input_tokens, rows[0].output_tokens, rows.length], [480, 10, 2]);
});

test('rows of our own stay as they are', () => {
  const row = { id: 'x', prompt: 'P', targets: { a: { quality: 0.5, cost_usd: 0 } } };
  assert.deepEqual(read('hearth', json([row])), [row]);
});

test('what is none of these is none of these', () => {
  for (const text of ['', '{}', '[]', 'a,b\n1,2\n', 'prompt,answer\nWho?,He\n', '- dirname: x\n', '\0\0']) assert.equal(recognise(text), null, text);
});

const script = path.resolve(import.meta.dirname, '../../scripts/import_outcomes.mjs');
const imported = (...args) => spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });

test('the command reads packed files of whatever name, and says what it cannot read', () => {
  const trace = path.join(folder, 'whatever'), other = path.join(folder, 'other.csv');
  writeFileSync(trace, gzipSync(json([{ timestamp: 0, input_length: 5, output_length: 1, hash_ids: [0] }])));
  writeFileSync(other, 'a,b\n1,2\n');
  assert.equal(imported('auto', trace).stdout, '{"at_ms":0,"input_tokens":5,"output_tokens":1,"blocks":[0],"block_tokens":512}\n');
  for (const [args, words] of [[['auto', other], /other\.csv/], [['mooncake', other], /not of the form of mooncake/], [['nonsense', other], /usage/],
    [['auto'], /expected a file/], [['auto', path.join(folder, 'gone')], /gone/], [['routellm', other, '--price', 'x'], /NAME=IN\/OUT/]]) {
    const run = imported(...args);
    assert.equal(run.status, 1, args.join(' '));
    assert.match(run.stderr, words);
  }
});
