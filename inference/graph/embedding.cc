#include "graph/embedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hearth {
namespace {

constexpr size_t kChunk = 512;  // tokens in a batch, where the model allows to cut

bool sees_what_follows(const ModelPlan& plan) {
  return std::ranges::any_of(plan.layers, [](const LayerPlan& layer) {
    const auto* attention = std::get_if<Attention>(&layer.mixer);
    return attention && !attention->is_causal;
  });
}

bool counts(Pooling pooling, size_t i, size_t n) {
  switch (pooling) {
    case Pooling::mean: return true;
    case Pooling::first: return i == 0;
    case Pooling::last:
    case Pooling::none: break;
  }
  return i + 1 == n;
}

}  // namespace

Result<std::vector<float>> embedding_of(Model& model, KvCache& cache,
                                        const std::vector<PageIndex>& pages,
                                        std::span<const Token> tokens) {
  const ModelPlan& plan = model.plan();
  if (tokens.empty()) return Error{Errc::invalid, "the embedding of no tokens"};
  if (tokens.size() > plan.n_context_train)
    return Error{Errc::context_exceeded, fmt::format("{} tokens, expected at most {}",
                                                     tokens.size(), plan.n_context_train)};
  std::vector<double> sums(plan.width);
  std::vector<BatchRow> rows;
  std::vector<float> states;
  const size_t chunk = sees_what_follows(plan) ? tokens.size() : kChunk;
  for (size_t start = 0; start < tokens.size(); start += chunk) {
    rows.clear();
    for (size_t i = start; i < std::min(start + chunk, tokens.size()); ++i)
      rows.push_back({.token = tokens[i],
                      .position = static_cast<uint32_t>(i),
                      .sequence = 0,
                      .wants_logits = counts(plan.pooling, i, tokens.size())});
    if (Result<> done = model.hidden({rows, std::span(&pages, 1)}, cache, states); !done)
      return done.error();
    for (size_t i = 0; i < states.size(); ++i) sums[i % plan.width] += states[i];
  }

  double squares = 0;
  for (const double each : sums) squares += each * each;
  const double factor = squares > 0 ? 1 / std::sqrt(squares) : 0;
  std::vector<float> embedding;
  for (const double each : sums) embedding.push_back(static_cast<float>(each * factor));
  return embedding;
}

}  // namespace hearth
