// Every model family: general.architecture and the function of its file, one line each.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "models/metadata.h"
#include "models/plan.h"

#define HEARTH_FAMILIES(FAMILY)               \
  FAMILY("apertus", plan_apertus)             \
  FAMILY("bert", plan_bert)                   \
  FAMILY("deepseek2", plan_deepseek2)         \
  FAMILY("ernie4_5", plan_ernie4_5)           \
  FAMILY("ernie4_5-moe", plan_ernie4_5_moe)   \
  FAMILY("gemma2", plan_gemma2)               \
  FAMILY("gemma3", plan_gemma3)               \
  FAMILY("gemma4", plan_gemma4)               \
  FAMILY("glm4", plan_glm4)                   \
  FAMILY("glm4moe", plan_glm4moe)             \
  FAMILY("gpt-oss", plan_gpt_oss)             \
  FAMILY("granite", plan_granite)             \
  FAMILY("hunyuan-dense", plan_hunyuan_dense) \
  FAMILY("lfm2", plan_lfm2)                   \
  FAMILY("llama", plan_llama)                 \
  FAMILY("minimax-m2", plan_minimax_m2)       \
  FAMILY("mistral3", plan_mistral3)           \
  FAMILY("olmo2", plan_olmo2)                 \
  FAMILY("olmoe", plan_olmoe)                 \
  FAMILY("phi3", plan_phi3)                   \
  FAMILY("qwen2", plan_qwen2)                 \
  FAMILY("qwen2moe", plan_qwen2moe)           \
  FAMILY("qwen3", plan_qwen3)                 \
  FAMILY("qwen35", plan_qwen35)               \
  FAMILY("qwen35moe", plan_qwen35moe)         \
  FAMILY("qwen3moe", plan_qwen3moe)           \
  FAMILY("qwen3next", plan_qwen3next)         \
  FAMILY("seed_oss", plan_seed_oss)           \
  FAMILY("smollm3", plan_smollm3)             \
  FAMILY("starcoder2", plan_starcoder2)

namespace hearth {

#define HEARTH_DECLARE(name, plan) ModelPlan plan(Metadata& m);
HEARTH_FAMILIES(HEARTH_DECLARE)
#undef HEARTH_DECLARE

namespace {

struct Family {
  std::string_view architecture;
  ModelPlan (*plan)(Metadata& m);
};

constexpr Family kFamilies[] = {
#define HEARTH_ROW(name, plan) {name, plan},
    HEARTH_FAMILIES(HEARTH_ROW)
#undef HEARTH_ROW
};

}  // namespace

Result<ModelPlan> plan_of(const gguf::File& file) {
  if (file.architecture().empty())
    return Error{Errc::corrupt, fmt::format("{}: general.architecture is missing", file.path())};
  const auto* family = std::ranges::find(kFamilies, file.architecture(), &Family::architecture);
  if (family == std::end(kFamilies)) {
    std::vector<std::string_view> known;
    for (const Family& each : kFamilies) known.push_back(each.architecture);
    return Error{Errc::unsupported,
                 fmt::format("{}: architecture '{}' is not supported, expected one of: {}",
                             file.path(), file.architecture(), fmt::join(known, ", "))};
  }
  Metadata metadata(file);
  ModelPlan plan = family->plan(metadata);
  if (metadata.error()) return *metadata.error();
  return plan;
}

}  // namespace hearth
