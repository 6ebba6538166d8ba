#include <fmt/format.h>

#include <algorithm>

#include "providers/openai_chat.h"
#include "providers/wire_json.h"

namespace hearth::router {

namespace openai {

namespace {

using json::Array;
using json::Object;
using json::Value;

// A string while there is only text, parts as soon as there is an image.
Value content_of(const Message& message) {
  Array parts;
  std::string text;
  bool has_image = false;
  for (const Block& block : message.blocks) {
    if (auto* part = std::get_if<Text>(&block.content)) {
      text += part->text;
      parts.push_back(Object{{"type", "text"}, {"text", part->text}});
    } else if (auto* image = std::get_if<Image>(&block.content)) {
      has_image = true;
      Object url{{"url", image->url}};
      if (!image->detail.empty()) url["detail"] = image->detail;
      parts.push_back(Object{{"type", "image_url"}, {"image_url", std::move(url)}});
    }
  }
  return has_image ? Value(std::move(parts)) : Value(std::move(text));
}

// The wire's tool messages hold text alone: images that belong to a result follow as the user's.
void add_tool_results(Array& out, const Message& message) {
  for (const Block& block : message.blocks)
    if (auto* result = std::get_if<ToolResult>(&block.content))
      out.push_back(
          Object{{"role", "tool"}, {"tool_call_id", result->call_id}, {"content", result->text}});
  Value rest = content_of(message);
  if (rest.is_array()) out.push_back(Object{{"role", "user"}, {"content", std::move(rest)}});
}

void add_message(Array& out, const Quirks& quirks, const Message& message) {
  if (message.role == Role::tool) return add_tool_results(out, message);
  Object row{{"role", enum_name(message.role)}};
  row["content"] = content_of(message);
  if (message.name) row["name"] = *message.name;
  std::string thoughts;
  Array calls;
  for (const Block& block : message.blocks) {
    if (auto* thought = std::get_if<Reasoning>(&block.content)) thoughts += thought->text;
    if (auto* call = std::get_if<ToolCall>(&block.content))
      calls.push_back(
          Object{{"id", call->id},
                 {"type", "function"},
                 {"function", Object{{"name", call->name}, {"arguments", call->arguments}}}});
  }
  if (quirks.keeps_reasoning && !thoughts.empty()) row["reasoning_content"] = std::move(thoughts);
  if (!calls.empty()) {
    if (auto* text = row["content"].if_string(); text && text->empty()) row["content"] = nullptr;
    row["tool_calls"] = std::move(calls);
  }
  out.push_back(std::move(row));
}

void add_sampling(Object& body, const Quirks& quirks, const CompletionRequest& request) {
  const Sampling& sampling = request.sampling;
  auto add = [&](std::string_view name, std::optional<float> value) {
    if (value) body[name] = shortest(*value);
  };
  // What only some of the family know is sent to those alone, be it a value that changes nothing.
  auto add_if_known = [&](Need need, std::string_view name, auto value) {
    if (value && std::ranges::count(quirks.honours, need) > 0) body[name] = *value;
  };
  auto exact = [](std::optional<float> value) {
    return value ? std::optional(shortest(*value)) : std::nullopt;
  };
  add("temperature", sampling.temperature);
  add("top_p", sampling.top_p);
  add_if_known(Need::top_k, "top_k", sampling.top_k);
  add_if_known(Need::min_p, "min_p", exact(sampling.min_p));
  add_if_known(Need::repeat_penalty, quirks.repeat_penalty, exact(sampling.repeat_penalty));
  add("presence_penalty", sampling.presence_penalty);
  add("frequency_penalty", sampling.frequency_penalty);
  if (sampling.seed) body["seed"] = *sampling.seed;
  if (!sampling.logit_bias.empty()) {
    Object biases;
    for (const LogitBias& each : sampling.logit_bias)
      biases[std::to_string(each.token)] = shortest(each.bias);
    body["logit_bias"] = std::move(biases);
  }
  if (request.ignore_eos) body["ignore_eos"] = true;
}

Value tool_choice_of(const ToolChoice& choice) {
  if (choice.mode != ToolChoice::Mode::named) return Value(enum_name(choice.mode));
  return Object{{"type", "function"}, {"function", Object{{"name", choice.name}}}};
}

void add_tools(Object& body, const CompletionRequest& request) {
  if (request.tools.empty()) return;
  Array tools;
  for (const ToolSpec& tool : request.tools) {
    Object function{{"name", tool.name}, {"description", tool.description}};
    if (auto schema = json::parse_value(tool.parameters.text))
      function["parameters"] = std::move(*schema);
    tools.push_back(Object{{"type", "function"}, {"function", std::move(function)}});
  }
  body["tools"] = std::move(tools);
  const ToolChoice& choice = request.tool_choice;
  if (choice.mode != ToolChoice::Mode::automatic) body["tool_choice"] = tool_choice_of(choice);
  if (choice.parallel) body["parallel_tool_calls"] = *choice.parallel;
}

void add_response_format(Object& body, const ResponseFormat& format) {
  if (format.kind == ResponseFormat::Kind::text) return;
  Object out{{"type", enum_name(format.kind)}};
  if (format.kind == ResponseFormat::Kind::json_schema) {
    Object schema{{"name", format.name.empty() ? "answer" : format.name}};
    if (auto parsed = json::parse_value(format.schema.text)) schema["schema"] = std::move(*parsed);
    if (format.is_strict) schema["strict"] = *format.is_strict;
    out["json_schema"] = std::move(schema);
  }
  body["response_format"] = std::move(out);
}

// On a wire with levels, a budget becomes the level that usually spends as much.
Effort effort_for(uint32_t budget_tokens) {
  if (budget_tokens == 0) return Effort::none;
  if (budget_tokens <= 4096) return Effort::low;
  return budget_tokens <= 16384 ? Effort::medium : Effort::high;
}

void add_reasoning(Object& body, ReasoningForm form, const ReasoningControls& asked) {
  const bool is_on = asked.enabled.value_or(!asked.is_off());
  const bool says_whether = asked.enabled || asked.effort || asked.budget_tokens;
  if (!says_whether) return;
  std::optional<Effort> effort = asked.effort;
  if (!effort && asked.budget_tokens) effort = effort_for(*asked.budget_tokens);
  if (!is_on) effort = Effort::none;
  switch (form) {
    case ReasoningForm::effort:
      if (effort) body["reasoning_effort"] = enum_name(*effort);
      return;
    case ReasoningForm::thinking_object:
      body["thinking"] = Object{{"type", is_on ? "enabled" : "disabled"}};
      return;
    case ReasoningForm::enable_thinking:
      body["enable_thinking"] = is_on;
      if (is_on && asked.budget_tokens) body["thinking_budget"] = *asked.budget_tokens;
      return;
    case ReasoningForm::template_kwargs: {
      Object variables{{"enable_thinking", is_on}};
      if (effort) variables["reasoning_effort"] = enum_name(*effort);
      body["chat_template_kwargs"] = std::move(variables);
      return;
    }
    case ReasoningForm::reasoning_object: {
      Object out{{"enabled", is_on}};
      if (is_on && asked.budget_tokens)
        out["max_tokens"] = *asked.budget_tokens;
      else if (is_on && effort)
        out["effort"] = enum_name(*effort);
      body["reasoning"] = std::move(out);
      return;
    }
  }
}

// What the client wrote for the template itself goes over what was derived.
void add_template_variables(Object& body, const RawJson& variables) {
  auto parsed = json::parse_value(variables.text);
  if (!parsed || !parsed->is_object()) return;
  Value& out = body["chat_template_kwargs"];
  if (!out.is_object()) out = Object{};
  for (auto& [name, value] : parsed->as_object()) out.as_object()[name] = value;
}

std::vector<std::string> headers(std::string_view key) {
  if (key.empty()) return {};
  return {"authorization: Bearer " + std::string(key)};
}

}  // namespace

Result<std::string> chat_body(const Target& target, const Quirks& quirks,
                              const CompletionRequest& request) {
  Array messages;
  for (const Message& message : request.messages) add_message(messages, quirks, message);
  Object body{{"model", target.model},
              {"messages", std::move(messages)},
              {"stream", true},
              {"stream_options", Object{{"include_usage", true}}}};
  if (request.max_tokens) body[quirks.max_tokens] = request.max_tokens;
  if (!request.stop.empty()) body["stop"] = Array(request.stop.begin(), request.stop.end());
  add_sampling(body, quirks, request);
  add_tools(body, request);
  add_response_format(body, request.response_format);
  add_reasoning(body, quirks.reasoning, request.reasoning);
  add_template_variables(body, request.template_variables);
  return boost::json::serialize(body);
}

}  // namespace openai

const Wire kOpenAiChat = {
    .honours = {Need::tools, Need::images, Need::tool_choice, Need::one_call, Need::json_object,
                Need::json_schema, Need::presence_penalty, Need::frequency_penalty, Need::seed,
                Need::logit_bias},
    .path = [](const Target&) { return std::string("/chat/completions"); },
    .headers = &openai::headers,
    .body = &openai::chat_body,
    .reader = &openai::chat_reader,
};

}  // namespace hearth::router
