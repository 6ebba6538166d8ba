// Constrained answers, probabilities and the small endpoints, with a real model behind a running daemon.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Daemon } from './daemon.mjs';

let daemon;
before(async () => { daemon = await Daemon.start(); });
after(async () => assert.equal((await daemon.stop()).code, 0));

async function post(path, body, headers = {}, to = daemon) {
  const response = await fetch(to.discovery.url + path, {
    method: 'POST', headers: { authorization: `Bearer ${to.discovery.token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
const chat = (extra) => post('/v1/chat/completions', { messages: [{ role: 'user', content: 'Describe a cat named Tom, 3 years old.' }], temperature: 0, max_tokens: 120, ...extra });
const content = (answer) => { assert.equal(answer.status, 200, JSON.stringify(answer.body)); return answer.body.choices[0].message.content; };
const schema = (schema) => ({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });

test('json_schema: the answer fulfils it', async () => {
  const cat = JSON.parse(content(await chat(schema({
    type: 'object', additionalProperties: false, required: ['name', 'age', 'colour', 'tags'],
    properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', minimum: 0, maximum: 30 },
      colour: { enum: ['black', 'white', 'grey'] }, tags: { type: 'array', items: { type: 'string', pattern: '^[a-z]{2,8}$' }, minItems: 1, maxItems: 2 } },
  }))));
  assert.deepEqual(Object.keys(cat), ['name', 'age', 'colour', 'tags']);
  assert.ok(cat.name.length <= 12 && Number.isInteger(cat.age) && cat.age <= 30);
  assert.ok(['black', 'white', 'grey'].includes(cat.colour));
  assert.ok(cat.tags.length >= 1 && cat.tags.length <= 2 && cat.tags.every((t) => /^[a-z]{2,8}$/.test(t)));
});

test('json_object, grammar, guided_regex and guided_choice are kept', async () => {
  const object = content(await chat({ response_format: { type: 'json_object' }, stop: ['}'] , max_tokens: 60 }));
  assert.ok(object.startsWith('{') && !/\n|  /.test(object.replace(/"(\\.|[^"\\])*"?/g, '')), object);
  assert.match(content(await chat({ grammar: 'root ::= "cat" [0-9]+ ";"{2}', max_tokens: 12 })), /^cat[0-9]+(;;)?$/);
  assert.match(content(await chat({ guided_regex: '[A-Z]{2}-[0-9]{4}' })), /^[A-Z]{2}-[0-9]{4}$/);
  assert.ok(['yes (sure)', 'no'].includes(content(await chat({ guided_choice: ['yes (sure)', 'no'] }))));
  assert.equal(typeof JSON.parse(content(await chat({ json_schema: { type: 'boolean' } }))), 'boolean');
  assert.match(content(await chat({ response_format: { type: 'json_object', schema: { type: 'integer', minimum: 1, maximum: 9 } } })), /^[1-9]$/);
});

test('what a schema demands and nobody can keep is refused by name', async () => {
  const answer = await chat(schema({ type: 'array', uniqueItems: true }));
  assert.equal(answer.status, 400);
  assert.match(answer.body.error.message, /uniqueItems/);
  assert.equal((await chat(schema({ pattern: '^+a$' }))).status, 400);
  assert.equal((await chat(schema({ $ref: 'http://127.0.0.1:9/x' }))).status, 400);
  assert.equal((await chat({ grammar: 'root ::= (' })).status, 400);
  const tools = [{ type: 'function', function: { name: 'stop', parameters: { type: 'object' } } }];
  const twice = await chat({ grammar: 'root ::= "a"', tools, tool_choice: 'required' });
  assert.equal(twice.status, 400);
  assert.match(twice.body.error.message, /tool_choice/);
});

test('tool_choice required and named: a call comes, with arguments of its schema', async () => {
  const tool = (name, properties) => ({ type: 'function', function: { name, parameters: { type: 'object', properties, required: Object.keys(properties), additionalProperties: false } } });
  const tools = [tool('find_cat', { name: { type: 'string', maxLength: 10 }, age: { type: 'integer', minimum: 0, maximum: 40 } }), tool('stop', {})];
  for (const tool_choice of ['required', { type: 'function', function: { name: 'find_cat' } }]) {
    const answer = await chat({ tools, tool_choice, parallel_tool_calls: false });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const [choice] = answer.body.choices;
    assert.equal(choice.finish_reason, 'tool_calls');
    assert.equal(choice.message.tool_calls.length, 1);
    const { name, arguments: args } = choice.message.tool_calls[0].function;
    assert.ok(tool_choice === 'required' ? ['find_cat', 'stop'].includes(name) : name === 'find_cat');
    if (name === 'find_cat') assert.deepEqual(Object.keys(JSON.parse(args)), ['name', 'age']);
  }
});

test('what of a tool cannot be honoured is left out alone, and the header says so', async () => {
  const parameters = { type: 'object', properties: { a: { type: 'array', items: { const: 1 }, maxItems: 3, uniqueItems: true } }, required: ['a'], additionalProperties: false };
  const tools = [{ type: 'function', function: { name: 'f', parameters } }];
  for (let i = 0; i < 2; ++i) {
    const answer = await chat({ tools, tool_choice: 'required', parallel_tool_calls: false });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const { a } = JSON.parse(answer.body.choices[0].message.tool_calls[0].function.arguments);
    assert.ok(a.length <= 3 && a.every((one) => one === 1), JSON.stringify(a));
    assert.equal(answer.headers.get('x-hearth-left-out'), 'tool f: properties.a: uniqueItems');
  }
  const streamed = await fetch(daemon.discovery.url + '/v1/chat/completions', {
    method: 'POST', headers: { authorization: `Bearer ${daemon.discovery.token}` },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], tools, tool_choice: 'required', stream: true, max_tokens: 60 }),
  });
  assert.equal(streamed.headers.get('x-hearth-left-out'), 'tool f: properties.a: uniqueItems');
  await streamed.text();
  const strict = await chat({ tools: [{ type: 'function', function: { name: 'f', strict: true, parameters } }] });
  assert.equal(strict.status, 400);
  assert.match(strict.body.error.message, /f: properties\.a: uniqueItems/);
});

test('structural tags: a trigger begins a structure, the rest is free', async () => {
  const response_format = { type: 'structural_tag', triggers: ['<n='], structures: [{ begin: '<n=1>', schema: { type: 'integer', minimum: 10, maximum: 99 }, end: '</n>' }] };
  // It writes the trigger, since nothing else is likely.
  const text = content(await chat({ response_format, messages: [{ role: 'user', content: 'Repeat: <n=1>42</n> <n=1>42</n> <n=1>42</n>' }], max_tokens: 40 }));
  for (const [, behind] of text.matchAll(/<n=(.{0,9})/gs)) assert.ok(/^1>[1-9][0-9]<\/n>/.test(behind) || '1>99</n>'.length > behind.length, text);
  assert.equal((await chat({ response_format: { ...response_format, triggers: ['x'] } })).status, 400);
});

test('logprobs: of each token, whole and streamed, chat and completions', async () => {
  const whole = await chat({ logprobs: true, top_logprobs: 3, max_tokens: 5 });
  const tokens = whole.body.choices[0].logprobs.content;
  assert.equal(tokens.length, 5);
  assert.equal(tokens.map((t) => t.token).join(''), content(whole));
  for (const token of tokens) {
    assert.equal(token.top_logprobs.length, 3);
    assert.ok(Math.abs(token.logprob - token.top_logprobs[0].logprob) < 1e-4, 'greedy takes the best');
    assert.deepEqual(Buffer.from(token.bytes).toString(), token.token);
  }
  const text = await post('/v1/completions', { prompt: 'One two three', temperature: 0, max_tokens: 4, logprobs: 2 });
  const { logprobs } = text.body.choices[0];
  assert.equal(logprobs.tokens.join(''), text.body.choices[0].text);
  assert.equal(logprobs.text_offset[1], logprobs.tokens[0].length);
  const response = await fetch(daemon.discovery.url + '/v1/chat/completions', {
    method: 'POST', headers: { authorization: `Bearer ${daemon.discovery.token}` },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], temperature: 0, max_tokens: 4, stream: true, logprobs: true }),
  });
  const chunks = (await response.text()).split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
  assert.equal(chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? []).length, 4);
  assert.equal((await chat({ top_logprobs: 3 })).status, 400);
});

test('tokenize, detokenize, apply-template and props', async () => {
  const { tokens } = (await post('/tokenize', { content: 'Hello wörld' })).body;
  assert.equal((await post('/detokenize', { tokens })).body.content, 'Hello wörld');
  const pieces = (await post('/tokenize', { content: 'Hello', with_pieces: true })).body.tokens;
  assert.deepEqual(pieces.map((t) => t.piece).join(''), 'Hello');
  const { prompt } = (await post('/apply-template', { messages: [{ role: 'user', content: 'Hi' }] })).body;
  assert.match(prompt, /<\|im_start\|>user\nHi<\|im_end\|>\n<\|im_start\|>assistant\n$/);
  const unopened = await post('/apply-template', { messages: [{ role: 'user', content: 'Hi' }], add_generation_prompt: false });
  assert.match(unopened.body.prompt, /user\nHi<\|im_end\|>\n$/);
  const response = await fetch(daemon.discovery.url + '/props', { headers: { authorization: `Bearer ${daemon.discovery.token}` } });
  const props = await response.json();
  assert.ok(props.default_generation_settings.n_ctx > 0 && props.chat_template.includes('im_start'));
  assert.equal((await post('/detokenize', { tokens: [99999999] })).status, 400);
  assert.equal((await post('/tokenize', {})).status, 400);
});

test('a query with a long answer is answered, one whose answer is too long is refused, and the engine lives on', async () => {
  const engine = () => JSON.parse(daemon.run('status', '--json')).engine;
  const { pid } = engine();
  const long = await post('/tokenize', { content: 'one two '.repeat(100_000), with_pieces: true });
  assert.equal(long.status, 200);
  assert.ok(long.body.tokens.length >= 200_000);
  const longer = await post('/detokenize', { tokens: Array(1_500_000).fill(long.body.tokens[100].id) });
  assert.equal(longer.status, 200);
  const tooLong = await post('/detokenize', { tokens: Array(6_000_000).fill(long.body.tokens[100].id) });
  assert.equal(tooLong.status, 400);
  assert.equal(tooLong.body.error.param, 'tokens');
  assert.match(tooLong.body.error.message, /the answer would have \d+ bytes or more, expected at most \d+/);
  assert.equal(engine().pid, pid);
  assert.equal(engine().crashes, 0);
});

test('a bias on no token is refused by the name that the client sent', async () => {
  const { status, body } = await chat({ logit_bias: { 99999999: 1 } });
  assert.equal(status, 400);
  assert.equal(body.error.param, 'logit_bias');
  assert.match(body.error.message, /^logit_bias: token 99999999 is not in the vocabulary/);
});

test('a model for text embeds nothing and fills no gaps, and says so', async () => {
  const embedded = await post('/v1/embeddings', { input: 'Hello' });
  assert.equal(embedded.status, 400);
  assert.match(embedded.body.error.message, /not for embeddings/);
  const filled = await post('/infill', { input_prefix: 'int x = ', input_suffix: ';' });
  assert.equal(filled.status, 400);
  assert.match(filled.body.error.message, /fill in the middle/);
  const suffix = await post('/v1/completions', { prompt: 'int x = ', suffix: ';' });
  assert.equal(suffix.status, 400);
});

test('the newest request of a lane ends the one before', async () => {
  const slow = post('/v1/completions', { prompt: 'Once upon a time', max_tokens: 800, ignore_eos: true }, { 'x-hearth-lane': 'editor' });
  await new Promise((resolve) => setImmediate(resolve));
  await chat({ max_tokens: 1 });
  const fast = await post('/v1/completions', { prompt: 'Once upon', max_tokens: 2 }, { 'x-hearth-lane': 'editor' });
  assert.equal(fast.status, 200);
  assert.ok((await slow).body.usage.completion_tokens < 800);
});

test('x-hearth-cache: explain says where a prompt left the way of the one before', async () => {
  const shared = 'All work and no play makes Jack a dull boy. '.repeat(20);
  const ask = (end) => post('/v1/completions', { prompt: shared + end, max_tokens: 1 }, { 'x-hearth-cache': 'explain' });
  await ask('First he went to the market and bought some apples and pears. '.repeat(8));
  const details = (await ask('Then she sang a song about the sea and all of its many ships. '.repeat(8))).body.usage.prompt_tokens_details;
  assert.ok(details.cached_tokens > 100);
  assert.equal(details.cache_divergence.position, details.cached_tokens);
  assert.match(details.cache_divergence.cached, /First he went/);
  assert.match(details.cache_divergence.prompt, /Then she sang/);
});

test('a short chat: the same request again computes one token, the next turn only what is new', async () => {
  const messages = [{ role: 'user', content: 'Name a color.' }];
  const ask = () => chat({ messages, max_tokens: 10 });
  const [first, again] = [await ask(), await ask()];
  const { usage } = first.body;
  assert.ok(usage.total_tokens < 64, 'less than a page');
  assert.equal(content(again), content(first));
  assert.equal(again.body.usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens - 1);
  messages.push({ role: 'assistant', content: content(first) }, { role: 'user', content: 'And another one.' });
  const next = (await ask()).body.usage;
  assert.ok(next.prompt_tokens > usage.total_tokens);
  assert.ok(next.prompt_tokens_details.cached_tokens >= usage.total_tokens - 1, JSON.stringify([usage, next]));
});

// Made to spell what its tokenizer has a token for: the text alone would give other tokens.
test('an answer that comes back stands there as it was sampled', async () => {
  const banned = [' cat', 'cat'].map((content) => post('/tokenize', { content }).then(({ body }) => body.tokens));
  const [[spaced], [plain]] = await Promise.all(banned);
  const question = { role: 'user', content: 'Say it.' };
  const first = await chat({ messages: [question], guided_regex: 'cat( cat){60}', max_tokens: 400, logit_bias: { [spaced]: -100, [plain]: -100 } });
  const text = content(first);
  assert.ok(first.body.usage.completion_tokens > 100, text);
  const said = first.body.usage.total_tokens;
  const back = { messages: [question, { role: 'assistant', content: text }, { role: 'user', content: 'Again.' }], max_tokens: 1 };
  const explained = (body) => post('/v1/chat/completions', { temperature: 0, ...body }, { 'x-hearth-cache': 'explain' });
  const { usage } = (await explained(back)).body;
  assert.ok(usage.prompt_tokens > said);
  assert.ok(usage.prompt_tokens_details.cached_tokens >= said - 1, JSON.stringify(usage));
  assert.equal(usage.prompt_tokens_details.cache_divergence, undefined);
  // The same over another wire.
  const messages = (await post('/v1/messages', { model: 'auto', ...back })).body.usage;
  assert.ok(messages.cache_read_input_tokens >= said - 1, JSON.stringify(messages));
  const edited = (await explained({ ...back, messages: [question, { role: 'assistant', content: text + '!' }, back.messages[2]] })).body.usage;
  assert.ok(edited.prompt_tokens < said);
  assert.ok(edited.prompt_tokens_details.cache_divergence.position < said);
});

test('embeddings: floats and base64 say the same, of unit length, as many numbers as asked for', async () => {
  const encoder = await Daemon.start({ model: fileURLToPath(new URL('../data/models/bert.gguf', import.meta.url)) });
  try {
    const embed = (body) => post('/v1/embeddings', body, {}, encoder);
    const two = (await embed({ input: ['hello', 'world'], dimensions: 4 })).body;
    assert.deepEqual(two.data.map((row) => row.index), [0, 1]);
    const floats = two.data[0].embedding;
    assert.ok(Math.abs(Math.hypot(...floats) - 1) < 1e-5 && floats.length === 4);
    const packed = Buffer.from((await embed({ input: 'hello', dimensions: 4, encoding_format: 'base64' })).body.data[0].embedding, 'base64');
    floats.forEach((number, i) => assert.ok(Math.abs(packed.readFloatLE(4 * i) - number) < 1e-6));
    assert.equal(two.usage.prompt_tokens, two.usage.total_tokens);
    const lists = (await embed({ input: [[5, 6, 7], [8]] })).body;
    assert.deepEqual(lists.data.map((row) => row.index), [0, 1]);
    assert.deepEqual(lists.data[1].embedding, (await embed({ input: [8] })).body.data[0].embedding);
    assert.equal(lists.usage.prompt_tokens, 2 * (await embed({ input: [8] })).body.usage.prompt_tokens + 2);
    for (const input of [[[1], []], [[1], 'x'], [[1], 2], ['x', [1]]]) assert.equal((await embed({ input })).status, 400);
    for (const body of [{ input: 'x', dimensions: 99999 }, { input: [] }, { input: 'x', encoding_format: 'int8' }]) assert.equal((await embed(body)).status, 400);
  } finally {
    assert.equal((await encoder.stop()).code, 0);
  }
});
