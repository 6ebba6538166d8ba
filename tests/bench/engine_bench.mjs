// ./dev bench engine [--peers] [--pairs N] [-t THREADS] [-p SIZES] [-n SIZES] [-d DEPTHS] [MODEL.gguf ...]
//
// The engine alone, as `hearth bench engine` measures it. With --peers, llama-bench of the engines named by
// LLAMA_BENCH and IK_LLAMA_BENCH runs beside it: same file, same threads, in turns, so that a disturbance of
// the machine falls on all. A ratio is ours over the peer's of the same turn; its lower bound is one that
// the true median stays above with 95 % probability. Without a model: the default one.
import { execFileSync, spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { hearth, lowerBoundOfMedian, median, publish } from './figures.mjs';

const options = { pairs: 15, t: os.cpus().length, p: '512,2048', n: '128', d: '0', peers: false };
const models = [];
const words = process.argv.slice(2);
while (words.length > 0) {
  const word = words.shift(), name = word.replace(/^-+/, '');
  if (word === '--peers') options.peers = true;
  else if (word.startsWith('-') && name in options) options[name] = words.shift();
  else if (!word.startsWith('-')) models.push(word);
  else throw new Error(`unknown option ${word}`);
}
if (models.length === 0) models.push(process.env.HEARTH_TEST_MODEL);
const pairs = Math.max(1, Number(options.pairs));

const peers = [];
if (options.peers) {
  for (const [name, variable] of [['llama.cpp', 'LLAMA_BENCH'], ['ik_llama.cpp', 'IK_LLAMA_BENCH']])
    if (process.env[variable]) peers.push({ name, command: process.env[variable] });
  if (peers.length === 0) throw new Error('--peers: set LLAMA_BENCH or IK_LLAMA_BENCH to a llama-bench');
}

// {"pp512": {0: tok/s}, ...} of one run.
function collect(rows) {
  const speeds = {};
  for (const { test, depth, speed } of rows) (speeds[test] ??= {})[depth] = speed;
  return speeds;
}

function ours(model) {
  const sizes = ['-p', options.p, '-n', options.n, '-d', options.d, '-t', String(options.t)];
  const text = execFileSync(hearth, ['bench', 'engine', model, ...sizes, '-r', '1', '--json'], { encoding: 'utf8' });
  return collect(JSON.parse(text).map((row) => ({ test: row.test, depth: row.depth, speed: row.tok_s })));
}

// What of the machine's measured peaks our speeds are, in words: {"pp512": {0: "..."}, ...}.
function shares(model) {
  const sizes = ['-p', options.p, '-n', options.n, '-d', options.d, '-t', String(options.t)];
  const text = execFileSync(hearth, ['bench', 'engine', model, ...sizes, '-r', '1'], { encoding: 'utf8' });
  const words = {};
  for (const [, test, depth, share] of text.matchAll(/^((?:pp|tg)\d+) +(\d+) +[\d.]+ +[\d.]+ - [\d.]+ +(.+)$/gm))
    (words[test] ??= {})[depth] = share;
  return words;
}

// llama-bench runs each prompt size and each generation at each depth; older ones know no depth.
function theirs(command, model) {
  const sizes = ['-p', options.p, '-n', options.n, ...(options.d === '0' ? [] : ['-d', options.d])];
  const run = spawnSync(command, ['-m', model, '-t', String(options.t), ...sizes, '-r', '1', '-o', 'json'], { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (run.status !== 0) throw new Error(`${command}: ${run.error ?? run.stderr.trim().split('\n').at(-1)}`);
  const rows = JSON.parse(run.stdout.slice(run.stdout.indexOf('[')));
  return collect(rows.map((row) => ({
    test: row.n_prompt > 0 ? `pp${row.n_prompt}` : `tg${row.n_gen}`,
    depth: row.n_depth ?? 0,
    speed: row.avg_ts,
  })));
}

const table = [];
for (const model of models) {
  const runs = { hearth: [] };
  for (const peer of peers) runs[peer.name] = [];
  for (let pair = 0; pair < pairs; ++pair) {
    runs.hearth.push(ours(model));
    for (const peer of peers) runs[peer.name].push(theirs(peer.command, model));
    console.error(`${path.basename(model)}: turn ${pair + 1} of ${pairs}`);
  }
  const share = shares(model);
  for (const [test, depths] of Object.entries(runs.hearth[0])) {
    for (const depth of Object.keys(depths)) {
      const speeds = (name) => runs[name].map((run) => run[test]?.[depth]).filter((speed) => speed > 0);
      const row = [path.basename(model), depth === '0' ? test : `${test} at ${depth}`];
      const own = speeds('hearth');
      row.push(`${median(own).toFixed(1)} (${Math.min(...own).toFixed(1)} - ${Math.max(...own).toFixed(1)})`);
      row.push(share[test]?.[depth] ?? '-');
      for (const peer of peers) {
        const other = speeds(peer.name);
        if (other.length === 0) {
          row.push('-', '-');
          continue;
        }
        const ratios = own.map((speed, i) => speed / other[i]).filter((ratio) => ratio > 0);
        row.push(`${median(other).toFixed(1)} (${Math.min(...other).toFixed(1)} - ${Math.max(...other).toFixed(1)})`);
        row.push(`${median(ratios).toFixed(2)}, at least ${lowerBoundOfMedian(ratios).toFixed(2)}`);
      }
      table.push(row);
      console.log(row.join('   '));
    }
  }
}
const header = ['model', 'test', 'hearth, tok/s', 'of the machine', ...peers.flatMap((peer) => [`${peer.name}, tok/s`, 'ratio'])];
publish(`Engine, ${options.t} threads, medians of ${pairs} turns (and range).`, header, table);
