#include "engine/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <random>

#include "engine/loaded_model.h"
#include "graph/model.h"

namespace hearth::engine {
namespace {

// One sequence in a cache of its own.
class Runner {
 public:
  static Result<Runner> create(const gguf::File& file, Backend& backend, uint32_t n_tokens) {
    Result<Model> model = Model::load(file, backend);
    if (!model) return model.error();
    const uint32_t n_pages = pages_for(n_tokens);
    Result<KvCache> cache = KvCache::create(kv_shape(model->plan(), KvElement::i16), n_pages);
    if (!cache) return cache.error();
    return Runner(std::move(*model), std::move(*cache), n_pages);
  }

  const Model& model() const { return model_; }
  const KvCache& cache() const { return cache_; }

  void restart() { position_ = 0; }

  // The next n tokens, n_step in a forward pass; logits of the last of each pass where `wants`
  // says.
  Result<> advance(uint32_t n, uint32_t n_step, bool wants_logits) {
    for (uint32_t done = 0; done < n;) {
      rows_.clear();
      const uint32_t end = std::min(n, done + n_step);
      for (; done < end; ++done) {
        const auto token = static_cast<Token>(random_() % model_.plan().n_vocab);
        const bool is_last = n_step == 1 || done + 1 == n;
        rows_.push_back({token, position_++, 0, wants_logits && is_last});
      }
      if (Result<> computed = model_.forward({rows_, tables_}, cache_, logits_); !computed)
        return computed;
    }
    return {};
  }

 private:
  Runner(Model model, KvCache cache, uint32_t n_pages)
      : model_(std::move(model)), cache_(std::move(cache)), tables_(1) {
    for (uint32_t i = 0; i < n_pages; ++i) {
      tables_[0].push_back(*cache_.acquire());
      cache_.hold_window(tables_[0].back());
    }
  }

  Model model_;
  KvCache cache_;
  std::vector<std::vector<PageIndex>> tables_;
  std::vector<BatchRow> rows_;
  std::vector<float> logits_;
  uint32_t position_ = 0;
  std::minstd_rand random_;
};

// Seconds of the timed part.
Result<double> run(Runner& runner, const SpeedTest& test) {
  runner.restart();
  if (Result<> done = runner.advance(test.depth, kStepRows, false); !done) return done.error();
  const auto start = std::chrono::steady_clock::now();
  const uint32_t n_step = test.kind == SpeedTest::Kind::prompt ? kStepRows : 1;
  if (Result<> done = runner.advance(test.n_tokens, n_step, true); !done) return done.error();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Bytes and multiply-adds of the matrices that a token goes through, its output apart.
struct PerToken {
  double layer_bytes = 0, layer_products = 0, output_bytes = 0, output_products = 0;
};

PerToken per_token(const gguf::File& file, const ModelPlan& plan) {
  double expert_share = 1;  // of a stack that one token uses
  for (const LayerPlan& layer : plan.layers)
    if (const auto* moe = std::get_if<Moe>(&layer.ffn))
      expert_share = static_cast<double>(moe->router.n_used) / moe->router.n_experts;
  PerToken sum;
  const bool is_tied = file.find_tensor("output.weight") == nullptr;
  for (const gguf::Tensor& tensor : file.tensors()) {
    if (tensor.n_dims < 2) continue;
    const double share = tensor.dims[2] > 1 ? expert_share : 1;
    const auto bytes = share * static_cast<double>(tensor.data.size());
    const auto products = share * static_cast<double>(tensor.n_elements());
    if (tensor.name.starts_with("blk.")) {
      sum.layer_bytes += bytes;
      sum.layer_products += products;
    } else if (tensor.name == (is_tied ? "token_embd.weight" : "output.weight")) {
      sum.output_bytes += bytes;
      sum.output_products += products;
    }
  }
  return sum;
}

Work work_of(const SpeedTest& test, const PerToken& token, const KvShape& shape) {
  const double n = test.n_tokens;
  if (test.kind == SpeedTest::Kind::prompt)
    return {.operations = 2 * (n * token.layer_products + token.output_products)};
  const double kv_bytes =
      static_cast<double>(KvCache::page_bytes(shape) + KvCache::window_bytes(shape)) / kPageTokens;
  return {.read_bytes =
              n * (token.layer_bytes + token.output_bytes) + n * (test.depth + n / 2) * kv_bytes,
          .operations = 2 * n * (token.layer_products + token.output_products)};
}

}  // namespace

std::string SpeedTest::name() const {
  return fmt::format("{}{}", kind == Kind::prompt ? "pp" : "tg", n_tokens);
}

Result<std::vector<SpeedResult>> measure(const gguf::File& file, Backend& backend,
                                         const std::vector<SpeedTest>& tests,
                                         uint32_t n_repetitions) {
  const Result<ModelPlan> plan = plan_of(file);
  if (!plan) return plan.error();
  uint32_t longest = 1;
  for (const SpeedTest& test : tests) {
    const uint32_t n = test.depth + test.n_tokens;
    if (plan->n_context_train > 0 && n > plan->n_context_train)
      return Error{Errc::invalid,
                   fmt::format("{} at depth {} needs a context of {} tokens, the model has {}",
                               test.name(), test.depth, n, plan->n_context_train)};
    longest = std::max(longest, n);
  }
  Result<Runner> runner = Runner::create(file, backend, longest);
  if (!runner) return runner.error();
  const PerToken token = per_token(file, runner->model().plan());
  std::vector<SpeedResult> results;
  for (const SpeedTest& test : tests)
    results.push_back({test, {}, work_of(test, token, runner->cache().shape())});

  for (uint32_t round = 0; round <= n_repetitions; ++round) {
    for (SpeedResult& result : results) {
      const Result<double> seconds = run(*runner, result.test);
      if (!seconds) return seconds.error();
      if (round > 0) result.tokens_per_s.push_back(result.test.n_tokens / *seconds);
    }
  }
  for (SpeedResult& result : results) std::ranges::sort(result.tokens_per_s);
  return results;
}

}  // namespace hearth::engine
