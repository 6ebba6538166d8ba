// [cache] keepalive: a prompt is read once more before its provider's cache of it dies, and paid for like any request.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon } from './daemon.mjs';
import { Upstream } from './upstream.mjs';

let upstream, daemon;
const asked = [];  // resolved with each request, in their order
const heard = (i) => (asked[i] ??= Promise.withResolvers?.() ?? withResolvers());

function withResolvers() {
  let resolve;
  return { promise: new Promise((take) => { resolve = take; }), resolve };
}

let n = 0;
before(async () => {
  upstream = await Upstream.start((request) => {
    heard(n++).resolve(request);
    return { text: request.body.max_tokens === 1 ? 'y' : 'Hello', usage: { prompt_tokens: 20000, completion_tokens: 1, total_tokens: 20001, prompt_tokens_details: { cached_tokens: 19000 } } };
  });
  daemon = await Daemon.start({ model: null, config: `
[cache]
keepalive = "if_cheaper"
[target.keeper]
kind = "api:openai"
model = "keeper-model"
base_url = "${upstream.url}"
context = 200000
cache_life_s = 2
price = { input = 1.0, cached = 0.1, output = 2.0 }
` });
});
after(async () => {
  assert.equal((await daemon.stop()).code, 0);
  await upstream.stop();
});

const long = 'once upon a time '.repeat(2000);
const ask = (messages, session) =>
  daemon.post('/v1/chat/completions', { model: 'auto', max_tokens: 50, messages }, { 'x-hearth-session': session });

test('a conversation that pauses is read once more, and is billed for it', async () => {
  const first = await ask([{ role: 'user', content: long }], 'story');
  assert.equal(first.status, 200);
  const answer = (await first.json()).choices[0].message;
  const kept = await heard(1).promise;
  assert.equal(kept.body.max_tokens ?? kept.body.max_completion_tokens, 1);
  assert.deepEqual(kept.body.messages, upstream.requests[0].body.messages, 'the very same prompt');
  const rows = () => daemon.run('ledger', 'export').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  let all = [];
  while (all.filter((row) => row.state === 'settled').length < 2) {
    await new Promise((resolve) => setImmediate(resolve));
    all = rows();
  }
  assert.ok(Number(all[1].costUsd) > 0);
  assert.match(all[1].decision, /^keep/);
  // It goes on as if nothing had been.
  const next = await ask([{ role: 'user', content: long }, answer, { role: 'user', content: 'And then?' }], 'story');
  assert.equal((await next.json()).choices[0].message.content, 'Hello');
});

test('a short prompt is not kept: nobody caches it', async () => {
  await (await ask([{ role: 'user', content: 'Hi' }], 'short')).json();
  const n_before = n;
  await (await ask([{ role: 'user', content: long + 'two' }], 'other')).json();
  const kept = await heard(n_before + 1).promise;  // of the long ones, whichever is due first
  assert.ok(JSON.stringify(kept.body.messages).length > 10_000);
});
