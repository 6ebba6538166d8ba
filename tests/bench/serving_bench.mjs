// ./dev bench serving [MODEL.gguf]
//
// Many clients on one engine, over HTTP: what a long prompt does to the tokens of another client, what four
// equal streams reach together, how soon a client that leaves stops costing, and how true the engine's
// forecasts of the time to the first token are, beside the spread of repeats of the same request.
import path from 'node:path';
import { hearth, median, publish, quantile, root } from './figures.mjs';

process.env.HEARTH_BINARY ??= hearth;
process.env.HEARTH_CLIENTS ??= path.join(root, 'tests/clients');
const { Daemon } = await import('../end_to_end/daemon.mjs');

const rows = [];
const row = (what, value, goal) => {
  rows.push([what, value, goal]);
  console.log(`${what.padEnd(62)} ${String(value).padStart(18)}   ${goal}`);
};

const model = process.argv[2] ?? process.env.HEARTH_TEST_MODEL;
const daemon = await Daemon.start({ model });
let nonce = 0;
// Text that no earlier request began with: about 3.9 tokens a word.
const words = (n) => `Note ${++nonce}. ` + Array.from({ length: n }, (_, i) => `word${(i * 7919 + nonce * 104729) % 997}`).join(' ');

// Streams a completion; {first: ms until the first token, gaps: ms between tokens, n, ms}.
async function stream(prompt, maxTokens, { signal, onToken } = {}) {
  const begin = performance.now();
  const times = [];
  const body = { model: 'local', prompt, max_tokens: maxTokens, temperature: 0, ignore_eos: true, stream: true };
  const response = await daemon.fetch('/v1/completions', { method: 'POST', body: JSON.stringify(body), signal });
  if (!response.ok) throw new Error(await response.text());
  let rest = '';
  for await (const chunk of response.body) {
    const now = performance.now();
    rest += Buffer.from(chunk).toString();
    for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
      const line = rest.slice(0, end);
      if (!line.startsWith('data: {')) continue;
      const text = JSON.parse(line.slice(6)).choices?.[0]?.text;
      if (!text) continue;
      times.push(now);
      onToken?.(times.length);
    }
  }
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  return { first: times[0] - begin, gaps, n: times.length, ms: performance.now() - begin };
}

async function metric(name) {
  const text = await (await daemon.fetch('/metrics')).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1));
}

await stream(words(300), 32);  // load, and a first measurement
await stream(words(300), 32);

// --- another client's gaps while a long prompt is read ---
const ratios = [];
let last;
for (let round = 0; round < 3; ++round) {
  const quiet = (await stream(words(20), 120)).gaps;
  const other = new AbortController();
  const disturbed = [];
  let reading = false, done = false, previous = 0;
  const answering = stream(words(20), 4000, { signal: other.signal, onToken: () => {
    const now = performance.now();
    if (reading && previous > 0) disturbed.push(now - previous);
    previous = now;
    if (done) other.abort();
  } }).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 300));
  reading = true;
  await stream(words(1050), 1);
  reading = false;
  done = true;
  await answering;
  last = { quiet: quantile(quiet, 0.95), beside: quantile(disturbed, 0.95), n: disturbed.length };
  ratios.push(last.beside / last.quiet);
}
row('p95 gap between tokens, quiet', `${last.quiet.toFixed(1)} ms`, '');
row('the same while another client reads a 4k prompt', `${last.beside.toFixed(1)} ms`, `${last.n} gaps`);
row('ratio, median of 3 rounds', median(ratios).toFixed(2), 'goal <= 8');

// --- four equal streams ---
const gains = [];
for (let round = 0; round < 3; ++round) {
  const one = await stream(words(20), 100);
  const begin = performance.now();
  const four = await Promise.all(Array.from({ length: 4 }, () => stream(words(20), 100)));
  const together = four.reduce((sum, each) => sum + each.n, 0) / (performance.now() - begin);
  gains.push(together / (one.n / one.ms));
}
row('four equal streams together, in one stream', median(gains).toFixed(2), 'goal >= 1.8');

// --- a client that leaves ---
const late = [];
for (let round = 0; round < 10; ++round) {
  const before = await metric('hearth_engine_decode_tokens_total');
  const leaving = new AbortController();
  let seen = 0;
  await stream(words(20), 2000, { signal: leaving.signal, onToken: (n) => { seen = n; if (n >= 10 + round) leaving.abort(); } }).catch(() => {});
  for (let running = 1; running > 0;) running = await metric('hearth_engine_running');
  late.push((await metric('hearth_engine_decode_tokens_total')) - before - seen);
}
row('tokens computed after the client has left, median', median(late), 'goal <= 1, and those under way');
row('most of 10', Math.max(...late), '');

// --- forecasts ---
const errors = [], spreads = [];
for (let kind = 0; kind < 24; ++kind) {
  const size = 10 + 37 * ((kind * 5) % 24);
  const measured = [];
  for (let repeat = 0; repeat < 3; ++repeat) {
    await stream(words(size), 8);
    const forecast = await metric('hearth_engine_forecast_milliseconds');
    const actual = await metric('hearth_engine_first_token_milliseconds');
    measured.push(actual);
    if (kind >= 4 && forecast > 0) errors.push(Math.abs(forecast - actual) / actual);
  }
  if (kind >= 4) for (const each of measured) spreads.push(Math.abs(each - median(measured)) / median(measured));
}
const percent = (value) => `${(100 * value).toFixed(1)} %`;
row('forecast of the time to the first token: median error', percent(median(errors)), `goal 5 %; repeats differ by ${percent(quantile(spreads, 0.5))}`);
row('the same, p90', percent(quantile(errors, 0.9)), `goal 15 %; repeats differ by ${percent(quantile(spreads, 0.9))}`);

await daemon.stop();
publish(`Serving, ${path.basename(model)}.`, ['what', 'measured', 'goal'], rows);
