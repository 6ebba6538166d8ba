// Client libraries and agents against a real model on this machine: answers, exact counts, and the refusal of a prompt
// that does not fit, which each of them understands.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runAgent, Trap } from './agents.mjs';
import { Daemon, require } from './daemon.mjs';

const OpenAI = require('openai').default;
const Anthropic = require('@anthropic-ai/sdk').default;
let daemon, trap, openai, anthropic;

before(async () => {
  // The same model once more, with room for little.
  daemon = await Daemon.start({ config: `[model.tight]\npath = "${process.env.HEARTH_TEST_MODEL}"\ncontext = 1024\n` });
  trap = await Trap.start();
  openai = new OpenAI({ baseURL: daemon.discovery.url + '/v1', apiKey: daemon.discovery.token, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: daemon.discovery.url, apiKey: daemon.discovery.token, maxRetries: 0 });
});
after(async () => {
  assert.equal((await daemon.stop()).code, 0);
  await trap.stop();
});

const messages = [{ role: 'user', content: 'What is the capital of France?' }];

test('every wire gives the same answer, whole and streamed', async () => {
  const chat = await openai.chat.completions.create({ model: 'local', messages, temperature: 0, max_tokens: 16 });
  const text = chat.choices[0].message.content;
  assert.ok(text.length > 10);
  const responses = { model: 'local', input: messages, temperature: 0, max_output_tokens: 16 };
  const whole = await openai.responses.create(responses);
  assert.equal(whole.output_text, text);
  assert.equal(whole.usage.input_tokens, chat.usage.prompt_tokens);
  assert.equal((await openai.responses.stream(responses).finalResponse()).output_text, text);
  const request = { model: 'local', messages, temperature: 0, max_tokens: 16 };
  const message = await anthropic.messages.create(request);
  assert.equal(message.content[0].text, text);
  const { usage } = message;
  assert.equal(usage.input_tokens + usage.cache_read_input_tokens, chat.usage.prompt_tokens);
  const stream = anthropic.messages.stream(request);
  assert.equal((await stream.finalMessage()).content[0].text, text);
  const { generateText } = require('ai');
  const { createOpenAICompatible } = require('@ai-sdk/openai-compatible');
  const hearth = createOpenAICompatible({ name: 'hearth', baseURL: daemon.discovery.url + '/v1', apiKey: daemon.discovery.token });
  const generated = await generateText({ model: hearth('local'), messages, temperature: 0, maxOutputTokens: 16, maxRetries: 0 });
  assert.equal(generated.text, text);
});

test('a stream of messages names the length of its prompt from the start', async () => {
  let first;
  for await (const event of await anthropic.messages.create({ model: 'local', messages, max_tokens: 2, stream: true }))
    first ??= event;
  assert.equal(first.type, 'message_start');
  const { usage } = first.message;
  assert.ok(usage.input_tokens + usage.cache_read_input_tokens > 30, JSON.stringify(usage));
});

test('tokens are counted exactly, as the prompt is measured', async () => {
  const request = { model: 'local', messages, system: 'Be brief.' };
  const { data, response } = await anthropic.messages.countTokens(request).withResponse();
  const { usage } = await anthropic.messages.create({ ...request, max_tokens: 1 });
  assert.equal(data.input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
  assert.equal(response.headers.get('x-hearth-token-count'), 'exact');
  const long = { model: 'tight', messages: [{ role: 'user', content: 'word '.repeat(3000) }] };
  assert.ok((await anthropic.messages.countTokens(long)).input_tokens > 3000, 'also of what would not fit');
});

test('Continue completes a prompt', async () => {
  const run = await runAgent('cn', { daemon, model: 'smollm2', trap, prompt: 'Say hello.' });
  assert.equal(run.code, 0, run.err);
  assert.ok(run.out.trim().length > 5, run.out);
});

// In the words that each of them has for it, with the numbers where it shows them.
for (const [name, says] of [
  ['claude', /Prompt is too long.*limit 1024/s],
  ['codex', /ran out of room in the model's context window/],
  ['qwen', /context length is 1024 tokens.*resulted in \d+ tokens/s],
  ['cn', /Context length exceeded.*1024 tokens/s],
])
  test(`${name} understands that its prompt does not fit`, async () => {
    const run = await runAgent(name, { daemon, model: 'tight', trap, prompt: 'Say hello.' });
    assert.notEqual(run.code, 0);
    assert.match(run.out + run.err, says);
  });
