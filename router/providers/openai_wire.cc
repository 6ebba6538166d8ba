#include "providers/openai_wire.h"

#include <fmt/format.h>

#include "support/json.h"

namespace hearth::router::openai {

namespace {

using json::Array;
using json::Element;
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

void add_message(Array& out, const Message& message) {
  Object row{{"role", enum_name(message.role)}};
  if (message.role == Role::tool) {
    for (const Block& block : message.blocks)
      if (auto* result = std::get_if<ToolResult>(&block.content))
        out.push_back(Object{{"role", "tool"}, {"tool_call_id", result->call_id}, {"content", result->text}});
    return;
  }
  row["content"] = content_of(message);
  if (message.name) row["name"] = *message.name;
  Array calls;
  for (const Block& block : message.blocks)
    if (auto* call = std::get_if<ToolCall>(&block.content))
      calls.push_back(Object{{"id", call->id},
                             {"type", "function"},
                             {"function", Object{{"name", call->name}, {"arguments", call->arguments}}}});
  if (!calls.empty()) {
    if (row["content"].as_string().empty()) row["content"] = nullptr;
    row["tool_calls"] = std::move(calls);
  }
  out.push_back(std::move(row));
}

void add_sampling(Object& body, const Sampling& sampling) {
  auto add = [&](std::string_view name, const auto& value) {
    if (value) body[name] = *value;
  };
  add("temperature", sampling.temperature);
  add("top_p", sampling.top_p);
  add("presence_penalty", sampling.presence_penalty);
  add("frequency_penalty", sampling.frequency_penalty);
  add("seed", sampling.seed);
}

std::optional<std::string_view> text_at(Element object, std::string_view name) {
  std::string_view text;
  if (object[name].get_string().get(text)) return std::nullopt;
  return text;
}

uint32_t count_at(Element object, std::string_view name) {
  uint64_t count = 0;
  if (object[name].get_uint64().get(count)) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
}

Usage usage_of(Element usage) {
  Usage read;
  read.n_prompt = count_at(usage, "prompt_tokens");
  read.n_completion = count_at(usage, "completion_tokens");
  Element details;
  if (!usage["prompt_tokens_details"].get(details)) read.n_cached = count_at(details, "cached_tokens");
  if (!usage["completion_tokens_details"].get(details)) read.n_reasoning = count_at(details, "reasoning_tokens");
  return read;
}

}  // namespace

std::string chat_body(const Target& target, const CompletionRequest& request) {
  Array messages;
  for (const Message& message : request.messages) add_message(messages, message);
  Object body{{"model", target.model},
              {"messages", std::move(messages)},
              {"stream", true},
              {"stream_options", Object{{"include_usage", true}}}};
  if (request.max_tokens) body["max_tokens"] = request.max_tokens;
  if (!request.stop.empty()) body["stop"] = Array(request.stop.begin(), request.stop.end());
  add_sampling(body, request.sampling);
  if (!request.tools.empty()) {
    Array tools;
    for (const ToolSpec& tool : request.tools) {
      Object function{{"name", tool.name}, {"description", tool.description}};
      if (auto schema = json::parse_value(tool.parameters.text)) function["parameters"] = std::move(*schema);
      tools.push_back(Object{{"type", "function"}, {"function", std::move(function)}});
    }
    body["tools"] = std::move(tools);
    if (auto choice = json::parse_value(request.tool_choice.text)) body["tool_choice"] = std::move(*choice);
  }
  if (auto variables = json::parse_value(request.template_variables.text); variables && variables->is_object())
    if (auto* effort = variables->as_object().if_contains("reasoning_effort")) body["reasoning_effort"] = *effort;
  return boost::json::serialize(body);
}

void StreamReader::hear_delta(const StreamDelta& delta) {
  has_begun_ = true;
  append(completion_.message, delta);
  sink_(delta);
}

Result<> StreamReader::hear(std::string_view data) {
  if (data == "[DONE]") {
    is_done_ = true;
    return {};
  }
  auto document = json::Document::parse(data);
  if (!document) return Error{Errc::upstream, "the stream holds what is not JSON: " + document.error().message};
  Element root = document->root();
  Element part;
  if (!root["error"].get(part) && !part.is_null())
    return Error{Errc::upstream, std::string(text_at(part, "message").value_or(json::to_text(part)))};
  if (!root["usage"].get(part) && part.is_object()) completion_.usage = usage_of(part);
  Element choice;
  if (root["choices"].at(0).get(choice)) return {};
  if (!choice["usage"].get(part) && part.is_object()) completion_.usage = usage_of(part);  // Moonshot
  if (auto reason = text_at(choice, "finish_reason")) {
    has_finish_reason_ = true;
    completion_.finish_reason = enum_from_name<FinishReason>(*reason).value_or(FinishReason::stop);
  }
  Element delta;
  if (choice["delta"].get(delta)) return {};
  StreamDelta piece;
  for (std::string_view field : {"reasoning_content", "reasoning"})
    if (auto text = text_at(delta, field); text && !text->empty()) {
      piece.kind = StreamDelta::Kind::reasoning;
      piece.text = *text;
      hear_delta(piece);
      break;
    }
  if (auto text = text_at(delta, "content"); text && !text->empty()) {
    piece.kind = StreamDelta::Kind::text;
    piece.text = *text;
    hear_delta(piece);
  }
  simdjson::dom::array calls;
  if (delta["tool_calls"].get_array().get(calls)) return {};
  for (Element call : calls) {
    StreamDelta part_of_call;
    part_of_call.kind = StreamDelta::Kind::tool_call;
    part_of_call.tool_index = count_at(call, "index");
    part_of_call.tool_id = text_at(call, "id").value_or("");
    Element function;
    if (!call["function"].get(function)) {
      part_of_call.tool_name = text_at(function, "name").value_or("");
      part_of_call.text = text_at(function, "arguments").value_or("");
    }
    hear_delta(part_of_call);
  }
  return {};
}

Result<Completion> StreamReader::finish(const std::string& provider) {
  if (!is_done_ && !has_finish_reason_)
    return Error{Errc::upstream, fmt::format("{} closed the stream before the answer was complete", provider)};
  completion_.message.role = Role::assistant;
  return std::move(completion_);
}

Error error_of(const Target& target, long status, std::string_view body,
               std::optional<std::string_view> retry_after) {
  std::string said;
  std::string_view code;
  auto document = json::Document::parse(body);
  Element error;
  if (document && !document->root()["error"].get(error)) {
    said = text_at(error, "message").value_or("");
    code = text_at(error, "code").value_or("");
  }
  if (said.empty()) said = body.substr(0, 200);
  std::string text = fmt::format("{} answered {}: {}", target.provider, status, said);
  if (code == "context_length_exceeded") return {Errc::context_exceeded, std::move(text)};
  switch (status) {
    case 401:
    case 403: {
      std::string_view key = target.key_env.empty() ? std::string_view(target.key_file) : target.key_env;
      return {Errc::denied, fmt::format("{} (the key comes from {})", text, key)};
    }
    case 402: return {Errc::over_budget, std::move(text)};
    case 404: return {Errc::not_found, std::move(text)};
    case 429:
      if (code == "insufficient_quota") return {Errc::over_budget, std::move(text)};
      return {Errc::busy, retry_after ? fmt::format("{} (retry after {} s)", text, *retry_after) : text};
    case 503:
    case 529: return {Errc::busy, std::move(text)};
    default: return {status >= 500 ? Errc::upstream : Errc::invalid, std::move(text)};
  }
}

}  // namespace hearth::router::openai
