#include "engine/prompt_memory.h"

#include <algorithm>
#include <cmath>

namespace hearth::engine {
namespace {

constexpr double kNewest = 0.2;

std::array<double, TextModel::kTerms> first_prices() { return std::to_array(TextModel{}.tokens); }

TextModel published(const Fit<TextModel::kTerms>& fit) {
  TextModel model;
  for (size_t i = 0; i < TextModel::kTerms; ++i) model.tokens[i] = fit.price(i);
  model.sd = fit.sd();
  model.n_seen = fit.n_seen();
  return model;
}

}  // namespace

PromptMemory::PromptMemory(std::string model, PrefixTree& prefixes, PrefixIndex* index)
    : model_(std::move(model)), prefixes_(prefixes), index_(index), text_(first_prices()) {
  if (index_ == nullptr) return;
  prefixes_.listen([index](const PrefixTree::Mark& mark, uint32_t n_tokens) {
    return index->shrink(mark.place, mark.key, n_tokens);
  });
}

// The whole prompt is known to the token. The points before it are counted back from there, or from
// the next point that is known, by the shapes of the texts between: what follows a long beginning
// that requests share is short, and so is the error.
void PromptMemory::read(const Sequence& sequence) {
  if (index_ == nullptr || sequence.points.hashes.empty()) return;
  const std::vector<uint64_t>& points = sequence.points.hashes;
  const std::span<const Token> prompt = std::span(sequence.tokens).first(sequence.n_prompt);
  const double prepare_ms = sequence.prepare_ms / sequence.n_prompt;
  prepare_ms_per_token_ +=
      (prepare_ms_per_token_ == 0 ? 1 : kNewest) * (prepare_ms - prepare_ms_per_token_);

  // What lies between the last point met before and the end of the prompt is the newest text.
  TextShape newest;
  uint32_t n_before = 0;
  for (size_t i = points.size(); i-- > 0;) {
    const auto known = index_->find(PrefixIndex::key(points[i], model_));
    if (known && known->n_tokens < prompt.size()) {
      n_before = known->n_tokens;
      break;
    }
    newest += sequence.shapes[i];
  }
  TextTerms terms;
  terms_of(newest, terms);
  if (prompt.size() > n_before) text_.learn(terms, static_cast<double>(prompt.size() - n_before));

  remember(points.back(), prompt);
  const TextModel text = published(text_);
  double n_tokens = static_cast<double>(prompt.size());
  for (size_t i = points.size() - 1; i-- > 0;) {
    n_tokens = std::max(0.0, n_tokens - tokens_of(text, sequence.shapes[i + 1]));
    if (const auto known = index_->find(PrefixIndex::key(points[i], model_))) {
      n_tokens = std::min(n_tokens, static_cast<double>(known->n_tokens));
      if (known->n_cached >= known->n_tokens) continue;  // and it lies here
    }
    remember(points[i], prompt.first(static_cast<size_t>(n_tokens)));
  }
}

void PromptMemory::answered(const Sequence& sequence) {
  if (index_ == nullptr || !sequence.answer || sequence.points.hashes.empty()) return;
  const uint64_t point = extended(sequence.points.hashes.back(), *sequence.answer);
  remember(point, std::span(sequence.tokens).first(sequence.n_computed));
}

void PromptMemory::remember(uint64_t point, std::span<const Token> tokens) {
  const uint64_t key = PrefixIndex::key(point, model_);
  const auto n_tokens = static_cast<uint32_t>(tokens.size());
  const uint32_t place = index_->put(key, {.n_tokens = n_tokens, .n_cached = n_tokens});
  const uint32_t n_cached = prefixes_.follow(tokens, {.key = key, .place = place});
  index_->shrink(place, key, n_cached);
}

void PromptMemory::add_to(ModelSnapshot& snapshot) const {
  snapshot.text = published(text_);
  snapshot.prepare_ms_per_token = prepare_ms_per_token_;
}

}  // namespace hearth::engine
