#include <fmt/format.h>

#include <algorithm>

#include "providers/gemini.h"
#include "providers/rejection.h"
#include "providers/usage.h"
#include "providers/wire_json.h"
#include "support/id.h"

namespace hearth::router::gemini {

namespace {

using json::Element;
using json::Object;

// An answer that the model could not finish is none.
struct ReasonRow {
  std::string_view said;
  std::optional<FinishReason> meant;  // nullopt: the provider failed
};
constexpr ReasonRow kReasons[] = {
    {"STOP", FinishReason::stop},
    {"MAX_TOKENS", FinishReason::length},
    {"SAFETY", FinishReason::content_filter},
    {"RECITATION", FinishReason::content_filter},
    {"LANGUAGE", FinishReason::content_filter},
    {"BLOCKLIST", FinishReason::content_filter},
    {"PROHIBITED_CONTENT", FinishReason::content_filter},
    {"SPII", FinishReason::content_filter},
    {"IMAGE_SAFETY", FinishReason::content_filter},
    {"MALFORMED_FUNCTION_CALL", std::nullopt},
    {"UNEXPECTED_TOOL_CALL", std::nullopt},
    {"TOO_MANY_TOOL_CALLS", std::nullopt},
    {"MALFORMED_RESPONSE", std::nullopt},
    {"MISSING_THOUGHT_SIGNATURE", std::nullopt},
    {"OTHER", std::nullopt},
};

// Cached tokens are within the prompt, thoughts beside the candidates, what tools read beside the
// prompt.
CountedUsage read_usage(Element usage) {
  Counts counts(usage);
  SaidUsage said;
  said.n_prompt = uint64_t{counts.read("promptTokenCount").value_or(0)} +
                  counts.read("toolUsePromptTokenCount").value_or(0);
  said.n_cached = counts.read("cachedContentTokenCount").value_or(0);
  said.n_reasoning = counts.read("thoughtsTokenCount").value_or(0);
  said.n_completion = counts.read("candidatesTokenCount").value_or(0) + said.n_reasoning;
  said.n_total = counts.read("totalTokenCount");
  said.is_odd = counts.is_odd();
  return usage_of(said);
}

class ContentReader : public StreamReader {
 public:
  ContentReader(std::string provider, DeltaSink sink, size_t max_bytes)
      : StreamReader(std::move(sink), max_bytes), provider_(std::move(provider)) {}

  Result<void, Failure> hear(std::string_view event, std::string_view data) override;
  bool is_complete() const override { return has_finish_reason_; }
  bool is_done() const override { return has_finish_reason_ && has_usage(); }

 private:
  Result<void, Failure> hear_part(Element part);
  Result<void, Failure> hear_call(Element call);
  Result<void, Failure> hear_reason(std::string_view reason);

  std::string provider_;
  uint32_t n_calls_ = 0;
  bool has_finish_reason_ = false;
};

// A call comes in one piece. Where it has no id, it gets one.
Result<void, Failure> ContentReader::hear_call(Element call) {
  constexpr uint32_t kMaxCalls = 256;
  if (n_calls_ == kMaxCalls)
    return Error{Errc::upstream,
                 fmt::format("the answer holds more than {} tool calls", kMaxCalls)};
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::tool_call;
  delta.tool_index = n_calls_++;
  delta.tool_id = text_at(call, "id").value_or("");
  if (delta.tool_id.empty()) delta.tool_id = make_id("call");
  delta.tool_name = text_at(call, "name").value_or("");
  Element arguments;
  const bool has_arguments = !call["args"].get(arguments) && arguments.is_object();
  delta.text = has_arguments ? json::to_text(arguments) : "{}";
  return say(delta);
}

Result<void, Failure> ContentReader::hear_part(Element part) {
  Element call;
  Result<void, Failure> heard;
  bool is_thought = false;
  if (part["thought"].get_bool().get(is_thought)) is_thought = false;
  if (auto text = text_at(part, "text")) {
    heard = say(is_thought ? StreamDelta::Kind::reasoning : StreamDelta::Kind::text, *text);
  } else if (!part["functionCall"].get(call) && call.is_object()) {
    heard = hear_call(call);
  } else {
    // Code that it ran and the like, its signature included.
    return say_opaque(provider_, json::to_text(part));
  }
  if (auto signature = text_at(part, "thoughtSignature"); signature && heard)
    return say_opaque(provider_, boost::json::serialize(Object{{"thoughtSignature", *signature}}));
  return heard;
}

Result<void, Failure> ContentReader::hear_reason(std::string_view reason) {
  auto row = std::ranges::find(kReasons, reason, &ReasonRow::said);
  if (row != std::end(kReasons) && !row->meant)
    return Error{Errc::upstream,
                 fmt::format("the provider ended its answer unfinished: {}", words_of(reason))};
  has_finish_reason_ = true;
  completion_.finish_reason =
      row == std::end(kReasons) ? FinishReason::stop : row->meant.value_or(FinishReason::stop);
  if (completion_.finish_reason == FinishReason::stop && n_calls_)
    completion_.finish_reason = FinishReason::tool_calls;
  return {};
}

Result<void, Failure> ContentReader::hear(std::string_view, std::string_view data) {
  auto document = json::Document::parse(data);
  if (!document)
    return Error{Errc::upstream, fmt::format("the stream holds what is not JSON ({}): {}",
                                             document.error().message, words_of(data))};
  Element root = document->root();
  Element part;
  if (!root["error"].get(part) && !part.is_null()) return stream_error(part, provider_);
  if (!root["usageMetadata"].get(part) && part.is_object()) note_usage(read_usage(part));
  // The prompt itself was refused: there is no candidate.
  if (!root["promptFeedback"]["blockReason"].get(part)) {
    has_finish_reason_ = true;
    completion_.finish_reason = FinishReason::content_filter;
    return {};
  }
  Element candidate;
  if (root["candidates"].at(0).get(candidate)) return {};
  simdjson::dom::array parts;
  if (!candidate["content"]["parts"].get_array().get(parts))
    for (Element each : parts)
      if (auto heard = hear_part(each); !heard) return heard;
  auto reason = text_at(candidate, "finishReason");
  if (!reason || reason->empty()) return {};
  return hear_reason(*reason);
}

}  // namespace

std::unique_ptr<StreamReader> content_reader(const Target& target, DeltaSink sink,
                                             size_t max_bytes) {
  return std::make_unique<ContentReader>(target.provider, std::move(sink), max_bytes);
}

}  // namespace hearth::router::gemini
