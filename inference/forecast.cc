#include "inference/forecast.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "inference/engine_snapshot.h"

namespace hearth::engine {
namespace {

uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Sixteen bytes a step; no secret: whoever makes texts collide fools a forecast.
uint64_t hash_of(std::string_view text, uint64_t hash) {
  constexpr uint64_t kFirst = 0xa0761d6478bd642f, kSecond = 0xe7037ed1a0b428db;
  const size_t size = text.size();
  uint64_t words[2];
  while (text.size() >= sizeof words) {
    std::memcpy(words, text.data(), sizeof words);
    hash = mix(words[0] ^ kFirst, words[1] ^ hash);
    text.remove_prefix(sizeof words);
  }
  words[0] = words[1] = 0;
  std::memcpy(words, text.data(), text.size());
  hash = mix(words[0] ^ kFirst, words[1] ^ hash);
  return mix(hash ^ kSecond, size ^ kFirst);
}

// Calls use(text) with what the model is shown of a message.
void each_text(const Message& message, const auto& use) {
  for (const Block& block : message.blocks) {
    if (const auto* text = std::get_if<Text>(&block.content)) use(text->text);
    if (const auto* result = std::get_if<ToolResult>(&block.content)) use(result->text);
    if (const auto* image = std::get_if<Image>(&block.content)) use(image->url);
    if (const auto* call = std::get_if<ToolCall>(&block.content)) {
      use(call->name);
      use(call->arguments);
    }
  }
}

void each_text_of_tools(const CompletionRequest& request, const auto& use) {
  if (request.tool_choice.mode == ToolChoice::Mode::none) return;
  for (const ToolSpec& tool : request.tools) {
    use(tool.name);
    use(tool.description);
    use(tool.parameters.text);
  }
}

std::string_view piece_of(std::string_view prompt, size_t i) {
  return prompt.substr(std::min(prompt.size(), i * kPromptStep), kPromptStep);
}

// How many texts and tokens make sense, whatever a hostile engine publishes.
constexpr double kMostTokens = 1e8, kMostMs = 1e9;
double sane(double number, double most) {
  return number > 0 ? std::min(number, most) : 0;  // also of what is not a number
}

}  // namespace

void terms_of(const StepWork& work, StepTerms& terms) {
  const double all[] = {1,
                        work.wants_logits ? 1.0 : 0.0,
                        work.prefill_rows,
                        work.prefill_context / 1000,
                        work.decode_rows,
                        work.decode_context / 1000};
  std::ranges::copy(all, terms);
}

double ms_of(const StepModel& model, const StepWork& work) {
  StepTerms terms;
  terms_of(work, terms);
  double ms = 0;
  for (size_t i = 0; i < StepModel::kTerms; ++i) ms += model.ms[i] * terms[i];
  return sane(ms, kMostMs);
}

TextShape& TextShape::operator+=(const TextShape& other) {
  words += other.words;
  letters += other.letters;
  digits += other.digits;
  marks += other.marks;
  spaces += other.spaces;
  others += other.others;
  messages += other.messages;
  return *this;
}

TextShape shape_of(std::string_view text) {
  constexpr size_t kPlainWord = 6;
  TextShape shape;
  size_t n_letters = 0;  // of the word that we are in
  char before = 0;
  for (const char c : text) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_letter) {
      if (n_letters == 0) ++shape.words;
      if (++n_letters > kPlainWord) ++shape.letters;
    } else {
      n_letters = 0;
      if (static_cast<uint8_t>(c) >= 0x80)
        ++shape.others;
      else if (c >= '0' && c <= '9')
        ++shape.digits;
      else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        shape.spaces += c != before || c == '\n';
      else
        ++shape.marks;
    }
    before = c;
  }
  return shape;
}

void terms_of(const TextShape& s, TextTerms& terms) {
  const double all[] = {s.words, s.letters, s.digits, s.marks, s.spaces, s.others, s.messages};
  std::ranges::copy(all, terms);
}

double tokens_of(const TextModel& model, const TextShape& shape) {
  TextTerms terms;
  terms_of(shape, terms);
  double tokens = 0;
  for (size_t i = 0; i < TextModel::kTerms; ++i) tokens += model.tokens[i] * terms[i];
  return sane(tokens, kMostTokens);
}

uint64_t extended(uint64_t point, const Message& message) {
  uint64_t hash = mix(point ^ 0x8ebc6af09c88c6e3, static_cast<uint64_t>(message.role) + 1);
  each_text(message, [&](std::string_view text) {
    if (!text.empty()) hash = hash_of(text, hash);
  });
  return hash;
}

PromptPoints points_of(const CompletionRequest& request) {
  PromptPoints points;
  uint64_t hash = request.prompt ? 1 : request.infill ? 3 : 2;
  if (request.prompt) {
    for (size_t i = 0; i * kPromptStep < request.prompt->size(); ++i)
      points.hashes.push_back(hash = hash_of(piece_of(*request.prompt, i), hash));
    return points;
  }
  each_text_of_tools(request, [&](std::string_view text) { hash = hash_of(text, hash); });
  points.hashes.push_back(hash);
  for (const Message& message : request.messages)
    points.hashes.push_back(hash = extended(hash, message));
  return points;
}

TextShape shape_between(const CompletionRequest& request, size_t point) {
  if (request.prompt) return shape_of(piece_of(*request.prompt, point));
  TextShape shape;
  if (point == 0) {
    each_text_of_tools(request, [&](std::string_view text) { shape += shape_of(text); });
  } else {
    each_text(request.messages[point - 1], [&](std::string_view text) { shape += shape_of(text); });
    shape.messages = 1;
  }
  return shape;
}

std::optional<Estimate> estimate(const ModelSnapshot& model, const PrefixIndex& index,
                                 const CompletionRequest& request, const PromptPoints& points) {
  if (model.steps.n_seen == 0) return std::nullopt;
  // Ids have no text to go by; a scored prompt is read whole, in steps of its own.
  if (points.hashes.empty() || (request.echoes_prompt && request.n_logprobs)) return std::nullopt;

  // What is known of the prompt ends at the last point that the engine has met. A shorter
  // beginning, computed again for another request, may have more of it cached than a longer one
  // forgotten since.
  PrefixIndex::Known known;
  uint32_t n_cached = 0;
  size_t n_met = 0;
  for (size_t i = points.hashes.size(); i-- > 0;) {
    const auto found = index.find(PrefixIndex::key(points.hashes[i], model.name()));
    if (!found) continue;
    if (n_met == 0) {
      known = *found;
      n_met = i + 1;
    }
    n_cached = std::max(n_cached, std::min(found->n_cached, found->n_tokens));
  }
  TextShape rest;
  for (size_t i = n_met; i < points.hashes.size(); ++i) rest += shape_between(request, i);
  const double n_rest = tokens_of(model.text, rest);
  Estimate out;
  const double n_prompt = std::min(known.n_tokens + n_rest, kMostTokens);
  out.n_prompt = static_cast<uint32_t>(std::lround(n_prompt));
  // The last token is always computed.
  n_cached = std::min(n_cached, out.n_prompt > 0 ? out.n_prompt - 1 : 0);
  out.n_cached = n_cached;

  // The steps until its first token: prompts in front, then its own, beside those that decode.
  const double n_own = std::max(1.0, n_prompt - n_cached);
  const double own_context = n_own * (n_cached + n_own / 2);
  const double n_decoding = model.n_decoding;
  const double left = sane(static_cast<double>(model.n_prefill_left), kMostTokens);
  const double rows =
      std::max(1.0, sane(n_decoding > 0 ? model.rows_beside_decoding : model.rows_alone, 1e6));
  const auto ms_for = [&](double n_prefill, double context) {
    const double n_steps = std::max(1.0, std::ceil(n_prefill / rows - 0.05));
    const StepWork fixed{.decode_rows = n_decoding,
                         .decode_context = sane(model.decode_context, 1e12),
                         .wants_logits = n_decoding > 0};
    const StepWork all{.prefill_rows = n_prefill, .prefill_context = context};
    const StepWork none{};
    return n_steps * ms_of(model.steps, fixed) + ms_of(model.steps, all) - ms_of(model.steps, none);
  };
  const double left_context = sane(model.prefill_context_left, 1e15);
  const bool is_busy = n_decoding > 0 || left > 0;
  const double last_logits = n_decoding > 0 ? 0 : sane(model.steps.ms[1], kMostMs);
  const double prepare_ms = sane(model.prepare_ms_per_token, 10) * n_prompt;
  const double step_under_way =
      is_busy ? 0.5 * ms_for(std::min(rows, left),
                             std::min(1.0, rows / std::max(1.0, left)) * left_context)
              : 0;
  const double all_ms = ms_for(left + n_own, left_context + own_context) + last_logits;
  out.queue_ms = left > 0 ? ms_for(left, left_context) : 0;
  out.ttft_ms.mean = prepare_ms + step_under_way + all_ms;
  const double text_share = n_own > 0 ? sane(model.text.sd, 1) * n_rest / n_own : 0;
  out.ttft_ms.sd = out.ttft_ms.mean * std::hypot(sane(model.steps.sd, 10), text_share);

  const StepWork decoding{.decode_rows = n_decoding + 1 + model.n_queued,
                          .decode_context = sane(model.decode_context, 1e12) + n_prompt,
                          .wants_logits = true};
  out.token_ms.mean = ms_of(model.steps, decoding);
  out.token_ms.sd = out.token_ms.mean * sane(model.steps.sd, 10);
  return out;
}

}  // namespace hearth::engine
