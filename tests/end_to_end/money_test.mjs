// Money end to end: a scripted upstream that keeps its own bill, and the daemon's ledger beside it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, command } from './daemon.mjs';

// USD per million tokens, and what that is in pico-dollars for one.
const price = { input: 3, cached: 0.3, output: 15 };
const rate = { fresh: 3_000_000n, cached: 300_000n, output: 15_000_000n };
const usdOf = (pico) => {
  const text = String(pico).padStart(13, '0');
  return `${text.slice(0, -12)}.${text.slice(-12)}`.replace(/\.?0+$/, '');
};
const picoOf = (usd) => {
  const [whole, part = ''] = usd.split('.');
  return BigInt(whole) * 10n ** 12n + BigInt(part.padEnd(12, '0'));
};

// Answers every chat request with a stream and counts what it takes for it. `hold` keeps streams open after
// their first word.
class Upstream {
  static async start() {
    const upstream = new Upstream();
    Object.assign(upstream, { bill: 0n, n: 0, hold: false, held: [], waiters: [] });
    upstream.server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => { body += chunk; });
      request.on('end', () => upstream.answer(JSON.parse(body), response));
    });
    await new Promise((resolve) => upstream.server.listen(0, '127.0.0.1', resolve));
    upstream.url = `http://127.0.0.1:${upstream.server.address().port}`;
    return upstream;
  }

  answer(asked, response) {
    const n = ++this.n;
    const usage = { prompt: 20 + n, cached: n % 7, output: Math.min(30 + n, asked.max_tokens ?? Infinity) };
    const say = (data) => response.write(`data: ${JSON.stringify(data)}\n\n`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    say({ choices: [{ index: 0, delta: { role: 'assistant', content: 'word ' }, finish_reason: null }] });
    if (this.hold) {
      this.held.push(response);
      this.waiters.splice(0).forEach((resolve) => resolve());
      return;
    }
    say({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    say({ choices: [], usage: { prompt_tokens: usage.prompt, completion_tokens: usage.output,
      prompt_tokens_details: { cached_tokens: usage.cached } } });
    response.end('data: [DONE]\n\n');
    this.bill += BigInt(usage.prompt - usage.cached) * rate.fresh + BigInt(usage.cached) * rate.cached +
      BigInt(usage.output) * rate.output;
  }

  untilHeld() {
    return this.held.length ? Promise.resolve() : new Promise((resolve) => this.waiters.push(resolve));
  }
}

let upstream, daemon;
const budget = 0.05;

before(async () => {
  upstream = await Upstream.start();
  daemon = await Daemon.start({ config: `
[target.up]
kind = "api:acme"
model = "acme-1"
base_url = "${upstream.url}"
price = { input = ${price.input}, cached = ${price.cached}, output = ${price.output} }
[budget.day]
usd = ${budget}
` });
});

after(async () => {
  await daemon?.stop();
  upstream?.server.closeAllConnections();
  upstream?.server.close();
});

const ask = (more = {}) => daemon.post('/v1/chat/completions',
  { model: 'up', max_tokens: 400, messages: [{ role: 'user', content: 'How much?' }], ...more });
const ledger = (...args) => JSON.parse(daemon.run('ledger', ...args, '--json'));

// The rows of what has ended are on the disk a moment after the answer.
async function settled(n) {
  for (let i = 0; i < 2000; ++i) {
    const rows = daemon.run('ledger', 'export').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
    if (rows.filter((row) => row.state === 'settled').length >= n) return rows;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`not ${n} settled rows`);
}

test('what an answer cost is in the ledger, to the pico-dollar', async () => {
  for (let i = 0; i < 5; ++i) {
    const before = upstream.bill;
    const answer = await ask();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('x-hearth-cost-usd'), usdOf(upstream.bill - before));
  }
  const rows = await settled(5);
  assert.equal(rows.reduce((sum, row) => sum + picoOf(row.costUsd), 0n), upstream.bill);
  const { total, sums } = ledger();
  assert.equal(total.costUsd, usdOf(upstream.bill));
  assert.equal(sums[0].target, 'up');
  assert.equal(sums[0].attempts, 5);
  for (const by of ['model', 'day', 'class', 'session', 'token', 'project', 'provider'])
    assert.equal(ledger('--by', by).total.costUsd, usdOf(upstream.bill), by);
  assert.equal(ledger('--since', '2000-01-01', '--until', '2001-01-01').total.attempts, 0);
  const csv = daemon.run('ledger', 'export', '--csv').trim().split('\n');
  assert.equal(csv.length, 6);
  assert.match(csv[0], /^id,time,decision,/);
  assert.match(daemon.run('ledger'), /in all/);
});

test('status and metrics show it', async () => {
  const { money } = JSON.parse(daemon.run('status', '--json'));
  assert.equal(money.todayUsd, usdOf(upstream.bill));
  assert.deepEqual(money.budgets.map((each) => [each.scope, each.limitUsd, each.spentUsd]),
    [['day', String(budget), usdOf(upstream.bill)]]);
  assert.match(daemon.run('status'), /budget day: .* of \$0\.050/);
  const page = await (await daemon.fetch('/metrics')).text();
  assert.ok(page.includes(`hearth_spend_usd_total{target="up"} ${usdOf(upstream.bill)}\n`), page);
  assert.ok(page.includes(`hearth_budget_spent_usd{budget="day"} ${usdOf(upstream.bill)}\n`));
});

test('64 at once never pass a nearly spent budget', async () => {
  const answers = await Promise.all(Array.from({ length: 64 }, () => ask({ max_tokens: 2000 })));
  const statuses = answers.map((answer) => answer.status);
  assert.ok(statuses.includes(200));
  const refused = await Promise.all(answers.filter((answer) => answer.status !== 200).map((answer) => answer.json()));
  assert.ok(refused.length > 0, 'some are refused');
  for (const body of refused) assert.match(body.error.message, /budget day is \$0\.050/);
  assert.ok(upstream.bill <= picoOf(String(budget)), `${usdOf(upstream.bill)} of ${budget}`);
  await settled(5 + statuses.filter((status) => status === 200).length);
  assert.equal(ledger().total.costUsd, usdOf(upstream.bill));
  assert.equal(JSON.parse(daemon.run('status', '--json')).money.heldUsd, '0');
});

test('a killed daemon leaves an attempt of unknown cost, which counts until it is settled', async () => {
  const spent = upstream.bill;
  upstream.hold = true;
  const lost = ask({ max_tokens: 10, stream: true }).then((answer) => answer.text()).catch(() => 'lost');
  await upstream.untilHeld();
  await daemon.kill();
  await lost;
  upstream.hold = false;
  await daemon.serve();
  const [unknown] = ledger('unknown');
  assert.equal(unknown.state, 'unknown');
  assert.ok(picoOf(unknown.costUsd) > 0n);
  assert.equal(JSON.parse(daemon.run('status', '--json')).money.todayUsd, usdOf(spent + picoOf(unknown.costUsd)));
  assert.match(daemon.run('ledger', 'unknown'), /counts as/);
  daemon.run('ledger', 'settle', String(unknown.id), '0.0001');
  assert.equal(JSON.parse(daemon.run('status', '--json')).money.todayUsd, usdOf(spent + 10n ** 8n));
  const again = daemon.command(['ledger', 'settle', String(unknown.id), '0']);
  assert.equal(again.code, 1);
  assert.match(again.err, /no attempt/);
});

test('prices are listed, found and compared', () => {
  const all = JSON.parse(daemon.run('prices', '--json'));
  assert.ok(all.length > 200);
  const [sonnet] = JSON.parse(daemon.run('prices', 'anthropic', 'sonnet-5', '--json'));
  assert.equal(sonnet.input, 2);
  assert.equal(sonnet.source, 'models.dev');
  assert.match(daemon.run('prices', 'gpt-5.5'), /over 272000 tokens/);
  const nothing = command(['prices', 'no-such-model'], { env: daemon.env });
  assert.equal(nothing.code, 1);
  const file = path.join(daemon.folder, 'other.toml');
  writeFileSync(file, '[[model]]\nprovider = "anthropic"\nid = "claude-sonnet-5"\ninput = 3\noutput = 10\nsource = "x"\ndate = "2026-12-01"\n');
  const diff = command(['prices', 'diff', file, '--json'], { env: daemon.env });
  assert.equal(diff.code, 1);
  const changes = JSON.parse(diff.out);
  const input = changes.find((change) => change.model === 'claude-sonnet-5' && change.what === 'input');
  assert.equal(input.share, 0.5);
  assert.equal(input.refused, true);
  assert.ok(changes.some((change) => change.after === 'gone'));
});
