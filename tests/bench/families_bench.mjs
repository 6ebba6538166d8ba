// ./dev bench families [LABEL=FOLDER[,FOLDER...] ...]
//
// The table of docs/engine.md: for each family the largest difference of any logit from a reference, in standard
// deviations of the reference's logits; a column for each LABEL, the worst of its FOLDERs. Printed, not stored.
// A folder holds fixtures: NAME.gguf and the reference's logits, NAME.logits.f32 (row-major little-endian float32;
// NAME.embedding.f32 or "embedding" in NAME.json for models of embeddings), of the ids in NAME.json ("tokens") or
// NAME.tokens. Without arguments: tests/data/models. Where the reference computed in float64, too (NAME.f64, row-major
// little-endian), it is said how far both are from that; further than twice the reference's float32 is a failure.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hearth, root } from './figures.mjs';

const columns = process.argv.slice(2).map((word) => {
  const [label, folders] = word.split('=');
  if (!folders) throw new Error(`${word}: expected LABEL=FOLDER[,FOLDER...]`);
  return { label, folders: folders.split(',') };
});
if (columns.length === 0) columns.push({ label: 'scale 0', folders: [path.join(root, 'tests/data/models')] });
const out = path.join(mkdtempSync(path.join(os.tmpdir(), 'hearth-families-')), 'logits');
const dev = (...args) => execFileSync(hearth, ['dev', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 });

function floats(file, Kind = Float32Array) {
  const bytes = readFileSync(file);
  return new Kind(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

// {tokens, expected, isEmbedding}
function reference(base) {
  const record = existsSync(base + '.json') ? JSON.parse(readFileSync(base + '.json', 'utf8')) : {};
  const tokens = record.tokens ?? readFileSync(base + '.tokens', 'utf8').trim().split(/\s+/).map(Number);
  if (record.embedding) return { tokens, expected: record.embedding, isEmbedding: true };
  const isEmbedding = existsSync(base + '.embedding.f32');
  return { tokens, expected: floats(base + (isEmbedding ? '.embedding.f32' : '.logits.f32')), isEmbedding };
}

// The worst of all values, and of how many rows one is more than 1e-4 off.
function errors(actual, expected, rows) {
  if (actual.length !== expected.length) throw new Error(`${actual.length} numbers, the reference has ${expected.length}`);
  let sum = 0, squares = 0;
  for (const value of expected) { sum += value; squares += value * value; }
  const deviation = Math.sqrt(squares / expected.length - (sum / expected.length) ** 2);
  const width = expected.length / rows;
  let worst = 0, above = 0;
  for (let row = 0; row < rows; ++row) {
    let most = 0;
    for (let i = row * width; i < (row + 1) * width; ++i) {
      const error = Math.abs(actual[i] - expected[i]) / deviation;
      if (!(error <= most)) most = error;  // NaN sticks
    }
    if (!(most <= worst)) worst = most;
    above += !(most <= 1e-4);
  }
  return { worst, above, rows };
}

function compare(base) {
  const { tokens, expected, isEmbedding } = reference(base);
  const ids = tokens.join(',');
  if (!isEmbedding) dev('logits', base + '.gguf', '--tokens', ids, '--out', out);
  const actual = isEmbedding ? JSON.parse(dev('embed', base + '.gguf', '--tokens', ids)) : floats(out);
  const found = errors(actual, expected, isEmbedding ? 1 : tokens.length);
  if (!existsSync(base + '.f64')) return found;
  const exact = floats(base + '.f64', Float64Array);
  return { ...found, exact: { ours: errors(actual, exact, found.rows), theirs: errors(expected, exact, found.rows) } };
}

const table = new Map(), notes = [];
try {
  for (const [at, { folders }] of columns.entries()) {
    for (const folder of folders) {
      for (const file of readdirSync(folder).filter((name) => name.endsWith('.gguf')).sort()) {
        const family = file.slice(0, -'.gguf'.length);
        const { worst, above, rows, exact } = compare(path.join(folder, family));
        if (!table.has(family)) table.set(family, []);
        const cells = table.get(family);
        if (!(cells[at] >= worst)) cells[at] = worst;
        if (above > 0) notes.push(`${family}, ${folder}: ${above} of ${rows} rows above 1e-4, the worst ${worst.toExponential(1)}`);
        if (exact) {
          const said = ({ worst: most, above: n }) => `${most.toExponential(1)} (${n} rows above 1e-4)`;
          notes.push(`${family}, ${folder}: from float64 ours ${said(exact.ours)}, the reference's float32 ${said(exact.theirs)}`);
          if (!(exact.ours.worst <= 2 * exact.theirs.worst)) process.exitCode = 1;
        }
      }
    }
  }
} finally {
  rmSync(path.dirname(out), { recursive: true });
}
const number = (value) => (value === undefined ? '' : value.toExponential(1).replace(/e-(\d)$/, 'e-0$1'));
const line = (cells) => console.log(`| ${cells.join(' | ')} |`);
line(['family', ...columns.map(({ label }) => label)]);
line(['---', ...columns.map(() => '---')]);
for (const [family, cells] of [...table].sort()) line([family, ...columns.map((_, at) => number(cells[at]))]);
for (const note of notes) console.log(note);
