#include "wire/anthropic_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/json.h"
#include "wire/anthropic.h"
#include "wire/carried.h"
#include "wire/parts.h"
#include "wire/prompt_notes.h"

namespace hearth::wire::anthropic {

namespace {

using json::Array;
using json::Object;
using json::Value;

// The classes are disjoint on this wire.
Object usage_object(const Usage& usage) {
  return Object{{"input_tokens", usage.n_fresh()},
                {"cache_creation_input_tokens", usage.n_cache_write + usage.n_cache_write_1h},
                {"cache_read_input_tokens", usage.n_cached},
                {"cache_creation", Object{{"ephemeral_5m_input_tokens", usage.n_cache_write},
                                          {"ephemeral_1h_input_tokens", usage.n_cache_write_1h}}},
                {"output_tokens", usage.n_completion},
                {"service_tier", "standard"}};
}

Object usage_object(const Completion& completion) {
  Object usage = usage_object(completion.usage);
  add_prompt_notes(completion, usage);
  return usage;
}

// The wire has no word for an interrupted answer; what is there was cut short.
std::string_view stop_reason(FinishReason reason) {
  switch (reason) {
    case FinishReason::length: return "max_tokens";
    case FinishReason::tool_calls: return "tool_use";
    case FinishReason::content_filter: return "refusal";
    case FinishReason::stop:
    case FinishReason::cancelled: break;
  }
  return "end_turn";
}

// The wire wants an object; what a model wrote may be none.
Value input_of(const std::string& arguments) {
  auto parsed = json::parse_value(arguments);
  if (parsed && parsed->is_object()) return std::move(*parsed);
  if (arguments.find_first_not_of(" \t\r\n") == arguments.npos) return Object{};
  return Object{{"arguments", arguments}};
}

// The content blocks of an answer, and the events that make them where it is a stream.
class MessagesAnswer final : public AnswerShape, private PartSink {
 public:
  explicit MessagesAnswer(std::vector<std::string> stop) : stop_(std::move(stop)) {}

  std::string whole(const Head& head, const Completion& completion) override {
    for (const StreamDelta& delta : deltas_of(completion.message)) parts_.hear(delta);
    parts_.finish();
    Object message = message_object(head);
    message["content"] = std::move(content_);
    message["stop_reason"] = reason_of(completion);
    message["stop_sequence"] = sequence_of(completion);
    message["usage"] = usage_object(completion);
    return boost::json::serialize(message);
  }

  void begin(const Head& head, std::string& out) override {
    Object message = message_object(head);
    Usage usage;
    usage.n_prompt = std::max(head.n_prompt, head.n_cached);
    usage.n_cached = head.n_cached;
    message["usage"] = usage_object(usage);
    out_ = &out;
    event("message_start", Object{{"message", std::move(message)}});
  }

  void hear(const Head&, const StreamDelta& delta, std::string& out) override {
    out_ = &out;
    parts_.hear(delta);
  }

  void end(const Head&, const Completion& completion, std::string& out) override {
    out_ = &out;
    parts_.finish();
    event("message_delta", Object{{"delta", Object{{"stop_reason", reason_of(completion)},
                                                   {"stop_sequence", sequence_of(completion)}}},
                                  {"usage", usage_object(completion)}});
    event("message_stop", Object{});
  }

  void fail(const Head&, const Failure& failure, std::string& out) override {
    add_event(out, "error", error_reply(failure, "").body);
  }

 private:
  static Object message_object(const Head& head) {
    return Object{{"id", head.id},           {"type", "message"},  {"role", "assistant"},
                  {"model", head.model},     {"content", Array{}}, {"stop_reason", nullptr},
                  {"stop_sequence", nullptr}};
  }

  bool is_stopped_by_sequence(const Completion& completion) const {
    return completion.finish_reason == FinishReason::stop && completion.stop_string &&
           std::ranges::count(stop_, *completion.stop_string) > 0;
  }
  std::string_view reason_of(const Completion& completion) const {
    return is_stopped_by_sequence(completion) ? "stop_sequence"
                                              : stop_reason(completion.finish_reason);
  }
  Value sequence_of(const Completion& completion) const {
    return is_stopped_by_sequence(completion) ? Value(*completion.stop_string) : Value(nullptr);
  }

  void event(std::string_view type, Object fields) {
    if (!out_) return;
    Object data{{"type", type}};
    for (auto& [name, value] : fields) data[name] = std::move(value);
    add_event(*out_, type, boost::json::serialize(data));
  }
  void start(Object block) {
    event("content_block_start",
          Object{{"index", content_.size()}, {"content_block", std::move(block)}});
  }
  void delta(Object fields) {
    event("content_block_delta", Object{{"index", content_.size()}, {"delta", std::move(fields)}});
  }
  void stop(Object block) {
    event("content_block_stop", Object{{"index", content_.size()}});
    content_.push_back(std::move(block));
  }

  void add_block(Object block) {
    start(block);
    stop(std::move(block));
  }

  void open(const Part& part) override {
    signature_.clear();
    switch (part.kind) {
      case StreamDelta::Kind::reasoning:
        return start(Object{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
      case StreamDelta::Kind::tool_call:
        return start(Object{
            {"type", "tool_use"}, {"id", part.call_id}, {"name", part.name}, {"input", Object{}}});
      default: return start(Object{{"type", "text"}, {"text", ""}});
    }
  }

  void piece(const Part& part, std::string_view text) override {
    switch (part.kind) {
      case StreamDelta::Kind::reasoning:
        return delta(Object{{"type", "thinking_delta"}, {"thinking", text}});
      case StreamDelta::Kind::tool_call:
        return delta(Object{{"type", "input_json_delta"}, {"partial_json", text}});
      default: return delta(Object{{"type", "text_delta"}, {"text", text}});
    }
  }

  void close(const Part& part) override {
    switch (part.kind) {
      case StreamDelta::Kind::reasoning:
        stop(thinking(part.text, signature_));
        for (Value& block : after_) add_block(std::move(block.as_object()));
        return after_.clear();
      case StreamDelta::Kind::tool_call:
        return stop(Object{{"type", "tool_use"},
                           {"id", part.call_id},
                           {"name", part.name},
                           {"input", input_of(part.text)}});
      default: return stop(Object{{"type", "text"}, {"text", part.text}});
    }
  }

  void opaque(const Part* reasoning, std::string_view provider, std::string_view json) override {
    auto part = json::parse_value(json);
    const bool is_own = provider == "anthropic" && part && part->is_object();
    const Value* signature = is_own ? part->as_object().if_contains("signature") : nullptr;
    if (is_own && !(signature && signature->is_string())) {
      if (reasoning)
        after_.push_back(std::move(*part));  // a block of its own, behind the open one
      else
        add_block(std::move(part->as_object()));
      return;
    }
    if (!reasoning) start(Object{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
    signature_ = is_own ? std::string(signature->as_string()) : carry(provider, json);
    delta(Object{{"type", "signature_delta"}, {"signature", signature_}});
    if (!reasoning) stop(thinking("", signature_));
  }

  static Object thinking(std::string_view text, std::string_view signature) {
    return Object{{"type", "thinking"}, {"thinking", text}, {"signature", signature}};
  }

  const std::vector<std::string> stop_;
  Parts parts_{*this};
  Array content_;  // blocks that are closed
  Array after_;    // blocks that wait for the open one to close
  std::string signature_;
  std::string* out_ = nullptr;  // null: the answer is no stream
};

struct Row {
  Errc code;
  int status;
  std::string_view type;
};

constexpr Row kRows[] = {
    {Errc::invalid, 400, "invalid_request_error"},
    {Errc::not_found, 404, "not_found_error"},
    {Errc::denied, 403, "permission_error"},
    {Errc::cancelled, 499, "api_error"},
    {Errc::timeout, 504, "timeout_error"},
    {Errc::busy, 529, "overloaded_error"},
    {Errc::over_budget, 402, "billing_error"},
    {Errc::context_exceeded, 400, "invalid_request_error"},
    {Errc::unsupported, 400, "invalid_request_error"},
    {Errc::upstream, 500, "api_error"},
    {Errc::internal, 500, "api_error"},
};

}  // namespace

std::unique_ptr<AnswerShape> make_answer(std::vector<std::string> stop) {
  return std::make_unique<MessagesAnswer>(std::move(stop));
}

// A provider's 401 is about its key and not the client's: it becomes a 403.
ErrorReply error_reply(const Failure& failure, std::string_view request_id) {
  Row row = kRows[std::size(kRows) - 1];
  if (auto known = std::ranges::find(kRows, failure.code, &Row::code); known != std::end(kRows))
    row = *known;
  if (failure.code == Errc::busy && failure.http_status == 429)
    row = {Errc::busy, 429, "rate_limit_error"};
  if (failure.http_status == 413 && failure.code == Errc::invalid)
    row = {Errc::invalid, 413, "request_too_large"};
  std::string message = failure.message;
  if (failure.code == Errc::context_exceeded && failure.n_context)
    message = fmt::format("prompt is too long: {} tokens > {} maximum", failure.n_prompt,
                          failure.n_context);
  else if (failure.code == Errc::context_exceeded)
    message = "prompt is too long: " + message;
  Object body{{"type", "error"}, {"error", Object{{"type", row.type}, {"message", message}}}};
  if (!request_id.empty()) body["request_id"] = request_id;
  ErrorReply reply{row.status, boost::json::serialize(body), std::nullopt};
  if (failure.retry_after) reply.retry_after_s = failure.retry_after->count();
  return reply;
}

}  // namespace hearth::wire::anthropic
