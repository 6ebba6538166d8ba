// ./dev bench accuracy [MODEL.gguf ...]
//
// How far the engine's normal path is from the same weights dequantized to float32: mean KL divergence of the
// next token's distribution in nats, and how often both find the same token likeliest, over 768 tokens of
// prose and 768 of code. The reference is our own engine with --exact (dequantized weights, float32
// products, float32 keys and values). LLAMA_LOGITS names a program that does the same with llama.cpp:
//   PROGRAM MODEL ID,ID,... OUT     raw float32 logits of every position
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hearth, publish, root } from './figures.mjs';

const kTokens = 768;
const models = process.argv.slice(2);
if (models.length === 0) models.push(process.env.HEARTH_TEST_MODEL);
const texts = {
  prose: readFileSync(path.join(root, 'ARCHITECTURE.md'), 'utf8'),
  code: readFileSync(path.join(root, 'inference/backend/cpu/matmul.cc'), 'utf8'),
};
const folder = mkdtempSync(path.join(os.tmpdir(), 'hearth-accuracy-'));

function run(program, args, input = '') {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${program} ${args[0]}: ${error ?? stderr.trim()}`);
  return stdout;
}

// Rows of a file of float32, one at a time.
function* rowsOf(file, width) {
  const descriptor = openSync(file, 'r');
  const row = new Float32Array(width);
  try {
    for (;;) {
      let n = 0;
      const bytes = new Uint8Array(row.buffer);
      while (n < bytes.length) {
        const read = readSync(descriptor, bytes, n, bytes.length - n);
        if (read === 0) return;
        n += read;
      }
      yield row;
    }
  } finally {
    closeSync(descriptor);
  }
}

function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; ++i) if (row[i] > row[best]) best = i;
  return best;
}
function logSum(row) {
  let max = -Infinity, sum = 0;
  for (const value of row) if (value > max) max = value;
  for (const value of row) sum += Math.exp(value - max);
  return max + Math.log(sum);
}

function compare(reference, actual, width) {
  const others = rowsOf(actual, width);
  let n = 0, divergence = 0, agreed = 0;
  for (const p of rowsOf(reference, width)) {
    const q = others.next().value;
    const pSum = logSum(p), qSum = logSum(q);
    for (let i = 0; i < width; ++i) divergence += Math.exp(p[i] - pSum) * (p[i] - pSum - (q[i] - qSum));
    agreed += argmax(p) === argmax(q);
    ++n;
  }
  return { divergence: divergence / n, agreement: agreed / n };
}

const table = [];
try {
  for (const model of models) {
    for (const [name, text] of Object.entries(texts)) {
      const ids = JSON.parse(run(hearth, ['dev', 'tokenize', model], text)).slice(0, kTokens);
      const files = Object.fromEntries(['exact', 'hearth', 'llama.cpp'].map((key) => [key, path.join(folder, key)]));
      const logits = (out, ...flags) => run(hearth, ['dev', 'logits', model, '--tokens', ids.join(','), '--out', out, ...flags]);
      logits(files.exact, '--exact');
      logits(files.hearth);
      const engines = ['hearth'];
      if (process.env.LLAMA_LOGITS) {
        run(process.env.LLAMA_LOGITS, [model, ids.join(','), files['llama.cpp']]);
        engines.push('llama.cpp');
      }
      const width = statSync(files.exact).size / 4 / ids.length;
      for (const engine of engines) {
        const { divergence, agreement } = compare(files.exact, files[engine], width);
        const row = [path.basename(model), name, String(ids.length), engine, divergence.toExponential(2), `${(100 * agreement).toFixed(1)} %`];
        table.push(row);
        console.log(row.join('   '));
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
publish('Accuracy: against our own engine with weights dequantized to float32.', ['model', 'text', 'tokens', 'engine', 'mean KL, nats', 'same likeliest token'], table);
