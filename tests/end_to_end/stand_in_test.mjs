// Who answered, where it is not who was decided for: the headers, the answer's model, the events of /hearth and explain
// name the one whose words the client got.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon, RpcClient } from './daemon.mjs';
import { Upstream } from './upstream.mjs';

let upstream, daemon, client, script, n = 0;

const target = (name, quality, money) => `
[target.${name}]
kind = "api:openai"
model = "${name}-model"
base_url = "${upstream.url}"
quality = ${quality}
context = 200000
${money}
`;

before(async () => {
  upstream = await Upstream.start((asked) => script(asked));
  daemon = await Daemon.start({ model: null, config: `
[value]
success_usd = 1.0
[class.chat]
hedge = { after = "300ms", to = ["spare"] }
[class.plan]
cascade = ["spare", "usual"]
verify = ["grep -q RIGHT"]
${target('usual', 0.9, 'price = { input = 1, cached = 1, output = 2 }')}${target('spare', 0.5, 'free = true')}` });
  client = await RpcClient.connect(daemon.discovery);
});
after(async () => {
  await client.drop();
  assert.equal((await daemon.stop()).code, 0);
  await upstream.stop();
});

const post = (content, more = {}) =>
  daemon.post('/v1/chat/completions', { model: 'auto', max_tokens: 400, messages: [{ role: 'user', content }], ...more });

// A decision's explanation, once its end is on the disk.
async function explained(id) {
  for (let i = 0; i < 2000; ++i) {
    const { code, out } = daemon.command(['route', 'explain', id, '--json']);
    const explanation = code === 0 ? JSON.parse(out) : {};
    if (explanation.standIn) return explanation;
  }
  throw new Error(`${id}: nobody is said to have stood in`);
}

async function whole(content) {
  const response = await post(content);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return { headers: response.headers, model: body.model, text: body.choices[0].message.content };
}

async function streamed(content) {
  const response = await post(content, { stream: true });
  const chunks = [...(await response.text()).matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data));
  return { headers: response.headers, model: chunks[0].model, text: chunks.map((chunk) => chunk.choices?.[0]?.delta?.content ?? '').join('') };
}

// Checks all that names the one who answered; gives nothing.
async function answersInPlace(content, { by, of, reason, prepare = async () => {} }) {
  for (const way of [whole, streamed]) {
    await prepare();
    const answer = await way(content);
    assert.equal(answer.headers.get('x-hearth-target'), by, way.name);
    assert.equal(answer.headers.get('x-hearth-reason'), reason);
    assert.equal(answer.model, `${by}-model`);
    assert.equal(answer.text, `RIGHT, says ${by}-model`);
    const explanation = await explained(answer.headers.get('x-hearth-decision-id'));
    assert.equal(explanation.target, of);
    assert.equal(explanation.standIn.target, by);
    assert.equal(explanation.standIn.reason, reason);
    assert.ok(daemon.run('route', 'explain', answer.headers.get('x-hearth-decision-id')).includes(reason));
  }
  await prepare();
  const { id: session } = await client.call('session/create', {});
  await client.call('session/subscribe', { session, since: 0 });
  const { turn } = await client.call('turn/start', { session, idempotencyKey: `k${++n}`, input: [{ type: 'text', text: content }] });
  await client.wait((event) => event.session === session && event.kind === 'session.state' && event.data.state === 'idle' && event.data.turn === turn);
  const events = client.events.filter((event) => event.session === session);
  const routes = events.filter((event) => event.kind === 'route').map((event) => event.data.decision);
  assert.deepEqual(routes.map((decision) => decision.target), [of, by]);
  assert.equal(routes[1].reason, reason);
  assert.equal(routes[1].id, routes[0].id);
  const usage = events.find((event) => event.kind === 'usage').data;
  assert.deepEqual([usage.target, usage.model], [by, `${by}-model`]);
  assert.equal((await explained(routes[0].id)).standIn.target, by);
}

const says = ({ model }) => ({ text: `RIGHT, says ${model}` });

test('who is decided for and answers is named once', async () => {
  script = says;
  const answer = await whole('Hello');
  assert.equal(answer.headers.get('x-hearth-target'), 'usual');
  assert.equal(JSON.parse(daemon.run('route', 'explain', answer.headers.get('x-hearth-decision-id'), '--json')).standIn, undefined);
});

test('the dear one, when what the cheap one gave did not pass', async () => {
  script = (asked) => (asked.model === 'spare-model' ? { text: 'WRONG' } : says(asked));
  await answersInPlace('Make a plan', { by: 'usual', of: 'spare', reason: 'usual answers: spare gave what did not pass' });
});

test('the next one, when the first fails', async () => {
  const prepare = async () => {
    script = says;  // failures in a row would close the first one
    assert.equal((await whole('Hello')).headers.get('x-hearth-target'), 'usual');
    script = (asked) => (asked.model === 'usual-model' ? { status: 500, error: { message: 'secret words', code: 'server_error' } } : says(asked));
  };
  await answersInPlace('Hello', { prepare, by: 'spare', of: 'usual', reason: 'spare answers: usual gave no answer (upstream, server_error)' });
});

test('the second leg, when it speaks first', async () => {
  script = says;
  for (let i = 0; i < 60; ++i) await whole('Hello');  // of which three may have one
  script = ({ model }) => (model === 'usual-model' ? { status: 500, error: { message: 'no', code: 'server_error' } } : { text: 'x' });
  await whole('Hello');  // who has just failed is not waited for
  let release;
  const prepare = async () => {
    release?.();
    const released = new Promise((resolve) => { release = resolve; });
    script = (asked) => ({ ...says(asked), ...(asked.model === 'usual-model' && { after: released }) });
  };
  await answersInPlace('Hello', { prepare, by: 'spare', of: 'usual', reason: 'spare answers: usual was slow to say its first word' });
  release();
});

test('when all fail, the one whose failure is told', async () => {
  script = ({ model }) => ({ status: 400, error: { message: `not here: ${model}`, code: 'model_not_found' } });
  const response = await post('Hello');
  assert.match((await response.json()).error.message, /usual-model/);
  assert.equal(response.headers.get('x-hearth-target'), 'usual');
});
