#include "graph/logits.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/model.h"

namespace hearth {
namespace {

constexpr size_t kMaxChunkBytes = 64u << 20;  // of logits

}  // namespace

KvElement kv_element_for(const gguf::File& file) {
  const auto is_quantized = [](const gguf::Tensor& tensor) {
    return gguf::traits_of(tensor.type).block_size > 1;
  };
  return std::ranges::any_of(file.tensors(), is_quantized) ? KvElement::i16 : KvElement::f32;
}

Result<> logits_of(const gguf::File& file, Backend& backend, std::span<const Token> tokens,
                   const LogitsOptions& options, const LogitsSink& sink) {
  if (tokens.empty()) return Error{Errc::invalid, "logits of no tokens, expected at least 1"};
  Result<Model> model = Model::load(file, backend);
  if (!model) return model.error();
  const ModelPlan& plan = model->plan();
  if (tokens.size() > plan.n_context_train)
    return Error{Errc::context_exceeded,
                 fmt::format("{} tokens, but {} was trained for {}", tokens.size(), file.path(),
                             plan.n_context_train)};

  const KvElement element = options.kv.value_or(kv_element_for(file));
  const uint32_t n_pages = pages_for(tokens.size());
  Result<KvCache> cache = KvCache::create(kv_shape(plan, element), n_pages);
  if (!cache) return cache.error();
  std::vector<std::vector<PageIndex>> tables(1);
  for (uint32_t i = 0; i < n_pages; ++i) {
    tables[0].push_back(*cache->acquire());
    cache->hold_window(tables[0].back());
  }

  const size_t chunk = std::clamp<size_t>(kMaxChunkBytes / (plan.n_vocab * sizeof(float)), 1,
                                          std::max(options.chunk, 1u));
  std::vector<BatchRow> rows;
  std::vector<float> logits;
  for (size_t start = 0; start < tokens.size(); start += rows.size()) {
    rows.clear();
    for (size_t i = start; i < std::min(start + chunk, tokens.size()); ++i)
      rows.push_back({.token = tokens[i],
                      .position = static_cast<uint32_t>(i),
                      .sequence = 0,
                      .wants_logits = true});
    if (Result<> done = model->forward({rows, tables}, *cache, logits); !done) return done;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = std::span<const float>(logits).subspan(i * plan.n_vocab, plan.n_vocab);
      if (Result<> taken = sink(row); !taken) return taken;
    }
  }
  return {};
}

}  // namespace hearth
