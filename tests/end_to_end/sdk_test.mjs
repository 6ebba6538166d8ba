// The client libraries `openai`, `@anthropic-ai/sdk` and `ai` against Hearth in front of a scripted provider: every
// served wire to every provider wire, with text, tools, reasoning, usage and errors.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon, require } from './daemon.mjs';
import { Upstream } from './upstream.mjs';

const OpenAI = require('openai').default;
const Anthropic = require('@anthropic-ai/sdk').default;

let upstream, daemon, openai, anthropic, reply;
const config = () => upstream.config() + '\n[alias]\n"claude-*" = "claudia"\n"gpt-mapped" = "chatty"\n';

before(async () => {
  upstream = await Upstream.start((asked) => reply(asked));
  daemon = await Daemon.start({ model: null, config: config() });
  openai = new OpenAI({ baseURL: daemon.discovery.url + '/v1', apiKey: daemon.discovery.token, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: daemon.discovery.url, apiKey: daemon.discovery.token, maxRetries: 0 });
});
after(async () => {
  assert.equal((await daemon.stop()).code, 0);
  await upstream.stop();
});

const secret = 'mauve-7319';
const schema = { type: 'object', properties: { city: { type: 'string' }, unit: { type: 'string' } }, required: ['city'] };
// Calls both tools at once, then says what they gave.
const weather = (asked) => {
  if (!asked.tools.length) return { text: 'Hello there, friend' };
  if (!asked.results.length)
    return {
      reasoning: 'I need the weather.', text: 'I look.',
      calls: [{ id: 'call_A', name: 'get_weather', args: { city: 'Paris "x"', unit: 'C' } }, { id: 'call_B', name: 'get_time', args: {} }],
    };
  return { text: `It says ${asked.results.join(' and ')}` };
};
const run = (name, args) => (name === 'get_weather' ? `${secret} in ${args.city}` : 'noon');

test('the first event of a message says what is known of its prompt', async () => {
  reply = weather;
  for (const [model, known] of [['claudia', { input_tokens: 60, cache_read_input_tokens: 40 }], ['chatty', {}]]) {
    const events = await anthropic.messages.create({ model, max_tokens: 50, stream: true, messages: [{ role: 'user', content: 'hello, my friend' }] });
    let first;
    for await (const event of events) first ??= event;
    assert.equal(first.type, 'message_start');
    assert.ok(first.message.usage.input_tokens > 0, JSON.stringify(first));
    for (const [name, value] of Object.entries(known)) assert.equal(first.message.usage[name], value, name);
  }
});

for (const model of ['chatty', 'claudia']) {
  test(`openai chat over ${model}: a tool loop, whole and streamed`, async () => {
    reply = weather;
    const tools = ['get_weather', 'get_time'].map((name) => ({ type: 'function', function: { name, parameters: schema } }));
    for (const stream of [false, true]) {
      const messages = [{ role: 'developer', content: 'be brief' }, { role: 'user', content: 'weather?' }];
      let answer;
      for (let round = 0; round < 3; ++round) {
        if (stream)
          answer = (await openai.chat.completions.stream({ model, messages, tools, stream_options: { include_usage: true } }).finalChatCompletion());
        else answer = await openai.chat.completions.create({ model, messages, tools });
        const { message } = answer.choices[0];
        messages.push(message);
        for (const call of message.tool_calls ?? [])
          messages.push({ role: 'tool', tool_call_id: call.id, content: [{ type: 'text', text: run(call.function.name, JSON.parse(call.function.arguments)) }] });
        if (!message.tool_calls?.length) break;
        assert.deepEqual(message.tool_calls.map((call) => call.id), ['call_A', 'call_B']);
        assert.equal(answer.choices[0].finish_reason, 'tool_calls');
        assert.equal(message.content, 'I look.');
      }
      assert.equal(answer.choices[0].message.content, `It says ${secret} in Paris "x" and noon`);
      assert.equal(answer.usage.prompt_tokens, 100);
      assert.equal(answer.usage.prompt_tokens_details.cached_tokens, 40);
      assert.equal(answer.usage.completion_tokens, 20);
    }
  });

  test(`openai responses over ${model}: a tool loop, whole and streamed`, async () => {
    reply = weather;
    const tools = ['get_weather', 'get_time'].map((name) => ({ type: 'function', name, parameters: schema, strict: false }));
    for (const stream of [false, true]) {
      const input = [{ role: 'user', content: 'weather?' }];
      let answer;
      for (let round = 0; round < 3; ++round) {
        const request = { model, instructions: 'be brief', input, tools, store: false, include: ['reasoning.encrypted_content'] };
        answer = stream ? await openai.responses.stream(request).finalResponse() : await openai.responses.create(request);
        assert.equal(answer.status, 'completed');
        const calls = answer.output.filter((item) => item.type === 'function_call');
        input.push(...answer.output);
        for (const call of calls)
          input.push({ type: 'function_call_output', call_id: call.call_id, output: run(call.name, JSON.parse(call.arguments)) });
        if (!calls.length) break;
        assert.deepEqual(answer.output.map((item) => item.type), ['reasoning', 'message', 'function_call', 'function_call']);
        assert.equal(answer.output[0].summary[0].text, 'I need the weather.');
      }
      assert.equal(answer.output_text, `It says ${secret} in Paris "x" and noon`);
      assert.equal(answer.usage.input_tokens, 100);
      assert.equal(answer.usage.input_tokens_details.cached_tokens, 40);
      assert.equal(answer.usage.output_tokens, 20);
    }
  });

  test(`anthropic messages over ${model}: a tool loop, whole and streamed`, async () => {
    reply = weather;
    const tools = ['get_weather', 'get_time'].map((name) => ({ name, input_schema: schema }));
    for (const stream of [false, true]) {
      const messages = [{ role: 'user', content: 'weather?' }];
      let answer;
      for (let round = 0; round < 3; ++round) {
        const request = { model, max_tokens: 500, system: [{ type: 'text', text: 'be brief', cache_control: { type: 'ephemeral' } }], messages, tools };
        answer = stream ? await anthropic.messages.stream(request).finalMessage() : await anthropic.messages.create(request);
        messages.push({ role: 'assistant', content: answer.content });
        const calls = answer.content.filter((block) => block.type === 'tool_use');
        if (!calls.length) break;
        assert.equal(answer.stop_reason, 'tool_use');
        assert.deepEqual(answer.content.map((block) => block.type), ['thinking', 'text', 'tool_use', 'tool_use']);
        assert.equal(answer.content[0].thinking, 'I need the weather.');
        messages.push({ role: 'user', content: calls.map((call) => ({ type: 'tool_result', tool_use_id: call.id, content: run(call.name, call.input) })) });
      }
      assert.equal(answer.content[0].text, `It says ${secret} in Paris "x" and noon`);
      assert.equal(answer.stop_reason, 'end_turn');
      assert.equal(answer.usage.input_tokens, 60);
      assert.equal(answer.usage.cache_read_input_tokens, 40);
      assert.equal(answer.usage.output_tokens, 20);
    }
  });
}

test('a signature goes to the provider as it came from there', async () => {
  reply = weather;
  const tools = [{ name: 'get_weather', input_schema: schema }];
  for (const stream of [false, true]) {
    const request = { model: 'claudia', max_tokens: 5000, messages: [{ role: 'user', content: 'weather?' }], tools, thinking: { type: 'adaptive' } };
    const first = stream ? await anthropic.messages.stream(request).finalMessage() : await anthropic.messages.create(request);
    assert.equal(first.content[0].signature, 'EqQBsig');
    request.messages.push({ role: 'assistant', content: first.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_A', content: 'x' }] });
    await anthropic.messages.create(request);
    const sent = upstream.requests.at(-1).body.messages[1].content[0];
    assert.deepEqual(sent, { type: 'thinking', signature: 'EqQBsig', thinking: 'I need the weather.' });
  }
});

test('images of every wire reach the provider', async () => {
  reply = () => ({ text: 'a dot' });
  const url = 'data:image/png;base64,aGk=';
  await openai.chat.completions.create({ model: 'chatty', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] });
  assert.equal(upstream.requests.at(-1).body.messages[0].content[0].image_url.url, url);
  await openai.responses.create({ model: 'chatty', input: [{ role: 'user', content: [{ type: 'input_image', image_url: url, detail: 'auto' }] }] });
  assert.equal(upstream.requests.at(-1).body.messages[0].content[0].image_url.url, url);
  const source = { type: 'base64', media_type: 'image/png', data: 'aGk=' };
  await anthropic.messages.create({ model: 'claudia', max_tokens: 9, messages: [{ role: 'user', content: [{ type: 'image', source }] }] });
  assert.deepEqual(upstream.requests.at(-1).body.messages[0].content[0].source, source);
});

test('a name that is not configured is a 404 in the words of each wire; [alias] maps names', async () => {
  reply = () => ({ text: 'ok' });
  await assert.rejects(openai.chat.completions.create({ model: 'gpt-5', messages: [{ role: 'user', content: 'x' }] }), (error) => {
    assert.equal(error.status, 404);
    assert.equal(error.code, 'model_not_found');
    assert.match(error.message, /chatty/);
    return true;
  });
  await assert.rejects(anthropic.messages.create({ model: 'gpt-5', max_tokens: 5, messages: [{ role: 'user', content: 'x' }] }), (error) => {
    assert.equal(error.status, 404);
    assert.equal(error.error.error.type, 'not_found_error');
    assert.match(error.message, /chatty/);
    assert.match(error.requestID, /^req-/);
    return true;
  });
  const { response } = await anthropic.messages.create({ model: 'claude-sonnet-5', max_tokens: 5, messages: [{ role: 'user', content: 'x' }] }).withResponse();
  assert.equal(response.headers.get('x-hearth-target'), 'claudia');
  await openai.responses.create({ model: 'gpt-mapped', input: 'x' });
  assert.equal(upstream.requests.at(-1).model, 'chatty-model');
});

test('models are listed in the shape of each library', async () => {
  const of = async (list) => {
    const ids = [];
    for await (const model of list) ids.push(model.id);
    return ids;
  };
  const known = ['auto', 'chatty', 'chatty-model', 'claudia', 'claudia-model', 'gpt-mapped'];
  assert.deepEqual(await of(openai.models.list()), known);
  assert.deepEqual(await of(anthropic.models.list()), known);
  assert.equal((await openai.models.retrieve('chatty')).owned_by, 'openai');
  assert.equal((await anthropic.models.retrieve('chatty')).display_name, 'chatty');
  await assert.rejects(openai.models.retrieve('gpt-9'), { status: 404 });
});

test('a prompt that is too long is refused with both numbers, in the words of each wire', async () => {
  reply = () => ({ text: 'never' });
  const content = 'word '.repeat(200_000);
  const numbers = /200000/;
  await assert.rejects(openai.chat.completions.create({ model: 'chatty', messages: [{ role: 'user', content }] }), (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.code, 'context_length_exceeded');
    assert.match(error.message, numbers);
    assert.match(error.message, /maximum context length is \d+ tokens.*resulted in 25\d+ tokens/);
    return true;
  });
  await assert.rejects(openai.responses.create({ model: 'chatty', input: content }), { status: 400, code: 'context_length_exceeded' });
  const events = [];
  for await (const event of await openai.responses.create({ model: 'chatty', input: content, stream: true })) events.push(event);
  assert.equal(events.at(-1).type, 'response.failed');
  assert.equal(events.at(-1).response.error.code, 'context_length_exceeded');
  await assert.rejects(anthropic.messages.create({ model: 'claudia', max_tokens: 9, messages: [{ role: 'user', content }] }), (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.error.error.type, 'invalid_request_error');
    assert.match(error.error.error.message, /^prompt is too long: 25\d+ tokens > 200000 maximum$/);
    return true;
  });
});

test("a provider's limits arrive as the wire's own errors, with the wait", async () => {
  reply = (asked) => asked.wire === 'chat'
    ? { status: 429, error: { message: 'slow down', type: 'requests', code: 'rate_limit_exceeded' }, headers: { 'retry-after': '7' } }
    : { status: 529, error: { type: 'overloaded_error', message: 'Overloaded' } };
  const hi = { max_tokens: 9, messages: [{ role: 'user', content: 'x' }] };
  await assert.rejects(anthropic.messages.create({ model: 'chatty', ...hi }), (error) => {
    assert.equal(error.status, 429);
    assert.equal(error.error.error.type, 'rate_limit_error');
    assert.equal(error.headers.get('retry-after'), '7');
    return true;
  });
  await assert.rejects(anthropic.messages.create({ model: 'claudia', ...hi }), (error) => {
    assert.equal(error.status, 529);
    assert.equal(error.error.error.type, 'overloaded_error');
    return true;
  });
  await assert.rejects(openai.responses.create({ model: 'chatty', input: 'x' }), { status: 429, code: 'rate_limit_exceeded' });
});

test('what is stored nowhere is not found', async () => {
  await assert.rejects(openai.responses.create({ model: 'chatty', input: 'x', previous_response_id: 'resp_1' }), (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.code, 'previous_response_not_found');
    assert.equal(error.param, 'previous_response_id');
    return true;
  });
});

test('tokens are counted; an estimate says so', async () => {
  const { data, response } = await anthropic.messages.countTokens({ model: 'claudia', messages: [{ role: 'user', content: 'word '.repeat(400) }] }).withResponse();
  assert.ok(data.input_tokens > 300 && data.input_tokens < 700, String(data.input_tokens));
  assert.equal(response.headers.get('x-hearth-token-count'), 'estimate');
});

test('ai with the openai-compatible provider: text and a tool loop', async () => {
  const { generateText, streamText, tool, jsonSchema, stepCountIs } = require('ai');
  const { createOpenAICompatible } = require('@ai-sdk/openai-compatible');
  const hearth = createOpenAICompatible({ name: 'hearth', baseURL: daemon.discovery.url + '/v1', apiKey: daemon.discovery.token, includeUsage: true });
  reply = weather;
  const tools = Object.fromEntries(['get_weather', 'get_time'].map((name) =>
    [name, tool({ description: name, inputSchema: jsonSchema(schema), execute: async (args) => run(name, args) })]));
  const request = { model: hearth('auto'), prompt: 'weather?', tools, stopWhen: stepCountIs(4), maxRetries: 0 };
  const whole = await generateText(request);
  assert.match(whole.text, /mauve-7319/);
  const streamed = streamText(request);
  let text = '';
  for await (const piece of streamed.textStream) text += piece;
  assert.match(text, /mauve-7319/);
  assert.equal((await streamed.usage).inputTokens, 200, "of both steps");
});
