// The router's own speed: decisions, replay, and what the proxy adds to a request, beside going to the
// same upstream directly (proxy_bench); memory with many open streams. Loopback only.
import http from 'node:http';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { hearth, publish, root } from './figures.mjs';

process.env.HEARTH_BINARY ??= hearth;
process.env.HEARTH_CLIENTS ??= path.join(root, '.deps/clients');
const { Daemon } = await import('../end_to_end/daemon.mjs');

const benches = path.join(root, 'build/release/tests/bench');
const rows = [];
const row = (what, value, goal) => {
  rows.push([what, value, goal]);
  console.log(`${what.padEnd(60)} ${String(value).padStart(16)}   ${goal}`);
};

const times = JSON.parse(execFileSync(path.join(benches, 'decision_bench'), ['time'], { encoding: 'utf8' }));
row('decide(), 16 targets, p50', `${times.decide_p50_us.toFixed(1)} us`, 'goal 10 us');
row('decide(), 16 targets, p99', `${times.decide_p99_us.toFixed(1)} us`, 'goal 60 us');
row('with memory of a 100k-token conversation, p50', `${times.whole_p50_us.toFixed(1)} us`, 'goal 10 us');
row('with memory of a 100k-token conversation, p99', `${times.whole_p99_us.toFixed(1)} us`, '');
row('allocations of a decision', times.allocations.toFixed(1), 'goal 0');
row('replay, 16 targets', `${Math.round(times.replay_per_s)} /s`, 'goal 300000 /s');

// A daemon before two upstreams, one that answers at once and one that opens a stream and waits.
const bench = spawn(path.join(benches, 'proxy_bench'), { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = readline.createInterface({ input: bench.stdout })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value;
const waiting = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}\n\n');
  });
});
await new Promise((resolve) => waiting.listen(0, '127.0.0.1', resolve));
const target = (name, port) => `[target.${name}]\nkind = "api:vllm"\nmodel = "${name}"\nbase_url = "http://127.0.0.1:${port}/v1"\ntrust = "local"\nfree = true\n`;
const daemon = await Daemon.start({ model: null, config: target('mock', await line()) + target('waiting', waiting.address().port) });
const { url, token } = daemon.discovery;

bench.stdin.end(`${new URL(url).port} ${token}\n`);
const proxy = JSON.parse(await line());
for (const [how, name] of [['one at a time', 'one'], [`${proxy.rate_per_s} a second`, 'rate']])
  for (const [q, goal] of [['p50', 120], ['p99', 500]])
    row(`proxy adds, small body, ${how}, ${q}`, `${proxy[`${name}_${q}_us`]} us`, `goal ${goal} us (directly ${proxy[`${name}_direct_${q}_us`]} us)`);
row('requests through the proxy, 16 in flight', `${proxy.most_per_s} /s`, 'clients and upstream on the same cores');
for (const [q, goal] of [['p50', ''], ['p99', 'goal 2 ms ']])
  row(`60 KB body: request in to upstream reached, ${q}`, `${(proxy[`reach_${q}_us`] / 1000).toFixed(2)} ms`, `${goal}(directly ${(proxy[`reach_direct_${q}_us`] / 1000).toFixed(2)} ms)`);

const body = JSON.stringify({ model: 'waiting', stream: true, messages: [{ role: 'user', content: 'hello' }] });
const open = () =>
  new Promise((resolve, reject) => {
    const request = http.request(`${url}/v1/chat/completions`, { method: 'POST', agent: false, headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(body) } });
    request.on('response', (response) => response.once('data', () => resolve(response)));
    request.on('error', reject);
    request.end(body);
  });
const resident = () => `${(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.process.pid}/status`, 'utf8'))[1] / 1024).toFixed(1)} MiB`;
row('resident memory before open streams', resident(), '');
const streams = await Promise.all(Array.from({ length: 1000 }, open));
row('resident memory with 1,000 open streams', resident(), 'goal 64 MB');
for (const stream of streams) stream.destroy();

daemon.process.kill('SIGTERM');
await daemon.exited;
waiting.closeAllConnections();
waiting.close();
publish('Router.', ['what', 'measured', 'goal'], rows);
process.exit(0);
