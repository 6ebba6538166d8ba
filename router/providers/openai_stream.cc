#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "providers/openai_chat.h"
#include "providers/rejection.h"
#include "providers/usage.h"
#include "providers/wire_json.h"
#include "router/money.h"

namespace hearth::router::openai {

namespace {

using json::Element;

// Cached tokens are part of the prompt's on this wire. Older names lie beside the details.
CountedUsage read_usage(Element usage) {
  Counts counts(usage);
  SaidUsage said;
  said.n_prompt = counts.read("prompt_tokens").value_or(0);
  said.n_completion = counts.read("completion_tokens").value_or(0);
  said.n_cached = counts.read("prompt_tokens_details", "cached_tokens").value_or(0);
  if (said.n_cached == 0)  // DeepSeek, Moonshot
    said.n_cached = counts.first_of({"prompt_cache_hit_tokens", "cached_tokens"});
  for (std::string_view name : {"cache_write_tokens", "cache_creation_input_tokens"})
    if (said.n_cache_write == 0)
      said.n_cache_write = counts.read("prompt_tokens_details", name).value_or(0);
  if (said.n_cache_write == 0) said.n_cache_write = counts.first_of({"cache_write_tokens"});
  said.n_reasoning = counts.read("completion_tokens_details", "reasoning_tokens").value_or(0);
  said.n_total = counts.read("total_tokens");
  said.is_odd = counts.is_odd();
  CountedUsage counted = usage_of(said);
  double usd = 0;  // OpenRouter
  if (!usage["cost"].get(usd) && usd >= 0) counted.usage.cost_pico = PicoUsd::from_usd(usd).pico();
  return counted;
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
  ChatReader(std::string provider, DeltaSink sink, size_t max_bytes)
      : StreamReader(std::move(sink), max_bytes), provider_(std::move(provider)) {}

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
  Result<void, Failure> hear_content(simdjson::dom::array parts);
  Result<void, Failure> hear_details(Element delta);
  void hear_usage(Element root);

  std::string provider_;
  std::vector<Call> calls_;
  json::Array details_;  // of the thoughts, as OpenRouter gives them
  size_t n_detail_bytes_ = 0;
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
  if (details_.empty()) return {};
  const json::Object details{{"reasoning_details", std::exchange(details_, {})}};
  return say_opaque(provider_, boost::json::serialize(details));
}

// Mistral: parts, a thought among them a list of parts itself.
Result<void, Failure> ChatReader::hear_content(simdjson::dom::array parts) {
  for (Element part : parts) {
    Result<void, Failure> said = say(StreamDelta::Kind::text, text_at(part, "text").value_or(""));
    simdjson::dom::array thoughts;
    if (said && !part["thinking"].get_array().get(thoughts))
      for (Element thought : thoughts)
        if (said) said = say(StreamDelta::Kind::reasoning, text_at(thought, "text").value_or(""));
    if (!said) return said;
  }
  return {};
}

// A detail comes in pieces that share an index: their texts are one, other members come once.
Result<void, Failure> ChatReader::hear_details(Element delta) {
  constexpr size_t kMaxBytes = 8 << 20;
  simdjson::dom::array pieces;
  if (delta["reasoning_details"].get_array().get(pieces)) return {};
  for (Element piece : pieces) {
    json::Value value = json::to_value(piece);
    if (!value.is_object()) continue;
    n_detail_bytes_ += json::to_text(piece).size();
    if (n_detail_bytes_ > kMaxBytes)
      return Error{Errc::upstream, "the details of the thoughts are longer than 8 MiB"};
    json::Object& fresh = value.as_object();
    const json::Object* last = details_.empty() ? nullptr : details_.back().if_object();
    auto* index = fresh.if_contains("index");
    const bool goes_on = last && index && last->if_contains("index") &&
                         *last->if_contains("index") == *index && last->if_contains("type") &&
                         fresh["type"] == *last->if_contains("type");
    if (!goes_on) {
      details_.push_back(std::move(value));
      continue;
    }
    json::Object& whole = details_.back().as_object();
    for (auto& [name, member] : fresh) {
      auto* text = whole[name].if_string();
      if (text && member.is_string() && (name == "text" || name == "summary" || name == "data"))
        text->append(member.as_string());
      else if (!member.is_null())
        whole[name] = member;
    }
  }
  return {};
}

// Beside the choices; Groq's own name for it; what llama-server found in its cache.
void ChatReader::hear_usage(Element root) {
  Element part;
  if (!root["x_groq"]["usage"].get(part) && part.is_object()) note_usage(read_usage(part));
  if (!root["usage"].get(part) && part.is_object()) note_usage(read_usage(part));
  if (root["timings"].get(part) || !has_usage()) return;
  CountedUsage counted{usage(), basis()};
  const uint32_t n_cached = count_at(part, "cache_n");
  if (counted.usage.n_cached == 0 && n_cached <= counted.usage.n_fresh())
    counted.usage.n_cached = n_cached;
  note_usage(counted);
}

Result<void, Failure> ChatReader::hear_delta(Element delta) {
  auto text = [&](std::string_view name) { return text_at(delta, name).value_or(""); };
  const std::string_view thought =
      text("reasoning_content").empty() ? text("reasoning") : text("reasoning_content");
  if (auto said = say(StreamDelta::Kind::reasoning, thought); !said) return said;
  if (auto heard = hear_details(delta); !heard) return heard;
  // A refusal is what the model says in place of an answer.
  for (std::string_view name : {"content", "refusal"})
    if (auto said = say(StreamDelta::Kind::text, text(name)); !said) return said;
  if (simdjson::dom::array parts; !delta["content"].get_array().get(parts))
    if (auto heard = hear_content(parts); !heard) return heard;
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
  if (!root["error"].get(part) && !part.is_null()) return stream_error(part, provider_);
  hear_usage(root);
  Element choice;
  if (root["choices"].at(0).get(choice)) return {};
  if (!choice["usage"].get(part) && part.is_object()) note_usage(read_usage(part));  // Moonshot
  Element delta;
  if (!choice["delta"].get(delta))
    if (auto heard = hear_delta(delta); !heard) return heard;
  auto reason = text_at(choice, "finish_reason");
  if (!reason || reason->empty()) return {};
  return hear_finish_reason(*reason);
}

}  // namespace

std::unique_ptr<StreamReader> chat_reader(const Target& target, DeltaSink sink, size_t max_bytes) {
  return std::make_unique<ChatReader>(target.provider, std::move(sink), max_bytes);
}

}  // namespace hearth::router::openai
