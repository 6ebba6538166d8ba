// What the router makes of recorded outcomes: regret against hindsight, gain over the best fixed target,
// never worse than it; and of agents at work, with prices and cache rules.
//   ./dev bench routing [FOLDER]   FOLDER: gsm8k_responses.csv and mmlu/*.csv of RouteLLM's evals (Apache-2.0),
//                                  or any *.jsonl rows of `hearth route simulate`
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hearth, publish, root } from './figures.mjs';

const folder = process.argv[2] ?? process.env.HEARTH_ROUTING_DATA;
const work = mkdtempSync(path.join(os.tmpdir(), 'hearth-routing-'));
const run = (command, args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 30 });
const prices = ['--price', 'mistralai/Mixtral-8x7B-Instruct-v0.1=0.6/0.6', '--price', 'gpt-4-1106-preview=10/30'];
const importRows = (files) =>
  run(process.execPath, [path.join(root, 'scripts/import_outcomes.mjs'), 'routellm', ...files, ...prices]).split('\n').filter(Boolean);

// The same order on every machine.
function shuffled(rows, seed) {
  let state = seed >>> 0;
  const random = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32; };
  const out = [...rows];
  for (let i = out.length - 1; i > 0; --i) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

let n = 0;
function simulate(rows, value, training) {
  const file = path.join(work, `${++n}.jsonl`), args = ['route', 'simulate', file, '--value', String(value), '--json'];
  writeFileSync(file, rows.join('\n'));
  if (training) {
    writeFileSync(`${file}.train`, training.join('\n'));
    args.push('--train', `${file}.train`);
  }
  return JSON.parse(run(hearth, args));
}

const table = [];
function line(set, how, value, reports) {
  const sum = (of) => reports.reduce((total, report) => total + of(report), 0);
  const best = sum((r) => r.fixed[r.router_minus_best_fixed.best_fixed].utility_usd), router = sum((r) => r.router.utility_usd);
  const oracle = sum((r) => r.oracle.utility_usd), random = sum((r) => r.random.utility_usd);
  const low = sum((r) => r.router_minus_best_fixed.utility_usd) -
    Math.sqrt(sum((r) => (r.router_minus_best_fixed.utility_usd - r.router_minus_best_fixed.low_usd) ** 2));
  const cells = [set, how, value, (router / best).toFixed(3), (random / best).toFixed(3),
    `${(100 * (router - best) / (oracle - best)).toFixed(1)} %`, `${(100 * low / (oracle - best)).toFixed(1)} %`,
    (oracle - router).toFixed(2), router >= 0.98 * best ? 'yes' : 'NO'];
  table.push(cells);
  console.log(cells.map((cell) => String(cell).padEnd(12)).join(' '));
}

const sets = {};
if (folder) {
  const gsm8k = path.join(folder, 'gsm8k_responses.csv'), mmlu = path.join(folder, 'mmlu');
  if (existsSync(gsm8k)) sets.GSM8K = importRows([gsm8k]);
  if (existsSync(mmlu)) sets.MMLU = importRows(readdirSync(mmlu).sort().map((name) => path.join(mmlu, name)));
  for (const name of readdirSync(folder))
    if (name.endsWith('.jsonl')) sets[path.basename(name, '.jsonl')] = readFileSync(path.join(folder, name), 'utf8').split('\n').filter(Boolean);
} else {
  console.log('no folder of recorded outcomes was named: agents only');
}
for (const [set, rows] of Object.entries(sets))
  for (const value of [0.003, 0.01, 0.015, 0.03, 0.1, 1]) {
    line(set, 'online', value, [1, 2, 3].map((seed) => simulate(shuffled(rows, seed), value)));
    const mixed = shuffled(rows, 99), fold = (k) => (_, i) => i % 5 === k;
    line(set, '5-fold', value, [0, 1, 2, 3, 4].map((k) =>
      simulate(mixed.filter(fold(k)), value, mixed.filter((row, i) => !fold(k)(row, i)))));
  }
rmSync(work, { recursive: true });
if (table.length)
  publish('Routing over recorded outcomes: utility beside the best fixed target (low: 95 % bound).',
    ['set', 'how', 'USD a right answer', 'router / best fixed', 'random / best fixed', 'of the oracle\'s gap', 'low', 'regret USD', '>= 0.98'], table);

const agents = JSON.parse(run(path.join(root, 'build/release/tests/bench/decision_bench'), ['agents']));
const strong = agents.strong;
const rows = Object.entries(agents).map(([name, tally]) =>
  [name, tally.steps, tally.usd.toFixed(2), `${(100 * tally.usd / strong.usd).toFixed(0)} %`, tally.quality.toFixed(4), (tally.quality - strong.quality).toFixed(4)]);
rows.forEach((cells) => console.log(cells.map((cell) => String(cell).padEnd(12)).join(' ')));
publish('Simulated agents (400 conversations, prices and cache rules of providers; goal: at most half of always-strong at its quality).',
  ['who', 'steps', 'USD', 'of always-strong', 'steps done right', 'less always-strong'], rows);
