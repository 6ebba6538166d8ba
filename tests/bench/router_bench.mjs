// The router's own speed: decisions, replay, and what the proxy adds to a request, beside going to the
// same upstream directly; memory with many open streams. Loopback only.
import http from 'node:http';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { hearth, median, publish, root } from './figures.mjs';

process.env.HEARTH_BINARY ??= hearth;
process.env.HEARTH_CLIENTS ??= path.join(root, '.deps/clients');
const { Daemon, RpcClient } = await import('../end_to_end/daemon.mjs');

const rows = [];
const row = (what, value, goal) => {
  rows.push([what, value, goal]);
  console.log(`${what.padEnd(60)} ${String(value).padStart(16)}   ${goal}`);
};
const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))];

const times = JSON.parse(execFileSync(path.join(root, 'build/release/tests/bench/decision_bench'), ['time'], { encoding: 'utf8' }));
row('decide(), 16 targets, p50', `${times.decide_p50_us.toFixed(1)} us`, 'goal 10 us');
row('decide(), 16 targets, p99', `${times.decide_p99_us.toFixed(1)} us`, 'goal 60 us');
row('with memory of a 100k-token conversation, p50', `${times.whole_p50_us.toFixed(1)} us`, '');
row('with memory of a 100k-token conversation, p99', `${times.whole_p99_us.toFixed(1)} us`, '');
row('allocations of a decision', times.allocations.toFixed(1), 'goal 0');
row('replay, 16 targets', `${Math.round(times.replay_per_s)} /s`, 'goal 300000 /s');

// ---- a mock upstream that answers at once, or opens a stream and waits ----

let arrived = null;
const upstream = http.createServer((request, response) => {
  arrived?.(performance.now());
  let size = 0;
  request.on('data', (chunk) => (size += chunk.length));
  request.on('end', () => {
    if (upstream.holds) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}\n\n');
      return;
    }
    const stream = 'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"done"},"finish_reason":"stop"}]}\n\n' +
      'data: {"id":"x","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}\n\ndata: [DONE]\n\n';
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(stream);
  });
});
await new Promise((resolve) => upstream.listen(0, '127.0.0.1', resolve));
const port = upstream.address().port;

const started = await Daemon.start({
  model: null,
  config: `[target.mock]\nkind = "api:vllm"\nmodel = "mock"\nbase_url = "http://127.0.0.1:${port}/v1"\ntrust = "local"\nfree = true\n`,
});
const client = await RpcClient.connect(started.discovery);
const { url, token } = started.discovery;
const agent = new http.Agent({ keepAlive: true, maxSockets: 2000 });

function post(to, body, onResponse) {
  return new Promise((resolve, reject) => {
    const request = http.request(to, { method: 'POST', agent, headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(body) } }, (response) => {
      if (onResponse) { onResponse(response); resolve(response); return; }
      response.resume();
      response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`))));
    });
    request.on('error', reject);
    request.end(body);
  });
}
const through = `${url}/v1/chat/completions`;
const direct = `http://127.0.0.1:${port}/v1/chat/completions`;
const small = JSON.stringify({ model: 'mock', stream: true, messages: [{ role: 'user', content: 'hello' }] });
const large = JSON.stringify({ model: 'mock', stream: true, messages: [{ role: 'user', content: 'w '.repeat(30_000) }] });

async function measure(to, body, count, inFlight) {
  const times = [];
  const one = async (n) => {
    for (let i = 0; i < n; ++i) {
      const begin = performance.now();
      await post(to, body);
      times.push(performance.now() - begin);
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: inFlight }, () => one(count / inFlight)));
  return { times, perSecond: count / ((performance.now() - begin) / 1000) };
}
await measure(through, small, 200, 4);
for (const inFlight of [1, 16]) {
  const plain = await measure(direct, small, 2000, inFlight), proxied = await measure(through, small, 2000, inFlight);
  row(`proxy adds, small body, ${inFlight} in flight, p50`, `${(1000 * (median(proxied.times) - median(plain.times))).toFixed(0)} us`, 'goal 120 us');
  row(`proxy adds, small body, ${inFlight} in flight, p99`, `${(1000 * (quantile(proxied.times, 0.99) - quantile(plain.times, 0.99))).toFixed(0)} us`, 'goal 500 us');
  row(`requests through the proxy, ${inFlight} in flight`, `${proxied.perSecond.toFixed(0)} /s`, 'node client and node upstream on the same cores');
}
const reach = [];
for (let i = 0; i < 300; ++i) {
  const begin = performance.now();
  arrived = (at) => { reach.push(at - begin); arrived = null; };
  await post(through, large);
}
row('60 KB body: request in to upstream reached, p50', `${median(reach).toFixed(2)} ms`, 'client and upstream in one node process');
row('60 KB body: request in to upstream reached, p99', `${quantile(reach, 0.99).toFixed(2)} ms`, 'goal 2 ms');

const rss = () => client.call('ops/health').then((health) => health.residentBytes / (1 << 20));
row('resident memory before open streams', `${(await rss()).toFixed(1)} MiB`, '');
upstream.holds = true;
const open = await Promise.all(Array.from({ length: 1000 }, () => post(through, small, (response) => response.once('data', () => {}))));
row('resident memory with 1,000 open streams', `${(await rss()).toFixed(1)} MiB`, 'goal 64 MB');
for (const response of open) response.destroy();

client.close?.();
started.process.kill('SIGTERM');
await started.exited;
upstream.closeAllConnections();
upstream.close();
agent.destroy();
publish('Router.', ['what', 'measured', 'goal'], rows);
process.exit(0);
