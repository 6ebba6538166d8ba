// A scripted provider on loopback: OpenAI's chat wire and Anthropic's, streamed, as Hearth asks for them.
//
//   const upstream = await Upstream.start((asked) => ({ text: 'Hi' }));
//   ... config: upstream.config() ...
//   upstream.requests[0].body.messages
//
// The script sees {wire, model, tools: [names], last, results: [text]} and gives {text, reasoning, signature, calls:
// [{id, name, args, raw: text in place of args}], usage, finish} or {status, error}, with `after`, a promise, not before it.
// Everything is sent in small pieces.
import { createServer } from 'node:http';

const pieces = (text, size = 7) => text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];

function textOf(content) {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? (part.content ? textOf(part.content) : '')).join('');
}

// What a script needs of a request, whichever wire it came by.
function summary(wire, body) {
  const messages = body.messages ?? [];
  const results = [];
  for (const message of messages) {
    if (message.role === 'tool') results.push(textOf(message.content));
    if (Array.isArray(message.content))
      for (const part of message.content) if (part.type === 'tool_result') results.push(textOf(part.content));
  }
  const tools = (body.tools ?? []).map((tool) => tool.function?.name ?? tool.name);
  const users = messages.filter((message) => message.role === 'user').map((message) => textOf(message.content));
  return { wire, model: body.model, tools, results, users, last: messages.at(-1), body };
}

function* chatEvents(reply) {
  const chunk = (delta, finish_reason = null) =>
    JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'up', choices: [{ index: 0, delta, finish_reason }] });
  yield chunk({ role: 'assistant', content: '' });
  for (const piece of pieces(reply.reasoning ?? '')) yield chunk({ reasoning_content: piece });
  for (const piece of pieces(reply.text ?? '')) yield chunk({ content: piece });
  for (const [index, call] of (reply.calls ?? []).entries()) {
    yield chunk({ tool_calls: [{ index, id: call.id ?? `call_${index}`, type: 'function', function: { name: call.name, arguments: '' } }] });
    for (const piece of pieces(call.raw ?? JSON.stringify(call.args))) yield chunk({ tool_calls: [{ index, function: { arguments: piece } }] });
  }
  yield chunk({}, reply.finish ?? (reply.calls?.length ? 'tool_calls' : 'stop'));
  const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, prompt_tokens_details: { cached_tokens: 40 }, ...reply.usage };
  yield JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'up', choices: [], usage });
  yield '[DONE]';
}

function* messagesEvents(reply) {
  const usage = { input_tokens: 60, cache_read_input_tokens: 40, cache_creation_input_tokens: 0, output_tokens: 1 };
  yield { type: 'message_start', message: { id: 'msg_up', type: 'message', role: 'assistant', model: 'up', content: [], stop_reason: null, usage } };
  let index = 0;
  function* block(start, deltas) {
    yield { type: 'content_block_start', index, content_block: start };
    for (const delta of deltas) yield { type: 'content_block_delta', index, delta };
    yield { type: 'content_block_stop', index: index++ };
  }
  if (reply.reasoning)
    yield* block({ type: 'thinking', thinking: '', signature: '' },
      [...pieces(reply.reasoning).map((thinking) => ({ type: 'thinking_delta', thinking })),
       { type: 'signature_delta', signature: reply.signature ?? 'EqQBsig' }]);
  if (reply.text) yield* block({ type: 'text', text: '' }, pieces(reply.text).map((text) => ({ type: 'text_delta', text })));
  for (const [i, call] of (reply.calls ?? []).entries())
    yield* block({ type: 'tool_use', id: call.id ?? `toolu_${i}`, name: call.name, input: {} },
      pieces(JSON.stringify(call.args)).map((partial_json) => ({ type: 'input_json_delta', partial_json })));
  yield { type: 'message_delta', delta: { stop_reason: reply.finish ?? (reply.calls?.length ? 'tool_use' : 'end_turn'), stop_sequence: null }, usage: { output_tokens: 20 } };
  yield { type: 'message_stop' };
}

export class Upstream {
  static async start(script) {
    const upstream = new Upstream();
    upstream.script = script;
    upstream.requests = [];
    upstream.server = createServer(async (request, response) => {
      let text = '';
      for await (const piece of request) text += piece;
      const wire = request.url.split('?')[0].endsWith('/messages') ? 'messages' : 'chat';
      const body = JSON.parse(text || '{}');
      const asked = summary(wire, body);
      upstream.requests.push({ ...asked, url: request.url, headers: request.headers });
      let reply;
      try {
        reply = upstream.script(asked);
      } catch (error) {
        reply = { status: 500, error: { message: `the script failed: ${error.stack}` } };
      }
      await reply.after;
      if (reply.status) {
        const error = wire === 'chat' ? { error: reply.error } : { type: 'error', error: reply.error };
        response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
        return response.end(JSON.stringify(error));
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (wire === 'chat') for (const data of chatEvents(reply)) response.write(`data: ${data}\n\n`);
      else for (const event of messagesEvents(reply)) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      response.end();
    });
    await new Promise((resolve) => upstream.server.listen(0, '127.0.0.1', resolve));
    upstream.url = `http://127.0.0.1:${upstream.server.address().port}/v1`;
    return upstream;
  }

  // [target.NAME] for each wire.
  config() {
    const target = (name, provider) => `
[target.${name}]
kind = "api:${provider}"
model = "${name}-model"
base_url = "${this.url}"
quality = 0.8
context = 200000
images = true
price = { input = 1.0, cached = 0.1, output = 2.0 }
`;
    return target('chatty', 'openai') + target('claudia', 'anthropic');
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
