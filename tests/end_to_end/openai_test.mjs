// The `openai` package from npm drives a running daemon.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon, require } from './daemon.mjs';

const OpenAI = require('openai').default;
let daemon, openai;

before(async () => {
  daemon = await Daemon.start();
  openai = new OpenAI({ baseURL: daemon.discovery.url + '/v1', apiKey: daemon.discovery.token, maxRetries: 0 });
});
after(async () => assert.equal((await daemon.stop()).code, 0));

const question = [{ role: 'user', content: 'What is the capital of France?' }];
const greedy = { model: 'auto', messages: question, temperature: 0, max_tokens: 24 };

test('models are listed with their context length', async () => {
  const ids = [];
  for await (const model of openai.models.list()) ids.push(model);
  assert.deepEqual(ids.map((model) => model.id).slice(0, 3), ['auto', 'local', 'smollm2']);
  assert.equal(ids[1].context_length, 8192);
});

test('chat answers', async () => {
  const answer = await openai.chat.completions.create(greedy);
  assert.ok(answer.choices[0].message.content.length > 10);
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test('chat streams the same text, with usage when asked', async () => {
  const whole = await openai.chat.completions.create(greedy);
  const stream = await openai.chat.completions.create({ ...greedy, stream: true, stream_options: { include_usage: true } });
  let text = '', usage, reason, chunks = 0;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
    ++chunks;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(reason, whole.choices[0].finish_reason);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  assert.ok(chunks > 4, 'it came in pieces');
});

test('while a long prompt is read a stream says so, in comments that clients skip', async () => {
  const long = (word) => ({ ...greedy, messages: [{ role: 'user', content: `${word} `.repeat(3000) }], max_tokens: 2, stream: true });
  const text = await (await daemon.post('/v1/chat/completions', long('house'))).text();
  const told = [...text.matchAll(/^: prompt (\d+)\/(\d+)$/gm)].map(([, done, total]) => [Number(done), Number(total)]);
  assert.ok(told.length >= 3, `only ${told.length} signs of life`);
  for (const [i, [done, total]] of told.entries()) {
    assert.ok(total > 3000 && total === told[0][1]);
    assert.ok(done <= total && (i === 0 || done > told[i - 1][0]), JSON.stringify(told));
  }
  assert.ok(text.lastIndexOf(': prompt') < text.indexOf('"content":"', text.indexOf(': prompt')), 'before the first word');
  let answer = '';
  for await (const chunk of await openai.chat.completions.create(long('tree'))) answer += chunk.choices[0]?.delta?.content ?? '';
  assert.ok(answer.length > 0);
});

test('max_tokens ends with length, stop strings end with stop', async () => {
  const cut = await openai.chat.completions.create({ ...greedy, max_tokens: 3 });
  assert.equal(cut.choices[0].finish_reason, 'length');
  assert.equal(cut.usage.completion_tokens, 3);
  const whole = (await openai.chat.completions.create(greedy)).choices[0].message.content;
  const stop = whole.slice(7, 12);  // across token borders
  const stopped = await openai.chat.completions.create({ ...greedy, stop: [stop] });
  assert.equal(stopped.choices[0].finish_reason, 'stop');
  assert.equal(stopped.choices[0].message.content, whole.slice(0, whole.indexOf(stop)));
});

test('the same seed gives the same answer', async () => {
  const request = { ...greedy, temperature: 1.2, seed: 7, max_tokens: 16 };
  const [one, two] = [await openai.chat.completions.create(request), await openai.chat.completions.create(request)];
  assert.equal(one.choices[0].message.content, two.choices[0].message.content);
});

test('completions continue a text, streamed and not', async () => {
  const request = { model: 'local', prompt: 'The capital of France is', temperature: 0, max_tokens: 8 };
  const whole = await openai.completions.create(request);
  let text = '';
  for await (const chunk of await openai.completions.create({ ...request, stream: true })) text += chunk.choices[0]?.text ?? '';
  assert.equal(text, whole.choices[0].text);
  assert.match(text, /Paris/);
});

test('several prompts are several choices, each as if alone, streamed and not', async () => {
  const prompts = ['The capital of France is', 'One, two, three,', 'Roses are red,'];
  const request = { model: 'local', temperature: 0, max_tokens: 8 };
  const alone = [];
  for (const prompt of prompts) alone.push(await openai.completions.create({ ...request, prompt }));
  const texts = alone.map((answer) => answer.choices[0].text);
  const sum = (field) => alone.reduce((total, answer) => total + answer.usage[field], 0);

  const whole = await openai.completions.create({ ...request, prompt: prompts });
  assert.deepEqual(whole.choices.map((choice) => choice.index), [0, 1, 2]);
  assert.deepEqual(whole.choices.map((choice) => choice.text), texts);
  assert.equal(whole.usage.prompt_tokens, sum('prompt_tokens'));
  assert.equal(whole.usage.completion_tokens, sum('completion_tokens'));

  const streamed = ['', '', ''], ends = ['', '', ''];
  let usage;
  const stream = await openai.completions.create({ ...request, prompt: prompts, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) {
      streamed[choice.index] += choice.text;
      ends[choice.index] += choice.finish_reason ?? '';
    }
  }
  assert.deepEqual(streamed, texts);
  assert.deepEqual(ends, ['length', 'length', 'length']);
  assert.equal(usage.total_tokens, whole.usage.total_tokens);
});

test('a prompt of token ids is scored, as evaluation harnesses do it', async () => {
  const tokenize = async (content) => (await (await daemon.post('/tokenize', { model: 'local', content })).json()).tokens;
  const [context, rest] = [await tokenize('The capital of France is'), await tokenize(' Paris')];
  const request = { model: 'local', temperature: 0, max_tokens: 0, echo: true, logprobs: 2 };
  const scored = await openai.completions.create({ ...request, prompt: [[...context, ...rest], context] });
  const { tokens, token_logprobs: scores, top_logprobs: tops } = scored.choices[0].logprobs;
  assert.equal(scored.choices[0].text, 'The capital of France is Paris');
  assert.equal(tokens.join(''), scored.choices[0].text);
  assert.equal(scores.length, context.length + rest.length);
  assert.equal(scores[0], null);
  assert.ok(scores.slice(1).every((score) => score <= 0));
  assert.ok(scores.at(-1) > -3, `"Paris" is likely, and has ${scores.at(-1)}`);
  assert.equal(Object.keys(tops.at(-1)).length, 2);
  assert.deepEqual(scored.choices[1].logprobs.token_logprobs, scores.slice(0, context.length));
  assert.equal(scored.usage.completion_tokens, 0);

  const next = await openai.completions.create({ ...request, prompt: context, max_tokens: 1, echo: false });
  assert.equal(next.choices[0].logprobs.token_logprobs.length, 1);
  await assert.rejects(openai.completions.create({ ...request, prompt: [5, 10_000_000] }), (error) => {
    assert.equal(error.status, 400);
    assert.match(error.message, /10000000/);
    return true;
  });
});

test('eight requests at once are all answered, each as if alone', async () => {
  const alone = await openai.chat.completions.create({ ...greedy, max_tokens: 12 });
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => openai.chat.completions.create({ ...greedy, max_tokens: 12 })));
  for (const answer of answers) assert.equal(answer.choices[0].message.content, alone.choices[0].message.content);
});

test('an unknown model is a 404 that says what is known', async () => {
  await assert.rejects(openai.chat.completions.create({ ...greedy, model: 'gpt-9' }), (error) => {
    assert.equal(error.status, 404);
    assert.equal(error.code, 'model_not_found');
    assert.match(error.message, /smollm2/);
    return true;
  });
});

test('a prompt over the context is refused with both numbers', async () => {
  const long = [{ role: 'user', content: 'word '.repeat(9000) }];
  for (const stream of [false, true])
    await assert.rejects(openai.chat.completions.create({ ...greedy, messages: long, stream }), (error) => {
      assert.equal(error.status, 400);
      assert.equal(error.code, 'context_length_exceeded');
      assert.match(error.message, /8192 tokens.*90\d\d tokens/);
      return true;
    });
});

test('every answer names its request, target and reason', async () => {
  const { response } = await openai.chat.completions.create({ ...greedy, max_tokens: 1 }).withResponse();
  assert.match(response.headers.get('x-request-id'), /^req-/);
  assert.equal(response.headers.get('x-hearth-target'), 'local');
  assert.ok(response.headers.get('x-hearth-reason'));
});

test('a client that goes away stops the decoding', async () => {
  const metrics = async () => (await daemon.fetch('/metrics')).text();
  const running = (text) => Number(/hearth_requests_running (\d+)/.exec(text)[1]);
  const controller = new AbortController();
  const stream = await openai.chat.completions.create(
    { ...greedy, max_tokens: 4000, stream: true, ignore_eos: true }, { signal: controller.signal });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content) break;
  }
  controller.abort();
  let text;
  do text = await metrics(); while (running(text) > 0);
  assert.match(text, /outcome="cancelled"} 1\n/);
});

test('the engine process may die: the next request is answered', async () => {
  const pid = JSON.parse(daemon.run('status', '--json')).engine.pid;
  assert.ok(pid > 0);
  const failing = openai.chat.completions.create({ ...greedy, max_tokens: 2000, ignore_eos: true, stream: true });
  for await (const chunk of await failing) {
    if (chunk.choices[0]?.delta?.content) break;
  }
  for (let i = 0; i < 5; ++i) {
    process.kill(JSON.parse(daemon.run('status', '--json')).engine.pid, 'SIGKILL');
    const answer = await openai.chat.completions.create({ ...greedy, max_tokens: 4 });
    assert.ok(answer.choices[0].message.content.length > 0);
  }
});

test('a wrong token, a strange origin and a strange host are refused', async () => {
  const url = daemon.discovery.url + '/v1/models';
  assert.equal((await fetch(url)).status, 401);
  assert.equal((await fetch(url, { headers: { authorization: 'Bearer nonsense' } })).status, 401);
  assert.equal((await daemon.fetch('/v1/models', { headers: { origin: 'https://evil.test' } })).status, 403);
  assert.equal((await fetch(daemon.discovery.url + '/healthz')).status, 200);
  assert.equal((await fetch(daemon.discovery.url + '/healthz', { headers: { origin: 'https://evil.test' } })).status, 403);
});
