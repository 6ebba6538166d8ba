#include "providers/openai_wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

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

// The wire's tool messages hold text alone: images that belong to a result follow as the user's.
void add_tool_results(Array& out, const Message& message) {
  for (const Block& block : message.blocks)
    if (auto* result = std::get_if<ToolResult>(&block.content))
      out.push_back(
          Object{{"role", "tool"}, {"tool_call_id", result->call_id}, {"content", result->text}});
  Value rest = content_of(message);
  if (rest.is_array()) out.push_back(Object{{"role", "user"}, {"content", std::move(rest)}});
}

void add_message(Array& out, const Message& message) {
  if (message.role == Role::tool) return add_tool_results(out, message);
  Object row{{"role", enum_name(message.role)}};
  row["content"] = content_of(message);
  if (message.name) row["name"] = *message.name;
  Array calls;
  for (const Block& block : message.blocks)
    if (auto* call = std::get_if<ToolCall>(&block.content))
      calls.push_back(
          Object{{"id", call->id},
                 {"type", "function"},
                 {"function", Object{{"name", call->name}, {"arguments", call->arguments}}}});
  if (!calls.empty()) {
    if (auto* text = row["content"].if_string(); text && text->empty()) row["content"] = nullptr;
    row["tool_calls"] = std::move(calls);
  }
  out.push_back(std::move(row));
}

// 0.7f as 0.7 and not as 0.699999988079071.
double shortest(float value) { return std::strtod(fmt::to_string(value).c_str(), nullptr); }

void add_sampling(Object& body, const Sampling& sampling) {
  auto add = [&](std::string_view name, std::optional<float> value) {
    if (value) body[name] = shortest(*value);
  };
  add("temperature", sampling.temperature);
  add("top_p", sampling.top_p);
  add("presence_penalty", sampling.presence_penalty);
  add("frequency_penalty", sampling.frequency_penalty);
  if (sampling.seed) body["seed"] = *sampling.seed;
}

// The canonical {"name": ...} is {"type": "function", "function": {"name": ...}} on this wire.
Value tool_choice_of(Value choice) {
  Object* named = choice.if_object();
  if (!named || named->contains("type") || !named->contains("name")) return choice;
  return Object{{"type", "function"}, {"function", std::move(*named)}};
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
  if (!usage["prompt_tokens_details"].get(details))
    read.n_cached = count_at(details, "cached_tokens");
  if (!usage["completion_tokens_details"].get(details))
    read.n_reasoning = count_at(details, "reasoning_tokens");
  read.n_cached = std::min(read.n_cached, read.n_prompt);
  return read;
}

// Some send the arguments as an object, though the wire says text.
std::string arguments_of(Element function) {
  Element arguments;
  if (function["arguments"].get(arguments) || arguments.is_null()) return "";
  if (auto text = text_at(function, "arguments")) return std::string(*text);
  return json::to_text(arguments);
}

// Names beside the standard ones. An answer that the provider could not finish is none.
struct ReasonRow {
  std::string_view said;
  std::optional<FinishReason> meant;  // nullopt: the provider failed
};
constexpr ReasonRow kReasons[] = {
    {"function_call", FinishReason::tool_calls},
    {"model_length", FinishReason::length},
    {"max_tokens", FinishReason::length},
    {"sensitive", FinishReason::content_filter},
    {"error", std::nullopt},
    {"network_error", std::nullopt},
    {"insufficient_system_resource", std::nullopt},
};

// "" for an absurd wait; a date is passed on as it is.
std::string wait_of(std::optional<std::string_view> retry_after) {
  if (!retry_after || retry_after->empty()) return "";
  uint32_t seconds = 0;
  const char* end = retry_after->data() + retry_after->size();
  auto [rest, failed] = std::from_chars(retry_after->data(), end, seconds);
  if (failed == std::errc::result_out_of_range || (rest == end && seconds > 7 * 86400)) return "";
  if (rest == end) return fmt::format(" (retry after {} s)", seconds);
  return fmt::format(" (retry after {})", words_of(retry_after->substr(0, 40)));
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
      if (auto schema = json::parse_value(tool.parameters.text))
        function["parameters"] = std::move(*schema);
      tools.push_back(Object{{"type", "function"}, {"function", std::move(function)}});
    }
    body["tools"] = std::move(tools);
    if (auto choice = json::parse_value(request.tool_choice.text))
      body["tool_choice"] = tool_choice_of(std::move(*choice));
  }
  if (auto variables = json::parse_value(request.template_variables.text);
      variables && variables->is_object())
    if (auto* effort = variables->as_object().if_contains("reasoning_effort"))
      body["reasoning_effort"] = *effort;
  return boost::json::serialize(body);
}

void StreamReader::hear_delta(const StreamDelta& delta) {
  append(completion_.message, delta);
  sink_(delta);
}

// Indexes may begin anywhere, be missing, or be 0 for each of several calls that differ by id.
Result<> StreamReader::hear_call(Element call) {
  constexpr size_t kMaxCalls = 256;
  std::string_view id = text_at(call, "id").value_or("");
  uint64_t index = 0;
  bool has_index = !call["index"].get_uint64().get(index);
  auto is_same = [&](const Call& known) {
    return (!has_index || known.index == index) &&
           (id.empty() || known.id.empty() || known.id == id);
  };
  auto found = std::find_if(calls_.rbegin(), calls_.rend(), is_same);
  StreamDelta piece;
  piece.kind = StreamDelta::Kind::tool_call;
  if (found == calls_.rend()) {
    if (calls_.size() == kMaxCalls)
      return Error{Errc::upstream,
                   fmt::format("the answer holds more than {} tool calls", kMaxCalls)};
    calls_.push_back({index, std::string(id)});
    found = calls_.rbegin();
    piece.tool_id = id;
  }
  piece.tool_index = static_cast<uint32_t>(calls_.rend() - found - 1);
  Element function;
  if (!call["function"].get(function)) {
    piece.tool_name = text_at(function, "name").value_or("");
    piece.text = arguments_of(function);
  }
  hear_delta(piece);
  return {};
}

Result<> StreamReader::hear_finish_reason(std::string_view reason) {
  auto meant = enum_from_name<FinishReason>(reason);
  auto row = std::ranges::find(kReasons, reason, &ReasonRow::said);
  if (row != std::end(kReasons)) meant = row->meant;
  if (row != std::end(kReasons) && !meant)
    return Error{Errc::upstream,
                 fmt::format("the provider ended its answer unfinished: {}", reason)};
  has_finish_reason_ = true;
  completion_.finish_reason = meant.value_or(FinishReason::stop);
  return {};
}

Result<> StreamReader::hear(std::string_view data) {
  if (data == "[DONE]") {
    is_done_ = true;
    return {};
  }
  auto document = json::Document::parse(data);
  if (!document)
    return Error{Errc::upstream, fmt::format("the stream holds what is not JSON ({}): {}",
                                             document.error().message, words_of(data))};
  Element root = document->root();
  Element part;
  if (!root["error"].get(part) && !part.is_null())
    return Error{Errc::upstream, words_of(text_at(part, "message").value_or(json::to_text(part)))};
  if (!root["usage"].get(part) && part.is_object()) completion_.usage = usage_of(part);
  Element choice;
  if (root["choices"].at(0).get(choice)) return {};
  if (!choice["usage"].get(part) && part.is_object())
    completion_.usage = usage_of(part);  // Moonshot
  Element delta;
  if (!choice["delta"].get(delta)) {
    auto say = [&](StreamDelta::Kind kind, std::string_view field) {
      auto text = text_at(delta, field);
      if (!text || text->empty()) return false;
      StreamDelta piece;
      piece.kind = kind;
      piece.text = *text;
      hear_delta(piece);
      return true;
    };
    if (!say(StreamDelta::Kind::reasoning, "reasoning_content"))
      say(StreamDelta::Kind::reasoning, "reasoning");
    say(StreamDelta::Kind::text, "content");
    say(StreamDelta::Kind::text, "refusal");  // what the model says in place of an answer
    simdjson::dom::array calls;
    if (!delta["tool_calls"].get_array().get(calls))
      for (Element call : calls)
        if (auto heard = hear_call(call); !heard) return heard;
  }
  auto reason = text_at(choice, "finish_reason");
  if (!reason || reason->empty()) return {};
  return hear_finish_reason(*reason);
}

Result<Completion> StreamReader::finish(const std::string& provider) {
  if (!has_finish_reason_)
    return Error{Errc::upstream,
                 fmt::format("{} closed the stream before the answer was complete", provider)};
  completion_.message.role = Role::assistant;
  return std::move(completion_);
}

std::string words_of(std::string_view bytes) {
  constexpr size_t kMaxBytes = 500;
  if (bytes.size() > kMaxBytes) {
    bytes = bytes.substr(0, kMaxBytes);
    while (!bytes.empty() && (bytes.back() & 0xc0) == 0x80)
      bytes.remove_suffix(1);  // not within a character
    if (!bytes.empty() && (bytes.back() & 0x80)) bytes.remove_suffix(1);
  }
  std::string words(bytes);
  bool is_text = simdjson::validate_utf8(words);
  for (char& c : words) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
    if (byte >= 0x80 && !is_text) c = '?';
  }
  return words;
}

Error error_of(const Target& target, long status, std::string_view body,
               std::optional<std::string_view> retry_after, std::string_view key_source) {
  std::string said;
  std::string_view code;
  auto document = json::Document::parse(body);
  Element error;
  if (document && !document->root()["error"].get(error)) {
    said = words_of(text_at(error, "message").value_or(""));
    code = text_at(error, "code").value_or("");
  }
  if (said.empty()) said = words_of(body);
  std::string text = fmt::format("{} answered {}: {}", target.provider, status, said);
  if (code == "context_length_exceeded") return {Errc::context_exceeded, std::move(text)};
  switch (status) {
    case 401:
    case 403: return {Errc::denied, fmt::format("{} (the key comes from {})", text, key_source)};
    case 402: return {Errc::over_budget, std::move(text)};
    case 404: return {Errc::not_found, std::move(text)};
    case 429:
      if (code == "insufficient_quota") return {Errc::over_budget, std::move(text)};
      return {Errc::busy, text + wait_of(retry_after)};
    case 408: return {Errc::timeout, std::move(text)};
    case 503:
    case 529: return {Errc::busy, text + wait_of(retry_after)};
    default: return {status >= 500 ? Errc::upstream : Errc::invalid, std::move(text)};
  }
}

}  // namespace hearth::router::openai
