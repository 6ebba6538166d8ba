// Start to ready, idle memory, round trips, prefill and decode speed, recovery of the engine.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { hearth, median, publish, root } from './figures.mjs';

process.env.HEARTH_BINARY ??= hearth;
process.env.HEARTH_CLIENTS ??= path.join(root, '.deps/clients');
const { Daemon, RpcClient } = await import('../end_to_end/daemon.mjs');

const rows = [];
const row = (what, value, goal) => {
  rows.push([what, value, goal]);
  console.log(`${what.padEnd(44)} ${String(value).padStart(16)}   ${goal}`);
};

const daemon = await Daemon.start();
const starts = [];
for (let i = 0; i < 15; ++i) {
  daemon.process.kill('SIGTERM');
  await daemon.exited;
  const begin = performance.now();
  await daemon.serve();
  starts.push(performance.now() - begin);
}
row('start to ready, process spawn included', `${median(starts).toFixed(1)} ms`, 'goal 50 ms');

const vocabularies = execFileSync(path.join(root, 'build/release/tests/bench/vocabulary_bench'), ['llama-bpe', 'qwen2', 'gemma-4'], { encoding: 'utf8' });
for (const { name, tokens, ms } of JSON.parse(vocabularies))
  row(`vocabulary of ${tokens} tokens (${name}) loads`, `${ms} ms`, 'goal 100 ms for 150,000 tokens');

const client = await RpcClient.connect(daemon.discovery);
const rss = () => client.call('ops/health').then((health) => health.residentBytes / (1 << 20));
row('idle resident memory, no model', `${(await rss()).toFixed(1)} MiB`, 'goal 30 MB');

async function pings(n, inFlight) {
  const begin = performance.now();
  const one = async (count) => { for (let i = 0; i < count; ++i) await client.call('ping'); };
  await Promise.all(Array.from({ length: inFlight }, () => one(n / inFlight)));
  return n / ((performance.now() - begin) / 1000);
}
await pings(2000, 1);
row('JSON-RPC round trips, one at a time', `${(await pings(10000, 1)).toFixed(0)} /s`, 'node client, one connection');
row('JSON-RPC round trips, 32 in flight', `${(await pings(32000, 32)).toFixed(0)} /s`, 'node client, one connection');

async function completion(prompt, maxTokens) {
  const begin = performance.now();
  const response = await daemon.post('/v1/completions', { model: 'local', prompt, max_tokens: maxTokens, temperature: 0, ignore_eos: true });
  const body = await response.json();
  return { ...body, ms: performance.now() - begin };
}
const cold = await completion('Hello', 1);
row('first request, engine start and load included', `${cold.ms.toFixed(0)} ms`, '');
const prefill = [], decode = [];
for (let i = 0; i < 5; ++i) {
  const words = Array.from({ length: 480 }, (_, k) => `word${(k * 7919 + i * 104729) % 997}`).join(' ');
  const { timings } = await completion(words.slice(0, 2000), 1);
  prefill.push(timings.prompt_per_second);
  decode.push((await completion(`Story ${i}: once upon a time`, 128)).timings.predicted_per_second);
}
row('prefill, SmolLM2-135M Q4_1, about 700 tokens', `${median(prefill).toFixed(0)} tok/s`, 'decent; its own issue');
row('decode, SmolLM2-135M Q4_1, 128 tokens', `${median(decode).toFixed(0)} tok/s`, 'decent; its own issue');

// The engine is gone, the file in the page cache: the next request starts one and loads the model.
const words = 'one day a small house by the sea had a garden with a tree and a door so old that no one knew who had made it or when';
const loads = [];
let tokens = 0;
for (let i = 0; i < 15; ++i) {
  const { engine } = await client.call('ops/health');
  process.kill(engine.pid, 'SIGKILL');
  const { usage, ms } = await completion(words, 1);
  tokens = usage.prompt_tokens;
  loads.push(ms);
}
row('no engine to first token, median of 15', `${median(loads).toFixed(0)} ms`, `goal 300 ms; prompt of ${tokens} tokens`);

const recoveries = [];
for (let i = 0; i < 100; ++i) {
  const { engine } = await client.call('ops/health');
  process.kill(engine.pid, 'SIGKILL');
  const { choices, ms } = await completion('Hello', 1);
  if (!choices) throw new Error(`request ${i} after a killed engine failed`);
  recoveries.push(ms);
}
row('answer after a killed engine, 100 kills, median', `${median(recoveries).toFixed(0)} ms`, 'goal 2 s');
row('answer after a killed engine, slowest', `${Math.max(...recoveries).toFixed(0)} ms`, 'goal 2 s');
await client.drop();
await daemon.stop();

publish('', ['what', 'measured', 'goal'], rows);
