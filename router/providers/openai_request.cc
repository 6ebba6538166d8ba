#include <fmt/format.h>

#include <algorithm>

#include "providers/cache_markers.h"
#include "providers/openai_chat.h"
#include "providers/openai_parts.h"
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

// What OpenRouter gives of a model's thoughts, signatures included, and wants back as it was.
Array reasoning_details_of(const Message& message, std::string_view provider) {
  Array details;
  for (const Block& block : message.blocks) {
    auto* opaque = std::get_if<Opaque>(&block.content);
    if (!opaque || opaque->provider != provider) continue;
    auto part = json::parse_value(opaque->part.text);
    Value* list =
        part && part->is_object() ? part->as_object().if_contains("reasoning_details") : nullptr;
    if (!list || !list->is_array()) continue;
    for (Value& each : list->as_array()) details.push_back(std::move(each));
  }
  return details;
}

void add_message(Array& out, std::string_view provider, const Quirks& quirks,
                 const Message& message) {
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
  if (Array details = reasoning_details_of(message, provider); !details.empty())
    row["reasoning_details"] = std::move(details);
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
  if (sampling.seed) body[quirks.seed] = *sampling.seed;
  if (!sampling.logit_bias.empty()) {
    Object biases;
    for (const LogitBias& each : sampling.logit_bias)
      biases[std::to_string(each.token)] = shortest(each.bias);
    body["logit_bias"] = std::move(biases);
  }
  if (request.ignore_eos) body["ignore_eos"] = true;
}

Value tool_choice_of(const Quirks& quirks, const ToolChoice& choice) {
  if (choice.mode == ToolChoice::Mode::required) return Value(quirks.call_required);
  if (choice.mode != ToolChoice::Mode::named) return Value(enum_name(choice.mode));
  return Object{{"type", "function"}, {"function", Object{{"name", choice.name}}}};
}

void add_tools(Object& body, const Quirks& quirks, const CompletionRequest& request) {
  if (request.tools.empty()) return;
  Array tools;
  for (const ToolSpec& tool : request.tools) {
    Object function{{"name", tool.name}, {"description", tool.description}};
    if (auto schema = json::parse_value(tool.parameters.text))
      function["parameters"] = std::move(*schema);
    if (tool.is_strict) function["strict"] = true;
    tools.push_back(Object{{"type", "function"}, {"function", std::move(function)}});
  }
  body["tools"] = std::move(tools);
  const ToolChoice& choice = request.tool_choice;
  if (choice.mode != ToolChoice::Mode::automatic)
    body["tool_choice"] = tool_choice_of(quirks, choice);
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

void add_reasoning(Object& body, ReasoningForm form, const ReasoningControls& asked) {
  const bool is_on = asked.enabled.value_or(!asked.is_off());
  const bool says_whether = asked.enabled || asked.effort || asked.budget_tokens;
  if (!says_whether) return;
  const std::optional<Effort> effort = effort_of(asked);
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

// The ends of the instructions and of each turn after them, their contents as parts.
void mark_prompt(Object& body, std::string_view model) {
  std::vector<CacheSpot> spots;
  uint64_t n_bytes = body.contains("tools") ? boost::json::serialize(body["tools"]).size() : 0;
  Array& messages = body["messages"].as_array();
  for (size_t i = 0; i < messages.size(); ++i) {
    Object& message = messages[i].as_object();
    Value& content = message["content"];
    n_bytes += boost::json::serialize(message).size();
    const bool instructs = message["role"] == "system" || message["role"] == "developer";
    const bool ends = i + 1 == messages.size() || messages[i + 1].at("role") != message["role"];
    if (!ends || message["role"] == "assistant") continue;
    if (auto* text = content.if_string()) {
      if (text->empty()) continue;
      Object part{{"type", "text"}, {"text", *text}};
      content = Array{std::move(part)};
    }
    if (!content.is_array() || content.as_array().empty()) continue;
    spots.push_back({&content.as_array().back().as_object(), n_bytes, instructs && i == 0});
  }
  mark_cache(spots, min_cached_tokens(model));
}

}  // namespace

Result<std::string> chat_body(const Target& target, const Quirks& quirks,
                              const CompletionRequest& request, std::string_view affinity,
                              const OwnWords&) {
  Array messages;
  for (const Message& message : request.messages)
    add_message(messages, target.provider, quirks, message);
  Object body{{"model", target.model}, {"messages", std::move(messages)}, {"stream", true}};
  if (quirks.asks_usage) body["stream_options"] = Object{{"include_usage", true}};
  if (request.max_tokens) body[quirks.max_tokens] = request.max_tokens;
  if (!request.stop.empty()) body["stop"] = Array(request.stop.begin(), request.stop.end());
  add_sampling(body, quirks, request);
  add_tools(body, quirks, request);
  add_response_format(body, request.response_format);
  add_reasoning(body, quirks.reasoning, request.reasoning);
  add_template_variables(body, request.template_variables);
  if (affinity.empty()) return boost::json::serialize(body);
  if (!quirks.affinity_key.empty()) body[quirks.affinity_key] = affinity;
  const std::string_view marked = quirks.marks_cache_of;
  if (marked == "*" || (!marked.empty() && target.model.starts_with(marked)))
    mark_prompt(body, target.model);
  return boost::json::serialize(body);
}

}  // namespace openai

const Wire kOpenAiChat = {
    .honours = {Need::tools, Need::images, Need::tool_choice, Need::one_call, Need::json_object,
                Need::json_schema, Need::presence_penalty, Need::frequency_penalty, Need::seed,
                Need::logit_bias, Need::stop},
    .path = [](const Target&) { return std::string("/chat/completions"); },
    .headers = &openai::bearer_headers,
    .body = &openai::chat_body,
    .reader = &openai::chat_reader,
};

}  // namespace hearth::router
