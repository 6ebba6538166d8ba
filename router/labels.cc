// Which labels a block's source puts on it.
#include <fnmatch.h>

#include <algorithm>
#include <filesystem>

#include "router/policy.h"

namespace hearth::router {

namespace {

bool glob(const std::string& pattern, const std::string& text) {
  if (::fnmatch(pattern.c_str(), text.c_str(), 0) == 0) return true;
  // "**/x" also means x at the top.
  return pattern.starts_with("**/") && ::fnmatch(pattern.c_str() + 3, text.c_str(), 0) == 0;
}

bool matches(const std::string& rule, const Source& source) {
  if (rule.starts_with("repo:")) return source.repo && glob(rule.substr(5), *source.repo);
  if (rule.starts_with("tool:")) return source.tool && glob(rule.substr(5), *source.tool);
  // "lib/../src/a.cc" is in src/, however it is spelled.
  return source.path &&
         glob(rule, std::filesystem::path(*source.path).lexically_normal().generic_string());
}

}  // namespace

std::vector<std::string> labels_of(const Policy& policy, const Block& block) {
  std::vector<std::string> labels = block.labels;
  if (!block.source) return labels;
  for (const LabelRule& rule : policy.labels) {
    bool is_match =
        std::ranges::any_of(rule.match, [&](const auto& m) { return matches(m, *block.source); });
    if (is_match && std::ranges::count(labels, rule.name) == 0) labels.push_back(rule.name);
  }
  return labels;
}

}  // namespace hearth::router
