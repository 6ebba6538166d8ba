// ./dev bench agent [--turns N] [--system TOKENS] [--minutes N] [MODEL.gguf]
//
// An agent's day on one engine, over /v1/chat/completions: a long system prompt with tools, turns that each
// append a call and its result, two sub-agents that share the beginning, and a message in the middle that is
// edited. Answers are replayed: what the client sends back is the trace's, not what the model said. Counted
// are the prompt tokens that were computed (again), and measured the time to the first token of each turn.
// Without a model: random weights in the shape of Qwen2.5-Coder-0.5B in Q4_K_M, made once. LLAMA_SERVER names
// a llama-server (a program), which then has the same day with its own settings. A day that takes longer than
// --minutes (30) ends early, for both at the same request, and the table says so.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { hearth, publish, quantile, root } from './figures.mjs';

process.env.HEARTH_BINARY ??= hearth;
process.env.HEARTH_CLIENTS ??= path.join(root, 'tests/clients');
const { Daemon } = await import('../end_to_end/daemon.mjs');

const options = { turns: 40, system: 15000, minutes: 30 };
let model;
for (const words = process.argv.slice(2); words.length > 0;) {
  const word = words.shift();
  if (['--turns', '--system', '--minutes'].includes(word)) options[word.slice(2)] = Number(words.shift());
  else if (!word.startsWith('-')) model = word;
  else throw new Error(`unknown option ${word}`);
}
if (!model) {
  const folder = path.join(root, '.deps/bench');
  mkdirSync(folder, { recursive: true });
  model = path.join(folder, 'qwen2.5-0.5b-q4_k_m.gguf');
  if (!existsSync(model)) execFileSync(hearth, ['dev', 'synth', 'qwen2.5-0.5b', '--type', 'Q4_K_M', '--out', model]);
}
const kContext = 32768;

// --- the trace ---

let state = 12345;
const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
const syllables = ['con', 'fig', 'ure', 'par', 'se', 'in', 'dex', 'to', 'ken', 'buf', 'fer', 'read', 'er', 'map', 'list', 'node'];
const word = () => Array.from({ length: 1 + random(3) }, () => syllables[random(syllables.length)]).join('');
const text = (n) => Array.from({ length: n }, (_, i) => word() + (i % 12 === 11 ? '.\n' : '')).join(' ');
const tools = ['read_file', 'write_file', 'search', 'run', 'list', 'edit', 'fetch', 'ask'].map((name) => ({
  type: 'function',
  function: { name, description: text(40), parameters: { type: 'object', properties: { path: { type: 'string', description: text(8) }, text: { type: 'string' } }, required: ['path'] } },
}));

function day(systemWords) {
  const system = { role: 'system', content: text(systemWords) };
  const turn = (i) => [
    { role: 'assistant', content: text(20), tool_calls: [{ id: `call_${i}`, type: 'function', function: { name: tools[i % tools.length].function.name, arguments: JSON.stringify({ path: `src/${word()}.cc`, text: word() }) } }] },
    { role: 'tool', tool_call_id: `call_${i}`, content: text(40 + random(160)) },
  ];
  const requests = [];
  const main = [system, { role: 'user', content: text(60) }];
  const ask = (who, messages) => requests.push({ who, messages: structuredClone(messages) });
  const helper = (name) => {
    const own = [system, { role: 'user', content: text(80) }];
    ask(name, own);
    for (let i = 0; i < 3; ++i) {
      own.push(...turn(i));
      ask(name, own);
    }
  };
  ask('main', main);
  for (let i = 0; i < options.turns; ++i) {
    main.push(...turn(i));
    if (i === Math.floor(options.turns * 0.75)) {
      main[2 + 2 * Math.floor(options.turns / 4) + 1].content = text(120);  // a result in the middle
      ask('edited', main);
    } else {
      ask('main', main);
    }
    if (i === Math.floor(options.turns * 0.35)) helper('sub-agent 1');
    if (i === Math.floor(options.turns * 0.6)) helper('sub-agent 2');
  }
  return requests;
}

// --- one request ---

async function send(post, messages, withTools = true) {
  const begin = performance.now();
  const body = await post({ model: 'local', messages, ...(withTools ? { tools } : {}), max_tokens: 8, temperature: 0, ignore_eos: true, stream: true, stream_options: { include_usage: true } });
  let first, usage, timings, rest = '';
  for await (const chunk of body) {
    rest += Buffer.from(chunk).toString();
    for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
      const line = rest.slice(0, end).split('\n').find((each) => each.startsWith('data: {'));
      if (!line) continue;
      const data = JSON.parse(line.slice(6));
      const delta = data.choices?.[0]?.delta;
      if (delta?.content || delta?.reasoning_content || delta?.tool_calls) first ??= performance.now();
      usage = data.usage ?? usage;
      timings = data.timings ?? timings;
    }
  }
  const cached = usage?.prompt_tokens_details?.cached_tokens ?? (timings ? usage.prompt_tokens - timings.prompt_n : 0);
  return { ttft: (first ?? performance.now()) - begin, prompt: usage.prompt_tokens, computed: usage.prompt_tokens - cached };
}

// The body of an answer as it comes. No time limit: a first prompt may take minutes.
function stream(url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', agent: false, headers: { ...headers, 'content-type': 'application/json' } }, async (response) => {
      if (response.statusCode === 200) return resolve(response);
      let text = '';
      for await (const chunk of response) text += chunk;
      reject(new Error(`${response.statusCode}: ${text}`));
    });
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });
}

let nRequests = Infinity;  // that every engine gets
async function live(name, post) {
  // How many words make a token here.
  state = 999;
  const probe = await send(post, [{ role: 'user', content: text(400) }], false);
  state = 12345;
  const requests = day(Math.round((options.system - 8 * 90) * 400 / probe.prompt));
  const results = [];
  const end = performance.now() + options.minutes * 60000;
  for (const { who, messages } of requests.slice(0, nRequests)) {
    if (performance.now() > end) break;
    const result = { who, ...(await send(post, messages)) };
    results.push(result);
    console.error(`${name} ${results.length}/${Math.min(requests.length, nRequests)} ${who}: ${result.prompt} tokens, ${result.computed} computed, ${result.ttft.toFixed(0)} ms`);
  }
  nRequests = results.length;
  const warm = results.filter(({ who }, i) => i > 0 && who !== 'edited');
  const ttfts = warm.map((result) => result.ttft);
  const sum = (list, key) => list.reduce((total, each) => total + each[key], 0);
  return {
    name: results.length < requests.length ? `${name} (${results.length} of ${requests.length} requests)` : name,
    sent: sum(results, 'prompt'),
    computed: sum(results, 'computed'),
    edited: sum(results.filter(({ who }) => who === 'edited'), 'computed'),
    subs: sum(results.filter(({ who }) => who.startsWith('sub')), 'computed'),
    cold: results[0].ttft,
    p50: quantile(ttfts, 0.5),
    p95: quantile(ttfts, 0.95),
  };
}

// --- who has it ---

const figures = [];
const daemon = await Daemon.start({ model, config: `[model.agent]\npath = "${model}"\ncontext = ${kContext}\n` });
figures.push(await live('hearth', (body) =>
  stream(`${daemon.discovery.url}/v1/chat/completions`, { authorization: `Bearer ${daemon.discovery.token}` }, { ...body, model: 'agent' })));
await daemon.stop();

if (process.env.LLAMA_SERVER) {
  const port = 18080 + (process.pid % 1000);
  const server = spawn(process.env.LLAMA_SERVER, ['-m', model, '-c', String(kContext), '-t', String(os.cpus().length), '--port', String(port), '--jinja', '--timeout', '7200'], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  for (let healthy = false; !healthy;) {
    if (server.exitCode !== null) throw new Error(`${process.env.LLAMA_SERVER} ended with ${server.exitCode}`);
    healthy = await fetch(`${url}/health`).then((answer) => answer.ok, () => false);
    if (!healthy) await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    figures.push(await live('llama-server', (body) => stream(`${url}/v1/chat/completions`, {}, body)));
  } catch (error) {  // ours are shown all the same
    console.error(`${process.env.LLAMA_SERVER}: ${error.message}`);
  } finally {
    server.kill();
  }
}

const ms = (value) => `${value.toFixed(0)} ms`;
const table = figures.map((each) => [each.name, each.sent, each.computed, each.subs, each.edited, ms(each.cold), ms(each.p50), ms(each.p95)]);
for (const line of table) console.log(line.join('   '));
publish(`An agent's day, ${path.basename(model)}: ${options.turns} turns, two sub-agents, one edit.`,
  ['engine', 'prompt tokens sent', 'computed', 'of sub-agents', 'after the edit', 'first turn', 'TTFT p50', 'p95'], table);
