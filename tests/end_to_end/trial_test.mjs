// `hearth route trial`: logged requests of a class are run again on a candidate, judged by a command or by a blinded
// judge, within a budget, and go on where they stood.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Daemon, hearth } from './daemon.mjs';
import { Upstream } from './upstream.mjs';

let upstream, daemon, last, judged = 0;

const target = (name, quality, price) => `
[target.${name}]
kind = "api:openai"
model = "${name}-model"
base_url = "${upstream.url}"
quality = ${quality}
context = 200000
price = { input = ${price}, cached = ${price}, output = ${2 * price} }
`;

before(async () => {
  upstream = await Upstream.start(({ model, users }) => {
    if (model !== 'judge-model') return { text: `${model === 'open-model' ? 'GOOD' : 'FAIR'} answer to: ${users.at(-1)}` };
    ++judged;
    // The better answer is the one that says so, wherever it stands.
    const prompt = users.at(-1);
    return { text: prompt.indexOf('GOOD') < prompt.indexOf('FAIR') ? '1' : '2' };
  });
  daemon = await Daemon.start({ model: null, config: `
[value]
success_usd = 1.0
[ledger]
bodies = "full"
[[label]]
name = "secret"
trust = "local"
${target('dear', 0.9, 10)}${target('open', 0.5, 1)}${target('judge', 0.1, 1)}` });
  for (let i = 0; i < 8; ++i) {
    const response = await daemon.post('/v1/chat/completions', { model: 'auto', max_tokens: 30, messages: [{ role: 'user', content: `Question ${i}` }] });
    assert.equal(response.headers.get('x-hearth-target'), 'dear');
    await response.json();
    last = response.headers.get('x-hearth-decision-id');
  }
  while (daemon.command(['route', 'explain', last]).code !== 0);  // on the disk a moment after the answer
  const denied = await daemon.post('/v1/chat/completions', { model: 'auto', messages: [{ role: 'user', content: 'hidden' }] }, { 'x-hearth-labels': 'secret' });
  assert.ok(denied.status >= 400);
});
after(async () => {
  assert.equal((await daemon.stop()).code, 0);
  await upstream.stop();
});

// Beside the upstream, which is in this process.
const run = (args) => new Promise((resolve) =>
  execFile(hearth, args, { env: daemon.env }, (error, out, err) => resolve({ code: error ? error.code : 0, out, err })));
const trial = (...args) => run(['route', 'trial', '--class', 'chat', '--candidate', 'open', ...args]);
async function report(...args) {
  const { code, out, err } = await trial(...args, '--json');
  assert.equal(code, 0, err);
  return JSON.parse(out);
}
// What was asked since, by model.
function askedSince(n) {
  const count = {};
  for (const { model } of upstream.requests.slice(n)) count[model] = (count[model] ?? 0) + 1;
  return count;
}

test('a command says which answers are right', async () => {
  const before = upstream.requests.length;
  const got = await report('--verify', 'grep -q GOOD', '--sample', '3');
  assert.deepEqual([got.pairs, got.wins, got.ties, got.losses], [3, 3, 0, 0]);
  assert.deepEqual(askedSince(before), { 'dear-model': 3, 'open-model': 3 });
  assert.ok(got.spentUsd > 0);
  assert.ok(got.savingPerMonthUsd.mean > 0, 'the candidate costs a tenth');
});

test('it goes on where it stood, and its own requests are no traffic', async () => {
  const before = upstream.requests.length;
  const got = await report('--verify', 'grep -q GOOD', '--sample', '20');
  assert.equal(got.pairs, 8, 'as many as the client sent');
  assert.deepEqual(askedSince(before), { 'dear-model': 5, 'open-model': 5 });
  assert.equal((await report('--verify', 'grep -q GOOD', '--sample', '20')).pairs, 8);
  assert.match((await trial('--verify', 'grep -q GOOD', '--sample', '20')).out, /of 8 requests in 30 days/);
});

test('a judge sees both orders and not whose answers they are', async () => {
  const before = upstream.requests.length;
  const got = await report('--judge', 'judge', '--sample', '4');
  assert.deepEqual([got.pairs, got.wins, got.losses], [4, 4, 0]);
  assert.equal(judged, 8);
  for (const { model, body } of upstream.requests.slice(before))
    if (model === 'judge-model') assert.doesNotMatch(JSON.stringify(body.messages), /dear|open/);
});

test('it stops before the pair that its budget does not hold', async () => {
  const before = upstream.requests.length;
  const { code, err } = await trial('--verify', 'grep -q FAIR', '--budget', '0.000001');
  assert.notEqual(code, 0);
  assert.match(err, /of the budget/);
  assert.deepEqual(askedSince(before), {});
});

test('what it cannot do it says', async () => {
  assert.match((await trial('--verify', 'true', '--judge', 'judge')).err, /either/);
  assert.match((await trial('--judge', 'open')).err, /nobody judges their own answers/);
  assert.match((await run(['route', 'trial', '--class', 'edit', '--candidate', 'open', '--verify', 'true'])).err, /no request of class edit/);
});
