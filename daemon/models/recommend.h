// What of the open models fits a machine, and about how fast it would be there. Pure, any thread.
//
// Decoding is bound by reading the weights of a token and its keys and values; reading a prompt by
// multiplying. How much of the machine's measured peaks the engine reaches is known from its bench
// (docs/engine.md).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hearth::models {

// Sizes of published files, rounded; `hearth pull` takes the source as it stands here.
struct KnownModel {
  std::string_view name, source, good_for;
  double file_gb = 0;           // 1e9 bytes
  double active_gb = 0;         // read for a token
  double active_b = 0;          // 1e9 parameters that a token goes through
  uint32_t kv_token_bytes = 0;  // of the KV cache in f16, for each token of context
};
std::span<const KnownModel> known_models();  // better ones first

struct MachineFigures {
  uint64_t memory_bytes = 0;  // what models may take
  double read_bytes_per_s = 0, int8_ops_per_s = 0;
};

struct Recommendation {
  const KnownModel* model;
  uint64_t needed_bytes = 0;  // with kRecommendedContext
  bool fits = false;
  double prompt_tok_s = 0, answer_tok_s = 0;
};
inline constexpr uint32_t kRecommendedContext = 16384;  // tokens: what an agent needs at least

// Of every known model, in their order.
std::vector<Recommendation> recommend(const MachineFigures& machine);
// The first that fits and answers at a pace that one can read along with; null: none.
const Recommendation* best_of(std::span<const Recommendation> all);

}  // namespace hearth::models
