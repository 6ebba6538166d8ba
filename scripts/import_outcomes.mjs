#!/usr/bin/env node
// Recorded outcomes in public formats -> rows of `hearth route simulate` (JSON Lines on stdout).
//
//   import_outcomes.mjs routellm FILE.csv... [--price NAME=IN/OUT]   prompt, one right/wrong column a model
//   import_outcomes.mjs routerbench FILE.csv...                      MODEL and MODEL|total_cost columns
//   import_outcomes.mjs llmperf FILE.json...                         ttft_s, end_to_end_latency_s a request
//
// Prices are USD per million tokens of input and output; without one a model costs nothing. Answers'
// lengths come from a MODEL_response column where there is one, else an answer is taken for 5 tokens.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const [kind, ...rest] = process.argv.slice(2);
const prices = {}, files = [];
for (let i = 0; i < rest.length; ++i) {
  if (rest[i] !== '--price') { files.push(rest[i]); continue; }
  const [name, amounts] = rest[++i].split(/=(?=[^=]*$)/);
  const [input, output] = amounts.split('/').map(Number);
  prices[name] = { input, output };
}

// RFC 4180: quoted fields may hold commas, quotes and line ends.
function* csv(text) {
  let row = [], field = '', quoted = false;
  for (let i = 0; i < text.length; ++i) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[i + 1] === '"') { field += '"'; ++i; }
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ',') { row.push(field); field = ''; }
    else if (c === '\n' || c === '\r') {
      if (c === '\r' && text[i + 1] === '\n') ++i;
      row.push(field);
      if (row.length > 1 || row[0] !== '') yield row;
      row = []; field = '';
    } else field += c;
  }
  if (field !== '' || row.length) { row.push(field); yield row; }
}

const tokens = (text) => Math.floor((text ?? '').length / 4) + 1;
const say = (row) => process.stdout.write(JSON.stringify(row) + '\n');
const fail = (message) => { console.error(`import_outcomes: ${message}`); process.exit(1); };

function routellm(file) {
  const rows = csv(readFileSync(file, 'utf8'));
  const header = rows.next().value ?? fail(`${file}: it is empty`);
  const at = (name) => header.indexOf(name);
  if (at('prompt') < 0) fail(`${file}: no column "prompt"`);
  const models = header.filter((name) => name && name !== 'prompt' && !name.endsWith('_response') && !/^unnamed/i.test(name));
  let n = 0;
  for (const row of rows) {
    const prompt = row[at('prompt')];
    const targets = {};
    for (const model of models) {
      const word = row[at(model)]?.trim().toLowerCase();
      if (word !== 'true' && word !== 'false' && Number.isNaN(Number(word || NaN))) continue;
      const price = prices[model] ?? { input: 0, output: 0 };
      const answer = at(`${model}_response`) < 0 ? 5 : tokens(row[at(`${model}_response`)]);
      targets[model] = {
        quality: word === 'true' ? 1 : word === 'false' ? 0 : Math.min(1, Math.max(0, Number(word))),
        cost_usd: (tokens(prompt) * price.input + answer * price.output) / 1e6,
      };
    }
    if (Object.keys(targets).length) say({ id: `${path.basename(file, '.csv')}-${n}`, prompt, targets });
    ++n;
  }
}

function routerbench(file) {
  const rows = csv(readFileSync(file, 'utf8'));
  const header = rows.next().value ?? fail(`${file}: it is empty`);
  const models = header.filter((name) => header.includes(`${name}|total_cost`));
  if (!models.length) fail(`${file}: no column "MODEL|total_cost"`);
  const at = (name) => header.indexOf(name);
  for (const row of rows) {
    const targets = {};
    for (const model of models) {
      const quality = Number(row[at(model)]), cost = Number(row[at(`${model}|total_cost`)]);
      if (row[at(model)] !== '' && quality >= 0 && quality <= 1 && cost >= 0) targets[model] = { quality, cost_usd: cost };
    }
    const prompt = row[at('prompt')], name = row[at('eval_name')];
    if (Object.keys(targets).length)
      say({ id: row[at('sample_id')] ?? '', ...(prompt && { prompt }), ...(name && { class: name }), targets });
  }
}

function llmperf(file) {
  for (const [n, each] of JSON.parse(readFileSync(file, 'utf8')).entries()) {
    if (!(each.end_to_end_latency_s > 0)) continue;
    const name = path.basename(file, '.json');
    say({
      id: `${name}-${n}`, input_tokens: each.number_input_tokens, output_tokens: each.number_output_tokens,
      targets: { [name]: { quality: each.error_code ? 0 : 1, cost_usd: 0, latency_ms: 1000 * each.end_to_end_latency_s } },
    });
  }
}

const importer = { routellm, routerbench, llmperf }[kind] ?? fail('usage: import_outcomes.mjs routellm|routerbench|llmperf FILE...');
if (!files.length) fail('expected a file');
files.forEach(importer);
