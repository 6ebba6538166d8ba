#!/usr/bin/env node
// Recorded outcomes and traces in public formats -> our rows (JSON Lines on stdout; public_formats.mjs).
//
//   import_outcomes.mjs FORMAT|auto FILE... [--price NAME=IN/OUT]...
//
// Files may be packed by gzip. All files of a call are one set: what several of them say of one request becomes one row.
// Prices are USD per million tokens of input and output, for formats that tell no costs.
import { formats, open, recognise } from './public_formats.mjs';

const fail = (message) => { console.error(`import_outcomes: ${message}`); process.exit(1); };
const [format, ...rest] = process.argv.slice(2);
const prices = {}, names = [];
for (let i = 0; i < rest.length; ++i) {
  if (rest[i] !== '--price') { names.push(rest[i]); continue; }
  const [, name, input, output] = /^(.+)=([\d.]+)\/([\d.]+)$/.exec(rest[++i] ?? '') ?? fail(`expected --price NAME=IN/OUT, got "${rest[i] ?? ''}"`);
  prices[name] = { input: Number(input), output: Number(output) };
}
if (format !== 'auto' && !formats[format]) fail(`usage: import_outcomes.mjs auto|${Object.keys(formats).join('|')} FILE...`);
if (!names.length) fail('expected a file');

const files = names.map((name) => {
  try {
    return open(name);
  } catch (error) {
    return fail(error.message);
  }
});
const named = format === 'auto' ? recognise(files[0].text) ?? fail(`${names[0]}: none of the formats that are known here`) : format;
for (const { name, text } of files)
  if (recognise(text) !== named) fail(`${name}: this is not of the form of ${named}`);
try {
  for (const row of formats[named].read(files, prices)) process.stdout.write(JSON.stringify(row) + '\n');
} catch (error) {
  fail(`${names.join(', ')}: ${error.message}`);
}
