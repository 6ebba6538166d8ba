// The router's own ways through a running daemon: cheap then verify, effort before model, what is learned of answers,
// trials by chance.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Daemon } from './daemon.mjs';
import { Upstream } from './upstream.mjs';

let upstream, daemon, script;

const target = (name, price) => `
[target.${name}]
kind = "api:openai"
model = "${name}-model"
base_url = "${upstream.url}"
quality = 0.8
context = 200000
price = { input = ${price}, cached = ${price}, output = ${2 * price} }
`;

before(async () => {
  upstream = await Upstream.start((asked) => script(asked));
  daemon = await Daemon.start({ model: null, config: `
[value]
success_usd = 0.01
[explore]
classes = ["chat"]
usd_per_day = 10.0
share = 1.0
[class.plan]
cascade = ["cheap", "dear"]
verify = ["parse", "grep -q RIGHT"]
${target('cheap', 1)}${target('dear', 2)}` });
});
after(async () => {
  assert.equal((await daemon.stop()).code, 0);
  await upstream.stop();
});

const ask = (content, more = {}) =>
  daemon.post('/v1/chat/completions', { model: 'auto', max_tokens: 400, messages: [{ role: 'user', content }], ...more });

// The rows of a request's attempts; they are on the disk a moment after the answer.
async function attempts(n) {
  for (let i = 0; i < 2000; ++i) {
    const rows = daemon.run('ledger', 'export').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
    if (rows.filter((row) => row.state === 'settled').length >= n) return rows;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`not ${n} settled rows`);
}

test('who breaks calls is left, with chances that are written down', async () => {
  // What stands behind the brace of a call's arguments never comes.
  script = ({ model }) => ({ calls: [{ name: 'look', args: { at: 'x' }, ...(model === 'cheap-model' && { raw: '{"at": ' }) }] });
  const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: { at: { type: 'string' } } } } }];
  const chosen = [], decisions = [];
  for (let i = 0; i < 80; ++i) {
    const answer = await ask(`Look at number ${i}`, { tools });
    assert.equal(answer.status, 200);
    await answer.json();
    chosen.push(answer.headers.get('x-hearth-target'));
    decisions.push(answer.headers.get('x-hearth-decision-id'));
  }
  assert.equal(chosen[0], 'cheap', 'of two equals the cheaper');
  const dear = chosen.slice(40).filter((name) => name === 'dear').length;
  assert.ok(dear >= 30, chosen.join(' '));
  const chances = decisions.slice(0, 40).map((id) =>
    JSON.parse(daemon.run('route', 'explain', id, '--json')).kept.map((candidate) => candidate.propensity));
  for (const each of chances) assert.ok(Math.abs(each[0] + each[1] - 1) < 1e-9, each.join(' '));
  assert.ok(chances.some(([one]) => one > 0.01 && one < 0.99), 'there was something to learn');
});

test('a cheap answer that passes is the answer', async () => {
  script = ({ model }) => ({ text: `RIGHT, says ${model}` });
  const before = upstream.requests.length;
  const answer = await ask('Make a plan');
  assert.equal((await answer.json()).choices[0].message.content, 'RIGHT, says cheap-model');
  assert.deepEqual(upstream.requests.slice(before).map((request) => request.model), ['cheap-model']);
});

test('one that does not is not shown, and the dear one is asked', async () => {
  script = ({ model }) => ({ text: model === 'cheap-model' ? 'WRONG' : 'RIGHT after all' });
  const before = upstream.requests.length, settled = (await attempts(0)).length;
  const stream = await (await ask('Make a plan', { stream: true })).text();
  assert.deepEqual(upstream.requests.slice(before).map((request) => request.model), ['cheap-model', 'dear-model']);
  assert.doesNotMatch(stream, /WRONG/);
  const text = [...stream.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data).choices?.[0]?.delta?.content ?? '').join('');
  assert.equal(text, 'RIGHT after all');
  const rows = (await attempts(settled + 2)).slice(-2);
  assert.deepEqual(rows.map((row) => row.target), ['cheap', 'dear']);
  for (const row of rows) assert.ok(Number(row.costUsd) > 0, 'both are paid for');
});

test('a cheap one that fails is followed too, and the last answer stands whatever it says', async () => {
  script = ({ model }) => (model === 'cheap-model' ? { status: 400, error: { message: 'no', code: 'model_not_found' } } : { text: 'WRONG at last' });
  const answer = await ask('Make a plan');
  assert.equal((await answer.json()).choices[0].message.content, 'WRONG at last');
  const explained = (...more) => daemon.run('route', 'explain', answer.headers.get('x-hearth-decision-id'), ...more);
  let tried = [];
  for (let i = 0; i < 2000 && !tried.some((each) => each.answer); ++i) tried = JSON.parse(explained('--json')).tried;
  assert.deepEqual(tried.map((each) => [each.target, each.word ?? '', each.answer ?? false]),
    [['cheap', 'model_not_found', false], ['dear', '', true]]);
  assert.equal(tried[1].outcome, 'answered');
  assert.equal(Number(tried[0].costUsd), 0, 'a refusal costs nothing');
  assert.ok(Number(tried[1].costUsd) > 0);
  assert.match(explained(), /TRIED[^]*cheap [^]*model_not_found[^]*dear [^]*answered, the answer/);
});

test("what a client tells Anthropic goes to nobody at another address", async () => {
  const own = await Daemon.start({ model: null, config: upstream.config() });
  try {
    script = () => ({ text: 'Hi' });
    const ask = async (model) => {
      const before = upstream.requests.length;
      const answer = await own.post('/v1/messages',
        { model, max_tokens: 50, metadata: { user_id: 'u-1' }, messages: [{ role: 'user', content: 'Hi' }] },
        { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'context-1m-2025-08-07' });
      assert.equal(answer.status, 200, await answer.text());
      return upstream.requests.slice(before)[0];
    };
    for (const model of ['claudia', 'chatty']) {
      const elsewhere = await ask(model);
      assert.ok(!JSON.stringify(elsewhere.body).includes('u-1'));
      assert.equal(elsewhere.headers['anthropic-beta'], undefined);
    }
  } finally {
    assert.equal((await own.stop()).code, 0);
  }
});

test('who fails with few thoughts is asked for more before another model is', async () => {
  const own = await Daemon.start({ model: null, config: `
[value]
success_usd = 0.01
${target('own', 1).replace('quality', 'efforts = ["low", "high"]\nquality')}${target('dear', 20)}` });
  try {
    // Its calls are broken until it thinks.
    script = ({ body }) => ({
      calls: [{ name: 'look', args: { at: 'x' }, ...(body.reasoning_effort !== 'high' && { raw: '{"at": ' }) }],
      usage: { completion_tokens: body.reasoning_effort === 'high' ? 1400 : 600 } });
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: { at: { type: 'string' } } } } }];
    const before = upstream.requests.length, decisions = [];
    const ask = async (i, more) => {
      const answer = await own.post('/v1/chat/completions',
        { model: 'auto', max_tokens: 4000, messages: [{ role: 'user', content: `Look at number ${i}` }], tools, ...more });
      assert.equal(answer.status, 200);
      await answer.json();
      decisions.push(answer.headers.get('x-hearth-decision-id'));
    };
    for (let i = 0; i < 40; ++i) await ask(i);
    await ask(40, { reasoning_effort: 'minimal' });
    const asked = upstream.requests.slice(before);
    assert.deepEqual(new Set(asked.map((request) => request.model)), new Set(['own-model']));
    const efforts = asked.map((request) => request.body.reasoning_effort);
    assert.equal(efforts[0], 'low', 'an easy start');
    const raised = efforts.indexOf('high');
    assert.ok(raised > 0 && raised < 30, efforts.join(' '));
    assert.deepEqual(new Set(efforts.slice(raised, 40)), new Set(['high']), 'what works is kept');
    assert.equal(efforts[40], 'minimal', 'the client says it');
    const explained = (id) => JSON.parse(own.run('route', 'explain', id, '--json'));
    const last = explained(decisions[39]);
    assert.equal(last.effort, 'high');
    assert.deepEqual(new Set(last.kept.map((each) => `${each.target} ${each.effort}`)), new Set(['own low', 'own high', 'dear undefined']));
    assert.deepEqual(last.fallbacks, ['dear']);
    assert.deepEqual(explained(decisions[40]).kept.map((each) => each.effort), ['minimal', 'minimal']);
    assert.match(own.run('route', 'explain', '--dry-run', 'Hello'), /^own at low\n/);
    assert.match(own.run('policy', 'show'), /effort low or high/);
    // Whoever breaks the file is told where, and what holds meanwhile.
    const file = path.join(own.env.XDG_CONFIG_HOME, 'hearth', 'hearth.toml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"high"]', '"hihg"]'));
    const shown = own.command(['policy', 'show']);
    assert.equal(shown.code, 1);
    assert.match(shown.out, /hearth\.toml:\d+: target\.own\.efforts: expected none[^]*not in force[^]*own [^]*effort low or high/);
    const asJson = JSON.parse(own.command(['policy', 'show', '--json']).out);
    assert.match(asJson.fault, /hearth\.toml:\d+/);
    assert.deepEqual(asJson.targets[0].efforts, ['low', 'high']);
  } finally {
    assert.equal((await own.stop()).code, 0);
  }
});

test('what does not pass at a low effort is asked for at the one that is best there', async () => {
  script = ({ body }) => ({ text: body.reasoning_effort === 'high' ? 'RIGHT' : 'WRONG' });
  const thinker = await Daemon.start({ model: null, config: `
[value]
success_usd = 1.0
[class.plan]
cascade = ["thinker@low", "thinker"]
verify = ["grep -q RIGHT"]
${target('thinker', 1).replace('quality = 0.8', 'quality = 0.5\nefforts = ["low", { effort = "high", quality = 0.9 }]')}` });
  try {
    const before = upstream.requests.length;
    const answer = await thinker.post('/v1/chat/completions', { model: 'auto', max_tokens: 400, messages: [{ role: 'user', content: 'Make a plan' }] });
    assert.equal((await answer.json()).choices[0].message.content, 'RIGHT');
    assert.deepEqual(upstream.requests.slice(before).map((request) => request.body.reasoning_effort), ['low', 'high']);
  } finally {
    await thinker.stop();
  }
});
