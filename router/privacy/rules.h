// Which labels the policy's rules put on a text for where it came from.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inference/message.h"
#include "router/policy.h"

namespace hearth::router {

// A rule of one label, and the fact that it fitted.
struct RuleMatch {
  const LabelRule* rule = nullptr;
  std::string why;  // "path config/.env", "repository acme/web", "tool shell"
};

// By "PATTERN", "repo:PATTERN" and "tool:PATTERN"; the first match of each rule.
std::vector<RuleMatch> matches_of(const std::vector<LabelRule>& rules, const Source& source);

// Rules of "detector:NAME" that one of these detectors (bits) satisfies.
std::vector<const LabelRule*> rules_of_detectors(const std::vector<LabelRule>& rules,
                                                 uint32_t detectors);

// What is wrong with one pattern of `match`; "" when nothing is.
std::string pattern_fault(std::string_view pattern);

}  // namespace hearth::router
