#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "providers/anthropic.h"
#include "providers/rejection.h"
#include "providers/usage.h"
#include "providers/wire_json.h"

namespace hearth::router::anthropic {

namespace {

using json::Element;
using json::Object;

struct ReasonRow {
  std::string_view said;
  FinishReason meant;
};
constexpr ReasonRow kReasons[] = {
    {"end_turn", FinishReason::stop},       {"stop_sequence", FinishReason::stop},
    {"max_tokens", FinishReason::length},   {"model_context_window_exceeded", FinishReason::length},
    {"tool_use", FinishReason::tool_calls}, {"refusal", FinishReason::content_filter},
};

class MessagesReader : public StreamReader {
 public:
  MessagesReader(std::string provider, DeltaSink sink, size_t max_bytes)
      : StreamReader(std::move(sink), max_bytes), provider_(std::move(provider)) {}

  Result<void, Failure> hear(std::string_view event, std::string_view data) override;
  bool is_complete() const override { return is_stopped_; }
  bool is_done() const override { return is_stopped_; }

 private:
  // A block that has begun and not ended.
  struct Open {
    std::string type;
    uint32_t call = 0;        // tool_use: which of the message's calls
    std::string input;        // tool_use: as given at the start, should no pieces follow
    bool has_pieces = false;  // tool_use
    std::string signature;    // thinking
    std::string part;         // what only the provider understands, as JSON
  };

  Result<void, Failure> begin(uint64_t index, Element block);
  Result<void, Failure> go_on(uint64_t index, Element delta);
  Result<void, Failure> end(uint64_t index);
  Result<void, Failure> say_call(const Open& open, std::string_view piece);
  void hear_usage(Element usage);
  void hear_reason(Element delta);

  std::string provider_;
  std::map<uint64_t, Open> open_;
  uint32_t n_calls_ = 0;
  uint64_t n_fresh_ = 0;
  SaidUsage said_;
  bool is_stopped_ = false;
};

Result<void, Failure> MessagesReader::begin(uint64_t index, Element block) {
  constexpr size_t kMaxBlocks = 256;
  if (open_.size() == kMaxBlocks)
    return Error{Errc::upstream,
                 fmt::format("the answer has more than {} parts open at once", kMaxBlocks)};
  Open& open = open_[index] = {};
  open.type = text_at(block, "type").value_or("");
  if (open.type == "text") return say(StreamDelta::Kind::text, text_at(block, "text").value_or(""));
  if (open.type == "thinking") {
    open.signature = text_at(block, "signature").value_or("");
    return say(StreamDelta::Kind::reasoning, text_at(block, "thinking").value_or(""));
  }
  if (open.type != "tool_use") {
    open.part = json::to_text(block);
    return {};
  }
  open.call = n_calls_++;
  Element input;
  if (!block["input"].get(input) && input.is_object() && input.get_object().value_unsafe().size())
    open.input = json::to_text(input);
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::tool_call;
  delta.tool_index = open.call;
  delta.tool_id = text_at(block, "id").value_or("");
  delta.tool_name = text_at(block, "name").value_or("");
  return say(delta);
}

Result<void, Failure> MessagesReader::say_call(const Open& open, std::string_view piece) {
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::tool_call;
  delta.tool_index = open.call;
  delta.text = piece;
  return say(delta);
}

Result<void, Failure> MessagesReader::go_on(uint64_t index, Element delta) {
  auto at = open_.find(index);
  if (at == open_.end()) return {};
  Open& open = at->second;
  const std::string_view type = text_at(delta, "type").value_or("");
  if (type == "text_delta")
    return say(StreamDelta::Kind::text, text_at(delta, "text").value_or(""));
  if (type == "thinking_delta")
    return say(StreamDelta::Kind::reasoning, text_at(delta, "thinking").value_or(""));
  if (type == "signature_delta") {
    constexpr size_t kMaxSignature = 1 << 20;
    open.signature += text_at(delta, "signature").value_or("");
    if (open.signature.size() > kMaxSignature)
      return Error{Errc::upstream, "a signature in the answer is longer than 1 MiB"};
    return {};
  }
  if (type != "input_json_delta" || open.type != "tool_use") return {};
  const std::string_view piece = text_at(delta, "partial_json").value_or("");
  open.has_pieces = open.has_pieces || !piece.empty();
  return piece.empty() ? Result<void, Failure>() : say_call(open, piece);
}

Result<void, Failure> MessagesReader::end(uint64_t index) {
  auto at = open_.find(index);
  if (at == open_.end()) return {};
  const Open open = std::move(at->second);
  open_.erase(at);
  if (open.type == "tool_use" && !open.has_pieces)
    return say_call(open, open.input.empty() ? "{}" : open.input);
  if (open.type == "thinking" && !open.signature.empty())
    return say_opaque(provider_, boost::json::serialize(
                                     Object{{"type", "thinking"}, {"signature", open.signature}}));
  if (!open.part.empty()) return say_opaque(provider_, open.part);
  return {};
}

// The classes are disjoint on this wire; later events repeat and correct earlier ones.
void MessagesReader::hear_usage(Element usage) {
  Counts counts(usage);
  auto take = [&](std::string_view name, uint64_t& out) { out = counts.read(name).value_or(out); };
  take("input_tokens", n_fresh_);
  take("cache_read_input_tokens", said_.n_cached);
  take("output_tokens", said_.n_completion);
  uint64_t n_written = said_.n_cache_write + said_.n_cache_write_1h;
  take("cache_creation_input_tokens", n_written);
  const uint64_t n_hour =
      counts.read("cache_creation", "ephemeral_1h_input_tokens").value_or(said_.n_cache_write_1h);
  said_.is_odd = said_.is_odd || counts.is_odd() || n_hour > n_written;
  said_.n_cache_write_1h = std::min(n_hour, n_written);
  said_.n_cache_write = n_written - said_.n_cache_write_1h;
  said_.n_prompt = n_fresh_ + said_.n_cached + n_written;
  note_usage(usage_of(said_));
}

void MessagesReader::hear_reason(Element delta) {
  auto said = text_at(delta, "stop_reason");
  if (!said) return;
  auto row = std::ranges::find(kReasons, *said, &ReasonRow::said);
  completion_.finish_reason = row == std::end(kReasons) ? FinishReason::stop : row->meant;
  if (auto sequence = text_at(delta, "stop_sequence")) completion_.stop_string = *sequence;
}

// The type stands in the data too, and some proxies drop the event's name.
Result<void, Failure> MessagesReader::hear(std::string_view, std::string_view data) {
  auto document = json::Document::parse(data);
  if (!document)
    return Error{Errc::upstream, fmt::format("the stream holds what is not JSON ({}): {}",
                                             document.error().message, words_of(data))};
  Element root = document->root();
  Element part;
  const std::string_view type = text_at(root, "type").value_or("");
  if (!root["error"].get(part) && !part.is_null()) return stream_error(part, provider_);
  const uint64_t index = count_at(root, "index");
  if (type == "content_block_start" && !root["content_block"].get(part)) return begin(index, part);
  if (type == "content_block_delta" && !root["delta"].get(part)) return go_on(index, part);
  if (type == "content_block_stop") return end(index);
  if (type == "message_start" && !root["message"]["usage"].get(part)) {
    hear_usage(part);
    return say_prompt(provider_);
  }
  if (type == "message_delta") {
    if (!root["usage"].get(part)) hear_usage(part);
    if (!root["delta"].get(part)) hear_reason(part);
  }
  if (type == "message_stop") is_stopped_ = true;
  return {};
}

}  // namespace

std::unique_ptr<StreamReader> messages_reader(const Target& target, DeltaSink sink,
                                              size_t max_bytes) {
  return std::make_unique<MessagesReader>(target.provider, std::move(sink), max_bytes);
}

}  // namespace hearth::router::anthropic
