// What the router makes of agents at work, with prices and cache rules; of recorded loads; and of recorded outcomes:
// regret against hindsight, gain over the best fixed target, never worse than it.
//   ./dev bench routing [FOLDER...]   FOLDER: outcomes and traces, each in one of the public formats that
//                                     scripts/public_formats.mjs reads, or as rows of `hearth route simulate`
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { formats, open, recognise } from '../../scripts/public_formats.mjs';
import { hearth, publish, root } from './figures.mjs';

const benches = path.join(root, 'build/release/tests/bench');
const work = mkdtempSync(path.join(os.tmpdir(), 'hearth-routing-'));
// A ledger that is written a hundred thousand times lies in memory where there is such a place.
const env = { ...process.env, ...(existsSync('/dev/shm') && { TMPDIR: '/dev/shm' }) };
const run = (command, args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 30, env });
const prices = { 'mistralai/Mixtral-8x7B-Instruct-v0.1': { input: 0.6, output: 0.6 }, 'gpt-4-1106-preview': { input: 10, output: 30 } };

// What lies in the folders: sets of outcomes by name, and traces. Parts of one set are the files of a folder.
const inParts = ['routellm', 'routerarena', 'llmperf'];
const sets = {}, traces = {};
const folders = process.argv.length > 2 ? process.argv.slice(2) : (process.env.HEARTH_ROUTING_DATA ?? '').split(':').filter(Boolean);
if (!folders.length) console.log('no folder of outcomes or traces was named: agents only');
for (const folder of folders) {
  if (!existsSync(folder)) {
    console.log(`there is no folder ${folder}: what it was to hold is left out`);
    continue;
  }
  const parts = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(csv|jsonl|json|ya?ml)(\.gz)?$/.test(entry.name)) continue;
    const file = open(path.join(entry.parentPath, entry.name)), format = recognise(file.text);
    if (!format) continue;
    (parts[inParts.includes(format) ? `${format} ${entry.parentPath}` : `${format} ${file.name}`] ??= { format, files: [] }).files.push(file);
  }
  for (const { format, files } of Object.values(parts)) {
    const only = files.length === 1 ? files[0].name : path.dirname(files[0].name), name = path.basename(only).replace(/\..*/, '');
    const rows = [...formats[format].read(files.sort((a, b) => (a.name < b.name ? -1 : 1)), prices)];
    if (formats[format].kind === 'trace') traces[name] = rows;
    else if (rows.filter((row) => Object.keys(row.targets).length > 1).length >= 50) sets[name] = rows.map((row) => JSON.stringify(row));
    else console.log(`${only}: too few rows with two targets or more`);
  }
}

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
  // Always the same target, also where a fold's own best was another.
  const best = Math.max(...Object.keys(reports[0].fixed).map((name) => sum((r) => r.fixed[name]?.utility_usd ?? -Infinity)));
  const router = sum((r) => r.router.utility_usd), ratio = (utility) => 1 + (utility - best) / Math.abs(best);
  const oracle = sum((r) => r.oracle.utility_usd), random = sum((r) => r.random.utility_usd);
  const low = router - best -
    Math.sqrt(sum((r) => (r.router_minus_best_fixed.utility_usd - r.router_minus_best_fixed.low_usd) ** 2));
  const cells = [set, how, value, ratio(router).toFixed(3), ratio(random).toFixed(3),
    `${(100 * (router - best) / (oracle - best)).toFixed(1)} %`, `${(100 * low / (oracle - best)).toFixed(1)} %`,
    (oracle - router).toFixed(2), ratio(router) >= 0.98 ? 'yes' : 'NO'];
  table.push(cells);
  console.log(cells.map((cell) => String(cell).padEnd(12)).join(' '));
}

const show = (rows) => rows.forEach((cells) => console.log(cells.map((cell) => String(cell).padEnd(12)).join(' ')));
const agents = JSON.parse(run(path.join(benches, 'decision_bench'), ['agents']));
const strong = agents.strong;
const whos = Object.entries(agents).map(([name, tally]) =>
  [name, tally.steps.toFixed(0), tally.usd.toFixed(2), `${(100 * tally.usd / strong.usd).toFixed(0)} %`, tally.quality.toFixed(4), (tally.quality - strong.quality).toFixed(4)]);
show(whos);
publish('Simulated agents (400 conversations, prices and cache rules of providers; goal: at most half of always-strong at its quality).',
  ['who', 'steps', 'USD', 'of always-strong', 'steps done right', 'less always-strong'], whos);

for (const [name, rows] of Object.entries(traces)) {
  const file = path.join(work, 'trace.jsonl');
  writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'));
  const report = JSON.parse(run(path.join(benches, 'trace_bench'), [file]));
  for (const scenario of report.tables) {
    const lines = scenario.rows.map((row) => [row.who, row.usd.toFixed(2), row.worth.toFixed(2), (row.right / row.requests).toFixed(3), `${(100 * row.cached).toFixed(1)} %`,
      row.p50_s.toFixed(2), row.p95_s.toFixed(2), row.late, row.refused, row.limited, row.budget ? `${row.overshoot_pico} of $${row.budget.toFixed(2)}` : '',
      Object.entries(row.chosen).map(([target, n]) => `${target} ${n}`).join(', ')]);
    const what = [`Trace ${name}, ${report.requests} requests in ${report.hours.toFixed(2)} h, through the whole router: ${scenario.name}.`,
      ...(report.endless > 0 ? [`One cache that is endless would find ${(100 * report.endless).toFixed(1)} % of the blocks, one of five minutes ${(100 * report.five_minutes).toFixed(1)} %.`] : []),
      ...(scenario.late_anyway > 0 ? [`${scenario.late_anyway} answers are too long to be in time from anybody.`] : []),
      'Speeds, limits and quality of places are invented (trace_bench.cc), prices are the catalogue\'s. Worth: quality as stated, of answers in time, less money and time. Settled is what was billed, to the pico-dollar' +
      (scenario.rows.every((row) => row.misbilled_pico === 0) ? '.' : ': NOT SO.')].join(' ');
    console.log(`\n${what}`);
    show(lines);
    publish(what, ['who', 'USD', 'worth, USD', 'right', 'of prompts cached', 'p50, s', 'p95, s', 'late', 'not answered', 'without room', 'over budget, pico-dollars', 'by whom'], lines);
  }
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
