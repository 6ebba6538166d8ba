#include "models/recommend.h"

#include <algorithm>

namespace hearth::models {

namespace {

constexpr uint32_t kKi = 1024;

constexpr KnownModel kModels[] = {
    {"Qwen3-Coder-30B-A3B", "hf:unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M", "code, agents",
     18.6, 2.0, 3.3, 96 * kKi},
    {"gpt-oss-20b", "hf:ggml-org/gpt-oss-20b-GGUF", "reasoning, agents", 12.1, 2.6, 3.6, 48 * kKi},
    {"Qwen2.5-Coder-14B", "hf:Qwen/Qwen2.5-Coder-14B-Instruct-GGUF:Q4_K_M", "code", 9.0, 8.7, 14.0,
     192 * kKi},
    {"Qwen3-8B", "hf:Qwen/Qwen3-8B-GGUF:Q4_K_M", "chat, reasoning", 5.0, 4.7, 7.6, 144 * kKi},
    {"Qwen2.5-Coder-7B", "hf:Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M", "code, completion", 4.7,
     4.4, 7.1, 56 * kKi},
    {"Qwen3-4B", "hf:Qwen/Qwen3-4B-GGUF:Q4_K_M", "chat, tool calls", 2.5, 2.5, 4.0, 144 * kKi},
    {"Qwen2.5-Coder-3B", "hf:Qwen/Qwen2.5-Coder-3B-Instruct-GGUF:Q4_K_M", "code, completion", 2.1,
     1.9, 3.1, 36 * kKi},
    {"Qwen2.5-Coder-1.5B", "hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M", "completion", 1.1,
     1.0, 1.5, 28 * kKi},
    {"Qwen2.5-Coder-0.5B", "hf:Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF:Q4_K_M", "completion", 0.49,
     0.40, 0.49, 12 * kKi},
    {"SmolLM2-135M", "", "a demonstration", 0.1, 0.1, 0.135, 45 * 512},
};

// Of the measured peaks: assumed, below what the kernels reached alone (docs/engine.md).
constexpr double kReadShare = 0.75, kInt8Share = 0.4;
constexpr double kTypicalDepth = 4096;  // tokens of context that a generated one reads
constexpr double kReadingPace = 8;      // tokens a second
constexpr double kWorkspaceBytes = 0.3e9;

}  // namespace

std::span<const KnownModel> known_models() { return kModels; }

std::vector<Recommendation> recommend(const MachineFigures& machine) {
  std::vector<Recommendation> all;
  for (const KnownModel& model : kModels) {
    const double kv_bytes = model.kv_token_bytes;
    Recommendation one{.model = &model};
    one.needed_bytes = static_cast<uint64_t>(model.file_gb * 1e9 + kWorkspaceBytes +
                                             kv_bytes * kRecommendedContext);
    one.fits = one.needed_bytes <= machine.memory_bytes;
    one.answer_tok_s =
        kReadShare * machine.read_bytes_per_s / (model.active_gb * 1e9 + kv_bytes * kTypicalDepth);
    one.prompt_tok_s = kInt8Share * machine.int8_ops_per_s / (2 * model.active_b * 1e9);
    all.push_back(one);
  }
  return all;
}

const Recommendation* best_of(std::span<const Recommendation> all) {
  const auto is_good = [](const Recommendation& one) {
    return one.fits && one.answer_tok_s >= kReadingPace;
  };
  const auto best = std::ranges::find_if(all, is_good);
  return best == all.end() ? nullptr : &*best;
}

}  // namespace hearth::models
