#include <fmt/format.h>

#include <algorithm>

#include "providers/openai_chat.h"
#include "providers/rejection.h"
#include "providers/wire_json.h"
#include "router/money.h"

namespace hearth::router::openai {

namespace {

using json::Element;

// Cached tokens are part of the prompt's on this wire. Older names lie beside the details.
Usage usage_of(Element usage) {
  Usage read;
  read.n_prompt = count_at(usage, "prompt_tokens");
  read.n_completion = count_at(usage, "completion_tokens");
  Element details;
  if (!usage["prompt_tokens_details"].get(details)) {
    read.n_cached = count_at(details, "cached_tokens");
    read.n_cache_write = count_at(details, "cache_write_tokens");
  }
  for (std::string_view name : {"prompt_cache_hit_tokens", "cached_tokens"})  // DeepSeek, Moonshot
    if (read.n_cached == 0) read.n_cached = count_at(usage, name);
  if (!usage["completion_tokens_details"].get(details))
    read.n_reasoning = count_at(details, "reasoning_tokens");
  double usd = 0;  // OpenRouter
  if (!usage["cost"].get(usd) && usd >= 0) read.cost_pico = PicoUsd::from_usd(usd).pico();
  read.n_cached = std::min(read.n_cached, read.n_prompt);
  read.n_cache_write = std::min(read.n_cache_write, read.n_prompt - read.n_cached);
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

class ChatReader : public StreamReader {
 public:
  using StreamReader::StreamReader;

  Result<void, Failure> hear(std::string_view event, std::string_view data) override;
  bool is_complete() const override { return has_finish_reason_; }
  bool is_done() const override { return is_done_ && has_finish_reason_; }

 private:
  // One tool call as the provider numbers it; its place here is the index of our deltas.
  struct Call {
    uint64_t index;
    std::string id;
  };

  Result<void, Failure> hear_delta(Element delta);
  Result<void, Failure> hear_call(Element call);
  Result<void, Failure> hear_finish_reason(std::string_view reason);

  std::vector<Call> calls_;
  bool has_finish_reason_ = false;
  bool is_done_ = false;
};

// Indexes may begin anywhere, be missing, or be 0 for each of several calls that differ by id.
Result<void, Failure> ChatReader::hear_call(Element call) {
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
  return say(piece);
}

Result<void, Failure> ChatReader::hear_finish_reason(std::string_view reason) {
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

Result<void, Failure> ChatReader::hear_delta(Element delta) {
  auto text = [&](std::string_view name) { return text_at(delta, name).value_or(""); };
  const std::string_view thought =
      text("reasoning_content").empty() ? text("reasoning") : text("reasoning_content");
  if (auto said = say(StreamDelta::Kind::reasoning, thought); !said) return said;
  // A refusal is what the model says in place of an answer.
  for (std::string_view name : {"content", "refusal"})
    if (auto said = say(StreamDelta::Kind::text, text(name)); !said) return said;
  simdjson::dom::array calls;
  if (delta["tool_calls"].get_array().get(calls)) return {};
  for (Element call : calls)
    if (auto heard = hear_call(call); !heard) return heard;
  return {};
}

Result<void, Failure> ChatReader::hear(std::string_view, std::string_view data) {
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
  if (!root["error"].get(part) && !part.is_null()) return stream_error(part);
  if (!root["usage"].get(part) && part.is_object()) completion_.usage = usage_of(part);
  Element choice;
  if (root["choices"].at(0).get(choice)) return {};
  if (!choice["usage"].get(part) && part.is_object())
    completion_.usage = usage_of(part);  // Moonshot
  Element delta;
  if (!choice["delta"].get(delta))
    if (auto heard = hear_delta(delta); !heard) return heard;
  auto reason = text_at(choice, "finish_reason");
  if (!reason || reason->empty()) return {};
  return hear_finish_reason(*reason);
}

}  // namespace

std::unique_ptr<StreamReader> chat_reader(const Target&, DeltaSink sink, size_t max_bytes) {
  return std::make_unique<ChatReader>(std::move(sink), max_bytes);
}

}  // namespace hearth::router::openai
