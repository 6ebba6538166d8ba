// What the benches share: this checkout, the machine in words, and docs/bench.md.
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
export const hearth = process.env.HEARTH_BINARY ?? path.join(root, 'build/bin/hearth');

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

// The largest of the values below which the true median lies with at most 5 % probability, whatever their
// distribution: the k-th smallest, where a fair coin shows heads less than k times out of n that rarely.
export function lowerBoundOfMedian(values) {
  const sorted = [...values].sort((a, b) => a - b);
  let probability = 0.5 ** sorted.length, k = 0;
  for (let cumulative = probability; cumulative <= 0.05; cumulative += probability) {
    ++k;
    probability *= (sorted.length - k + 1) / k;
  }
  return k > 0 ? sorted[k - 1] : sorted[0];
}

// Appends a table under a heading that says when, at which commit and where.
export function publish(title, header, rows) {
  const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const cpu = os.cpus()[0].model.trim();
  const flags = readFileSync('/proc/cpuinfo', 'utf8');
  const isa = /avx512f/.test(flags) ? 'AVX-512' : /avx2/.test(flags) ? 'AVX2' : 'scalar';
  const memory = (os.totalmem() / 2 ** 30).toFixed(0);
  const heading = `## ${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${cpu} (${isa}), ${os.cpus().length} cores, ${memory} GiB`;
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const table = [header, header.map(() => '---'), ...rows].map(line).join('\n');
  const file = path.join(root, 'docs/bench.md');
  if (!existsSync(file)) writeFileSync(file, '# Measured figures\n\nWritten by `./dev bench`; the newest at the end.\n');
  appendFileSync(file, `\n${heading}\n\n${title ? `${title}\n\n` : ''}${table}\n`);
  console.log(`\nappended to docs/bench.md\n${heading}`);
}
