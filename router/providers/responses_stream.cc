#include <fmt/format.h>

#include <map>

#include "providers/openai_responses.h"
#include "providers/rejection.h"
#include "providers/usage.h"
#include "providers/wire_json.h"

namespace hearth::router::openai {

namespace {

using json::Element;

CountedUsage read_usage(Element usage) {
  Counts counts(usage);
  SaidUsage said;
  said.n_prompt = counts.read("input_tokens").value_or(0);
  said.n_cached = counts.read("input_tokens_details", "cached_tokens").value_or(0);
  said.n_cache_write = counts.read("input_tokens_details", "cache_write_tokens").value_or(0);
  said.n_completion = counts.read("output_tokens").value_or(0);
  said.n_reasoning = counts.read("output_tokens_details", "reasoning_tokens").value_or(0);
  said.n_total = counts.read("total_tokens");
  said.is_odd = counts.is_odd();
  return usage_of(said);
}

std::string within_quotes(std::string_view text) {
  const std::string quoted = json::quote(text);
  return quoted.substr(1, quoted.size() - 2);
}

class ResponsesReader : public StreamReader {
 public:
  ResponsesReader(std::string provider, DeltaSink sink, size_t max_bytes)
      : StreamReader(std::move(sink), max_bytes), provider_(std::move(provider)) {}

  Result<void, Failure> hear(std::string_view event, std::string_view data) override;
  bool is_complete() const override { return is_over_; }
  bool is_done() const override { return is_over_; }

 private:
  // An item of the answer that has begun and not ended, by its place.
  struct Open {
    uint32_t call = 0;          // function_call: which of the message's calls
    bool has_pieces = false;    // of its text or its arguments
    bool is_free_form = false;  // custom_tool_call: plain text, here as {"input": text}
  };

  Result<void, Failure> begin(uint64_t index, Element item);
  Result<void, Failure> end(uint64_t index, Element item);
  Result<void, Failure> say_piece(StreamDelta::Kind kind, Element root);
  Result<void, Failure> say_call(uint32_t call, std::string_view piece);
  Result<void, Failure> hear_end(std::string_view type, Element response);

  std::string provider_;
  std::map<uint64_t, Open> open_;
  uint32_t n_calls_ = 0;
  bool is_over_ = false;
};

Result<void, Failure> ResponsesReader::begin(uint64_t index, Element item) {
  constexpr size_t kMaxItems = 1024;
  if (open_.size() == kMaxItems)
    return Error{Errc::upstream,
                 fmt::format("the answer has more than {} items open at once", kMaxItems)};
  if (open_.contains(index)) return {};
  Open& open = open_[index] = {};
  open.is_free_form = text_at(item, "type") == "custom_tool_call";
  if (text_at(item, "type") != "function_call" && !open.is_free_form) return {};
  open.call = n_calls_++;
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::tool_call;
  delta.tool_index = open.call;
  delta.tool_id = text_at(item, "call_id").value_or("");
  delta.tool_name = text_at(item, "name").value_or("");
  if (open.is_free_form) delta.text = R"({"input":")";
  return say(delta);
}

Result<void, Failure> ResponsesReader::say_call(uint32_t call, std::string_view piece) {
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::tool_call;
  delta.tool_index = call;
  delta.text = piece;
  return say(delta);
}

Result<void, Failure> ResponsesReader::say_piece(StreamDelta::Kind kind, Element root) {
  const std::string_view piece = text_at(root, "delta").value_or("");
  if (piece.empty()) return {};
  auto at = open_.find(count_at(root, "output_index"));
  if (at != open_.end()) at->second.has_pieces = true;
  if (kind != StreamDelta::Kind::tool_call) return say(kind, piece);
  if (at == open_.end())
    return Error{Errc::upstream, "the stream holds arguments of a call that it has not begun"};
  return at->second.is_free_form ? say_call(at->second.call, within_quotes(piece))
                                 : say_call(at->second.call, piece);
}

// The item is there in whole: what came in no pieces is said now, what only the provider reads is
// kept.
Result<void, Failure> ResponsesReader::end(uint64_t index, Element item) {
  if (auto begun = begin(index, item); !begun) return begun;
  const Open open = open_[index];
  open_.erase(index);
  const std::string_view type = text_at(item, "type").value_or("");
  if (type == "function_call") {
    const std::string_view arguments = text_at(item, "arguments").value_or("");
    return open.has_pieces || arguments.empty() ? Result<void, Failure>()
                                                : say_call(open.call, arguments);
  }
  if (type == "custom_tool_call") {
    const std::string_view input = text_at(item, "input").value_or("");
    return say_call(open.call, open.has_pieces ? "\"}" : within_quotes(input) + "\"}");
  }
  if (type == "message") {
    simdjson::dom::array parts;
    if (open.has_pieces || item["content"].get_array().get(parts)) return {};
    for (Element part : parts)
      for (std::string_view name : {"text", "refusal"})
        if (auto said = say(StreamDelta::Kind::text, text_at(part, name).value_or("")); !said)
          return said;
    return {};
  }
  if (type == "reasoning" && !text_at(item, "encrypted_content")) return {};
  return say_opaque(provider_, json::to_text(item));
}

Result<void, Failure> ResponsesReader::hear_end(std::string_view type, Element response) {
  Element part;
  if (!response["usage"].get(part) && part.is_object()) note_usage(read_usage(part));
  if (type == "response.failed") {
    if (!response["error"].get(part) && !part.is_null()) return stream_error(part, provider_);
    return Error{Errc::upstream, "the provider ended its answer unfinished, without a reason"};
  }
  completion_.finish_reason = n_calls_ ? FinishReason::tool_calls : FinishReason::stop;
  if (type == "response.incomplete") {
    Element details;
    const bool is_filtered = !response["incomplete_details"].get(details) &&
                             text_at(details, "reason") == "content_filter";
    completion_.finish_reason = is_filtered ? FinishReason::content_filter : FinishReason::length;
  }
  is_over_ = true;
  return {};
}

// The type stands in the data too, and some proxies drop the event's name.
Result<void, Failure> ResponsesReader::hear(std::string_view, std::string_view data) {
  if (data == "[DONE]") return {};
  auto document = json::Document::parse(data);
  if (!document)
    return Error{Errc::upstream, fmt::format("the stream holds what is not JSON ({}): {}",
                                             document.error().message, words_of(data))};
  Element root = document->root();
  Element part;
  const std::string_view type = text_at(root, "type").value_or("");
  const uint64_t index = count_at(root, "output_index");
  if (!root["error"].get(part) && !part.is_null()) return stream_error(part, provider_);
  if (type == "error") return stream_error(root, provider_);
  if (type == "response.output_item.added" && !root["item"].get(part)) return begin(index, part);
  if (type == "response.output_item.done" && !root["item"].get(part)) return end(index, part);
  if (type == "response.output_text.delta" || type == "response.refusal.delta")
    return say_piece(StreamDelta::Kind::text, root);
  if (type == "response.function_call_arguments.delta" ||
      type == "response.custom_tool_call_input.delta")
    return say_piece(StreamDelta::Kind::tool_call, root);
  if (type == "response.reasoning_summary_text.delta" || type == "response.reasoning_text.delta")
    return say_piece(StreamDelta::Kind::reasoning, root);
  if (type == "response.reasoning_summary_part.added" && count_at(root, "summary_index") > 0)
    return say(StreamDelta::Kind::reasoning, "\n\n");
  for (std::string_view last : {"response.completed", "response.incomplete", "response.failed"})
    if (type == last && !root["response"].get(part)) return hear_end(type, part);
  return {};
}

}  // namespace

std::unique_ptr<StreamReader> responses_reader(const Target& target, DeltaSink sink,
                                               size_t max_bytes) {
  return std::make_unique<ResponsesReader>(target.provider, std::move(sink), max_bytes);
}

}  // namespace hearth::router::openai
