// Public formats of recorded outcomes and of traces, read into our own rows. A format is told by what a file holds,
// never by its name.
//
// outcomes  rows of `hearth route simulate`: {id, prompt?, class?, input_tokens?, output_tokens?,
//           targets: {NAME: {quality, cost_usd, latency_ms?}}}
// trace     rows of tests/bench/trace_bench.cc: {at_ms, input_tokens, output_tokens, blocks?, block_tokens?}
//
// A new one: a function from its files to rows, and a line in `formats`.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

const tokens = (text) => Math.floor((text ?? '').length / 4) + 1;
// What lies outside is no such figure, or of another scale, and the file not what it was taken for.
function share(value, whose) {
  if (value < 0 || value > 1) throw new Error(`${whose} is ${value}, expected 0 to 1`);
  return value;
}
const stem = (name) => path.basename(name).replace(/\.[a-z]+(\.gz)?$/i, '');
const lines = (text) => text.split('\n').filter((line) => line.trim());

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

// Rows as objects by the header's names.
function* records(text) {
  const rows = csv(text.replace(/^\uFEFF/, '')), header = rows.next().value ?? [];
  for (const row of rows) yield Object.fromEntries(header.map((name, i) => [name, row[i]]));
}

const header = (text) => csv(text.slice(0, 1 << 16).replace(/^\uFEFF/, '')).next().value ?? [];
const isTable = (text, ...columns) => columns.every((name) => header(text).includes(name));

// Outcomes of one request that come one by one: mean quality and cost where one target has several.
class Gathered {
  rows = new Map();
  add(id, about, target, outcome) {
    if (!this.rows.has(id)) this.rows.set(id, { about, targets: {} });
    (this.rows.get(id).targets[target] ??= []).push(outcome);
  }
  * all() {
    const mean = (all, key) => all.reduce((sum, each) => sum + each[key], 0) / all.length;
    for (const [id, { about, targets }] of this.rows)
      yield { id, ...about, targets: Object.fromEntries(Object.entries(targets).map(([name, all]) =>
        [name, { quality: mean(all, 'quality'), cost_usd: mean(all, 'cost_usd') }])) };
  }
}

// `prices`: {MODEL: {input, output}}, USD per million tokens; without one a model costs nothing.
const cost = (prices, model, input, output) =>
  (input * (prices[model]?.input ?? 0) + output * (prices[model]?.output ?? 0)) / 1e6;

// RouteLLM: a prompt, a column with right or wrong for each model; lengths of answers from MODEL_response where there is
// one, else an answer is taken for 5 tokens.
const modelsOf = (text) => header(text).filter((name) => name && name !== 'prompt' && !name.endsWith('_response') && !/^unnamed/i.test(name));
function* routellm(files, prices) {
  for (const { name, text } of files) {
    const columns = header(text), models = modelsOf(text);
    let n = 0;
    for (const row of records(text)) {
      const targets = {};
      for (const model of models) {
        const word = row[model]?.trim().toLowerCase();
        const quality = word === 'true' ? 1 : word === 'false' ? 0 : Number(word || NaN);
        if (!(quality >= 0 && quality <= 1)) continue;
        const answer = columns.includes(`${model}_response`) ? tokens(row[`${model}_response`]) : 5;
        targets[model] = {
          quality,
          cost_usd: cost(prices, model, tokens(row.prompt), answer),
        };
      }
      if (Object.keys(targets).length) yield { id: `${stem(name)}-${n}`, prompt: row.prompt, targets };
      ++n;
    }
  }
}

// RouterBench: MODEL and MODEL|total_cost columns.
function* routerbench(files) {
  for (const { text } of files) {
    const columns = header(text), models = columns.filter((name) => columns.includes(`${name}|total_cost`));
    for (const row of records(text)) {
      const targets = {};
      for (const model of models) {
        const quality = Number(row[model]), cost_usd = Number(row[`${model}|total_cost`]);
        if (row[model] !== '' && quality >= 0 && quality <= 1 && cost_usd >= 0) targets[model] = { quality, cost_usd };
      }
      if (Object.keys(targets).length)
        yield { id: row.sample_id ?? '', ...(row.prompt && { prompt: row.prompt }), ...(row.eval_name && { class: row.eval_name }), targets };
    }
  }
}

// RouterArena, cached results: a file for each model, a line for each question; rows that nobody has scored are left
// out. A question's class is its index without the number.
function* routerarena(files) {
  const gathered = new Gathered();
  for (const { text } of files)
    for (const line of lines(text)) {
      const row = JSON.parse(line), scored = row.evaluation_result;
      if (typeof scored?.score !== 'number') continue;
      const about = { prompt: row.question, class: row.global_index.replace(/_\d+$/, ''), input_tokens: row.token_usage?.input_tokens };
      if (about.input_tokens === undefined) delete about.input_tokens;
      gathered.add(row.global_index, about, row.llm_selected, { quality: share(scored.score, `the score of ${row.global_index}`), cost_usd: scored.inference_cost ?? 0 });
    }
  yield* gathered.all();
}

// TwinRouterBench, question bank: the least of four tiers that still gets a step done; every tier above does too.
// Costs by the set's nominal prices unless others are given, with 300 tokens of answer.
const kTiers = { low: { input: 0.26, output: 0.5 }, mid: { input: 0.3, output: 2 }, mid_high: { input: 0.5, output: 5 }, high: { input: 5, output: 25 } };
function* twinrouterbench(files, prices) {
  const said = (content) => (typeof content === 'string' ? content : Array.isArray(content) ? content.map((part) => part.text ?? '').join('\n') : '');
  for (const { text } of files)
    for (const line of lines(text)) {
      const row = JSON.parse(line), messages = row.messages ?? [];
      const input = messages.reduce((sum, message) => sum + tokens(said(message.content)), 0), output = 300;
      const last = messages.findLast((message) => message.role === 'user');
      const targets = Object.fromEntries(Object.keys(kTiers).map((tier, i) => [tier, {
        quality: i >= row.target_tier_id ? 1 : 0,
        cost_usd: cost({ ...kTiers, ...prices }, tier, input, output),
      }]));
      yield { id: String(row.id), ...(last && { prompt: said(last.content) }), class: row.benchmark, input_tokens: input, targets };
    }
}

// SWE-bench's site: {MODEL: {TASK: {resolved, cost, api_calls}}}. A task's class is its repository.
function* swebench(files) {
  const gathered = new Gathered();
  for (const { text } of files)
    for (const [model, tasks] of Object.entries(JSON.parse(text)))
      for (const [task, { resolved, cost: usd }] of Object.entries(tasks))
        gathered.add(task, { class: task.split('__')[0] }, model, { quality: resolved ? 1 : 0, cost_usd: usd ?? 0 });
  yield* gathered.all();
}

// LiveCodeBench's site: pass@1 in per cent for each question and model; -1: not run. A question that has several tests
// or samples becomes as many rows. Nothing is said of costs.
function* livecodebench(files) {
  for (const { name, text } of files) {
    const gathered = new Gathered(), n_seen = new Map();
    for (const row of JSON.parse(text).performances) {
      const passed = row['pass@1'] ?? row['Pass@1'];
      const question = `${stem(name)}-${row.question_id}${row.sample_id ? `-${row.sample_id}` : ''}`;
      const n = n_seen.get(`${question} ${row.model}`) ?? 0;
      n_seen.set(`${question} ${row.model}`, n + 1);
      if (!(passed >= 0)) continue;
      gathered.add(`${question}-${n}`, row.difficulty ? { class: row.difficulty } : {}, row.model, { quality: share(passed / 100, `the share of ${question} that passed`), cost_usd: 0 });
    }
    yield* gathered.all();
  }
}

// Aider's leaderboard: runs as a list of "key: value" lines. One row, for what is thought of targets before any outcome
// (--train): the share of cases passed at the end, money and time of a case. Of a model's runs the best.
function* aider(files) {
  for (const { name, text } of files) {
    const targets = {};
    for (const block of text.split(/^- /m).slice(1)) {
      const run = Object.fromEntries([...block.matchAll(/^ *([\w-]+): *(.*?) *$/gm)].map(([, key, value]) => [key, value.replace(/^(["'])(.*)\1$/, '$2')]));
      const quality = share(Number(run.pass_rate_2 ?? run.pass_rate_1) / 100, `the share of ${run.model} that passed`), cases = Number(run.test_cases);
      if (!run.model || Number.isNaN(quality) || targets[run.model]?.quality > quality) continue;
      targets[run.model] = {
        quality, cost_usd: Number(run.total_cost ?? 0) / Math.max(cases, 1) || 0,
        ...(Number(run.seconds_per_case) > 0 && { latency_ms: 1000 * Number(run.seconds_per_case) }),
      };
    }
    yield { id: stem(name), class: 'edit', targets };
  }
}

// llmperf, individual results: a file for each host, latencies of each request.
function* llmperf(files) {
  for (const { name, text } of files)
    for (const [n, each] of JSON.parse(text).entries()) {
      if (!(each.end_to_end_latency_s > 0)) continue;
      const host = stem(name);
      yield {
        id: `${host}-${n}`, input_tokens: each.number_input_tokens, output_tokens: each.number_output_tokens,
        targets: { [host]: { quality: each.error_code ? 0 : 1, cost_usd: 0, latency_ms: 1000 * each.end_to_end_latency_s } },
      };
    }
}

// Our own rows.
function* own(files) {
  for (const { text } of files) for (const line of lines(text)) yield JSON.parse(line);
}

// Mooncake: when, how long, and the chained hashes of a prompt's blocks of 512 tokens.
function* mooncake(files) {
  for (const { text } of files)
    for (const line of lines(text)) {
      const row = JSON.parse(line);
      yield { at_ms: row.timestamp, input_tokens: row.input_length, output_tokens: row.output_length, blocks: row.hash_ids, block_tokens: 512 };
    }
}

// Azure's traces of inference: when and how long.
function* azure(files) {
  for (const { text } of files)
    for (const row of records(text)) {
      const at = Date.parse(`${row.TIMESTAMP.slice(0, 23).replace(' ', 'T')}Z`);
      if (Number.isFinite(at)) yield { at_ms: at, input_tokens: Number(row.ContextTokens), output_tokens: Number(row.GeneratedTokens) };
    }
}

const firstLine = (text) => JSON.parse(text.slice(0, text.indexOf('\n') >>> 0));
const has = (object, ...keys) => typeof object === 'object' && object !== null && keys.every((key) => key in object);

// The first that fits is the one: those that say more stand first.
export const formats = {
  hearth: { kind: 'outcomes', read: own, fits: (text) => has(firstLine(text).targets) },
  mooncake: { kind: 'trace', read: mooncake, fits: (text) => has(firstLine(text), 'timestamp', 'input_length', 'output_length', 'hash_ids') },
  azure: { kind: 'trace', read: azure, fits: (text) => isTable(text, 'TIMESTAMP', 'ContextTokens', 'GeneratedTokens') },
  routerarena: { kind: 'outcomes', read: routerarena, fits: (text) => has(firstLine(text), 'global_index', 'llm_selected', 'evaluation_result') },
  twinrouterbench: { kind: 'outcomes', read: twinrouterbench, fits: (text) => has(firstLine(text), 'id', 'benchmark', 'target_tier_id') },
  livecodebench: { kind: 'outcomes', read: livecodebench, fits: (text) => has(JSON.parse(text), 'performances') },
  llmperf: { kind: 'outcomes', read: llmperf, fits: (text) => has(JSON.parse(text)[0], 'ttft_s', 'end_to_end_latency_s') },
  swebench: { kind: 'outcomes', read: swebench, fits: (text) => has(Object.values(Object.values(JSON.parse(text))[0])[0], 'resolved') },
  aider: { kind: 'outcomes', read: aider, fits: (text) => /^- dirname: /m.test(text) && /^ +pass_rate_1: /m.test(text) },
  routerbench: { kind: 'outcomes', read: routerbench, fits: (text) => header(text).some((name) => name.endsWith('|total_cost')) },
  routellm: { kind: 'outcomes', read: routellm, fits: (text) => isTable(text, 'prompt') && modelsOf(text).some((name) => /^(true|false|[\d.]+)$/i.test(records(text).next().value[name])) },
};

// {name, text} of a file, unpacked if need be.
export function open(name) {
  const bytes = readFileSync(name);
  return { name, text: (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8') };
}

// The name of the format of a text; null when it is none of these.
export function recognise(text) {
  for (const [name, { fits }] of Object.entries(formats)) {
    try {
      if (fits(text)) return name;
    } catch {
      // another one, then
    }
  }
  return null;
}
