// Every model family, one line each.
#include <algorithm>
#include <array>

#include "models/plan.h"

namespace hearth {
namespace {

constexpr std::array kFamilies{
    Family{"llama", plan_llama},
    Family{"qwen2", plan_qwen2},
    Family{"qwen3", plan_qwen3},
};

}  // namespace

const Family* find_family(std::string_view architecture) {
  const auto* found = std::ranges::find(kFamilies, architecture, &Family::architecture);
  return found == kFamilies.end() ? nullptr : found;
}

std::vector<std::string_view> known_families() {
  std::vector<std::string_view> names;
  for (const Family& family : kFamilies) names.push_back(family.architecture);
  return names;
}

}  // namespace hearth
