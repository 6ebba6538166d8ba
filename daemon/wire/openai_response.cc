#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "wire/carried.h"
#include "wire/openai.h"
#include "wire/prompt_notes.h"

namespace hearth::wire::openai {

std::string json_text(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
    const unsigned char head = byte(0);
    const size_t n = head < 0x80   ? 1
                     : head < 0xC2 ? 0
                     : head < 0xE0 ? 2
                     : head < 0xF0 ? 3
                     : head < 0xF5 ? 4
                                   : 0;
    bool is_whole = n > 0 && at + n <= bytes.size();
    for (size_t i = 1; i < n && is_whole; ++i) is_whole = (byte(i) & 0xC0) == 0x80;
    if (is_whole && n == 3)
      is_whole = (head != 0xE0 || byte(1) >= 0xA0) && (head != 0xED || byte(1) < 0xA0);
    if (is_whole && n == 4)
      is_whole = (head != 0xF0 || byte(1) >= 0x90) && (head != 0xF4 || byte(1) < 0x90);
    out += is_whole ? bytes.substr(at, n) : "\xEF\xBF\xBD";
    at += is_whole ? n : 1;
  }
  return out;
}

namespace {

using json::Array;
using json::Object;
using json::Value;

Object head_object(const Head& head, std::string_view kind) {
  return Object{
      {"id", head.id}, {"object", kind}, {"created", head.created_s}, {"model", head.model}};
}

std::string with_choice(const Head& head, std::string_view kind, Object choice) {
  Object body = head_object(head, kind);
  body["choices"] = Array{std::move(choice)};
  return boost::json::serialize(body);
}

// The wire has no word for an interrupted answer; what is there was cut short.
Value finish(FinishReason reason) {
  return Value(reason == FinishReason::cancelled ? "stop" : enum_name(reason));
}

Object candidate_object(const TokenLogprob::Candidate& candidate) {
  Array bytes;
  for (unsigned char byte : candidate.text) bytes.push_back(int{byte});
  return Object{{"token", json_text(candidate.text)},
                {"logprob", candidate.logprob},
                {"bytes", std::move(bytes)}};
}

Value chat_logprobs(std::span<const TokenLogprob> logprobs) {
  if (logprobs.empty()) return nullptr;
  Array content;
  for (const TokenLogprob& each : logprobs) {
    Object token = candidate_object(each.chosen);
    Array top;
    for (const TokenLogprob::Candidate& other : each.top) top.push_back(candidate_object(other));
    token["top_logprobs"] = std::move(top);
    content.push_back(std::move(token));
  }
  return Object{{"content", std::move(content)}, {"refusal", nullptr}};
}

size_t n_characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// `offset`: of the first of them in the answer; moved behind the last.
Value text_logprobs(std::span<const TokenLogprob> logprobs, size_t& offset) {
  if (logprobs.empty()) return nullptr;
  Array tokens, values, tops, offsets;
  for (const TokenLogprob& each : logprobs) {
    const bool is_known = !std::isnan(each.chosen.logprob);
    tokens.push_back(Value(json_text(each.chosen.text)));
    values.push_back(is_known ? Value(each.chosen.logprob) : Value(nullptr));
    Object top;
    for (const TokenLogprob::Candidate& other : each.top)
      top.emplace(json_text(other.text), other.logprob);
    tops.push_back(is_known ? Value(std::move(top)) : Value(nullptr));
    offsets.push_back(offset);
    offset += n_characters(each.chosen.text);
  }
  return Object{{"tokens", std::move(tokens)},
                {"token_logprobs", std::move(values)},
                {"top_logprobs", std::move(tops)},
                {"text_offset", std::move(offsets)}};
}

Object usage_object(const Completion& completion) {
  const Usage& usage = completion.usage;
  return Object{{"prompt_tokens", usage.n_prompt},
                {"completion_tokens", usage.n_completion},
                {"total_tokens", usage.n_prompt + usage.n_completion},
                {"prompt_tokens_details", prompt_details(completion)},
                {"completion_tokens_details", Object{{"reasoning_tokens", usage.n_reasoning}}}};
}

// What only its provider understands, where the clients of several wires keep such things.
Object details_of(std::string_view provider, std::string_view part) {
  return Object{{"type", "reasoning.encrypted"}, {"data", carry(provider, part)}};
}

Object message_object(const Message& message) {
  std::string reasoning;
  Array calls, details;
  for (const Block& block : message.blocks) {
    if (auto* thought = std::get_if<Reasoning>(&block.content)) reasoning += thought->text;
    if (auto* opaque = std::get_if<Opaque>(&block.content))
      details.push_back(details_of(opaque->provider, opaque->part.text));
    if (auto* call = std::get_if<ToolCall>(&block.content))
      calls.push_back(
          Object{{"id", call->id},
                 {"type", "function"},
                 {"function", Object{{"name", call->name}, {"arguments", call->arguments}}}});
  }
  std::string text = text_of(message);
  Object object{{"role", "assistant"}};
  object["content"] = text.empty() && !calls.empty() ? Value(nullptr) : Value(text);
  if (!reasoning.empty()) object["reasoning_content"] = reasoning;
  if (!details.empty()) object["reasoning_details"] = std::move(details);
  if (!calls.empty()) object["tool_calls"] = std::move(calls);
  return object;
}

std::string delta_chunk(const Head& head, Object delta, Value finish_reason,
                        Value logprobs = nullptr) {
  Object choice{{"index", 0}, {"delta", std::move(delta)}};
  if (!logprobs.is_null()) choice["logprobs"] = std::move(logprobs);
  choice["finish_reason"] = std::move(finish_reason);
  return with_choice(head, "chat.completion.chunk", std::move(choice));
}

}  // namespace

// As llama-server reports them, so that its clients show speeds.
Object timings_object(const Usage& usage, const Timings& timings) {
  double n_computed = usage.n_prompt - usage.n_cached;
  return Object{
      {"queue_ms", timings.queue_ms},
      {"prompt_n", usage.n_prompt - usage.n_cached},
      {"prompt_ms", timings.prefill_ms},
      {"prompt_per_second", timings.prefill_ms > 0 ? 1000 * n_computed / timings.prefill_ms : 0.0},
      {"predicted_n", usage.n_completion},
      {"predicted_ms", timings.decode_ms},
      {"predicted_per_second",
       timings.decode_ms > 0 ? 1000.0 * usage.n_completion / timings.decode_ms : 0.0}};
}

std::string chat_response(const Head& head, const Completion& completion) {
  Object body = head_object(head, "chat.completion");
  body["choices"] = Array{Object{{"index", 0},
                                 {"message", message_object(completion.message)},
                                 {"logprobs", chat_logprobs(completion.logprobs)},
                                 {"finish_reason", finish(completion.finish_reason)}}};
  body["usage"] = usage_object(completion);
  body["timings"] = timings_object(completion.usage, completion.timings);
  return boost::json::serialize(body);
}

std::string text_response(const Head& head, std::span<const Completion> choices,
                          const Completion& total) {
  Object body = head_object(head, "text_completion");
  Array list;
  for (const Completion& choice : choices) {
    size_t offset = 0;
    list.push_back(Object{{"index", list.size()},
                          {"text", text_of(choice.message)},
                          {"logprobs", text_logprobs(choice.logprobs, offset)},
                          {"finish_reason", finish(choice.finish_reason)}});
  }
  body["choices"] = std::move(list);
  body["usage"] = usage_object(total);
  body["timings"] = timings_object(total.usage, total.timings);
  return boost::json::serialize(body);
}

std::string chat_first_chunk(const Head& head) {
  return delta_chunk(head, Object{{"role", "assistant"}, {"content", ""}}, nullptr);
}

std::string chat_chunk(const Head& head, const StreamDelta& delta) {
  switch (delta.kind) {
    case StreamDelta::Kind::text:
      return delta.text.empty() && delta.logprobs.empty()
                 ? ""
                 : delta_chunk(head, Object{{"content", delta.text}}, nullptr,
                               chat_logprobs(delta.logprobs));
    case StreamDelta::Kind::reasoning:
      return delta.text.empty() ? ""
                                : delta_chunk(head, Object{{"reasoning_content", delta.text}},
                                              nullptr, chat_logprobs(delta.logprobs));
    case StreamDelta::Kind::tool_call: {
      if (delta.tool_name.empty() && delta.text.empty()) return "";
      Object call{{"index", delta.tool_index}};
      Object function;
      if (!delta.tool_name.empty()) {
        call["id"] = delta.tool_id;
        call["type"] = "function";
        function["name"] = delta.tool_name;
      }
      function["arguments"] = delta.text;
      call["function"] = std::move(function);
      return delta_chunk(head, Object{{"tool_calls", Array{std::move(call)}}}, nullptr,
                         chat_logprobs(delta.logprobs));
    }
    case StreamDelta::Kind::opaque:
      return delta_chunk(
          head, Object{{"reasoning_details", Array{details_of(delta.provider, delta.text)}}},
          nullptr);
    case StreamDelta::Kind::progress: return "";
  }
  return "";
}

std::string chat_last_chunk(const Head& head, FinishReason reason) {
  return delta_chunk(head, Object{}, finish(reason));
}

std::string text_chunk(const Head& head, size_t index, std::string_view text,
                       std::span<const TokenLogprob> logprobs, size_t& offset) {
  if (logprobs.empty()) offset += n_characters(text);
  return with_choice(head, "text_completion",
                     Object{{"index", index},
                            {"text", text},
                            {"logprobs", text_logprobs(logprobs, offset)},
                            {"finish_reason", nullptr}});
}

std::string text_last_chunk(const Head& head, size_t index, FinishReason reason) {
  return with_choice(head, "text_completion",
                     Object{{"index", index},
                            {"text", ""},
                            {"logprobs", nullptr},
                            {"finish_reason", finish(reason)}});
}

std::string usage_chunk(const Head& head, bool is_chat, const Completion& completion) {
  Object body = head_object(head, is_chat ? "chat.completion.chunk" : "text_completion");
  body["choices"] = Array{};
  body["usage"] = usage_object(completion);
  body["timings"] = timings_object(completion.usage, completion.timings);
  return boost::json::serialize(body);
}

namespace {

struct Row {
  Errc code;
  int status;
  std::string_view type, word;
};

// When Hearth speaks. A failed engine child is ours too.
constexpr Row kOurs[] = {
    {Errc::invalid, 400, "invalid_request_error", "invalid_request"},
    {Errc::not_found, 404, "invalid_request_error", "model_not_found"},
    {Errc::denied, 403, "permission_error", "policy_denied"},
    {Errc::cancelled, 499, "server_error", "cancelled"},
    {Errc::timeout, 504, "server_error", "timeout"},
    {Errc::busy, 503, "server_error", "overloaded"},
    {Errc::over_budget, 402, "insufficient_quota", "over_budget"},
    {Errc::context_exceeded, 400, "invalid_request_error", "context_length_exceeded"},
    {Errc::unsupported, 400, "invalid_request_error", "unsupported"},
    {Errc::corrupt, 500, "server_error", "model_corrupt"},
    {Errc::io, 500, "server_error", "io_error"},
    {Errc::upstream, 500, "server_error", "engine_failed"},
    {Errc::internal, 500, "server_error", "internal_error"},
};

// When a provider does. Clients compact on the one word, whoever says it.
constexpr Row kProviders[] = {
    {Errc::invalid, 400, "invalid_request_error", "provider_refused"},
    {Errc::not_found, 404, "invalid_request_error", "provider_not_found"},
    {Errc::denied, 403, "permission_error", "provider_denied"},
    {Errc::timeout, 504, "server_error", "provider_timeout"},
    {Errc::busy, 503, "server_error", "provider_overloaded"},
    {Errc::over_budget, 402, "insufficient_quota", "provider_quota"},
    {Errc::context_exceeded, 400, "invalid_request_error", "context_length_exceeded"},
    {Errc::upstream, 502, "server_error", "provider_failed"},
};

Row row_of(std::span<const Row> rows, Errc code) {
  for (const Row& row : rows)
    if (row.code == code) return row;
  return rows.back();
}

Value param_of(const Failure& failure) {
  if (failure.code == Errc::context_exceeded) return Value("messages");
  const std::string_view field = failure.is_ours() ? field_of(failure) : "";
  const bool is_wrong = failure.code == Errc::invalid || failure.code == Errc::unsupported;
  return is_wrong && !field.empty() ? Value(field) : Value(nullptr);
}

int status_of(const Failure& failure, int usual) {
  const long said = failure.http_status;
  const bool is_ours_to_choose = said < 400 || said >= 500 || said == 401 || said == 407 ||
                                 said == 408 || failure.code == Errc::context_exceeded;
  return is_ours_to_choose ? usual : static_cast<int>(said);
}

}  // namespace

ErrorReply error_reply(const Failure& failure) {
  const Row row =
      failure.is_ours() ? row_of(kOurs, failure.code) : row_of(kProviders, failure.code);
  const bool is_context = failure.code == Errc::context_exceeded;
  const bool has_word = !failure.word.empty() && !is_context;
  Object body{{"message", failure.message},
              {"type", failure.http_status == 429 ? "rate_limit_error" : row.type},
              {"param", param_of(failure)},
              {"code", has_word ? std::string_view(failure.word) : row.word}};
  if (is_context && failure.n_context) {
    body["n_prompt_tokens"] = failure.n_prompt;  // the names llama-server's clients know
    body["n_ctx"] = failure.n_context;
    body["message"] = fmt::format(
        "This model's maximum context length is {} tokens. However, your messages resulted in {} "
        "tokens. Please reduce the length of the messages.",
        failure.n_context, failure.n_prompt);
  }
  if (!failure.is_ours()) body["provider"] = failure.speaker;
  ErrorReply reply{status_of(failure, row.status),
                   boost::json::serialize(Object{{"error", std::move(body)}}), std::nullopt};
  if (failure.retry_after)
    reply.retry_after_s = failure.retry_after->count();
  else if (failure.is_ours() && failure.code == Errc::busy)
    reply.retry_after_s = 1;
  return reply;
}

}  // namespace hearth::wire::openai
