#include "privacy/rules.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "privacy/secrets.h"
#include "router/router.h"

namespace hearth::router {

namespace {

constexpr std::string_view kRepo = "repo:", kTool = "tool:", kDetector = "detector:";

// A '*' also means '/'; "**/x" also x at the top. Case counts, as it does for the files.
bool glob(const std::string& pattern, const std::string& text) {
  if (::fnmatch(pattern.c_str(), text.c_str(), 0) == 0) return true;
  return pattern.starts_with("**/") && ::fnmatch(pattern.c_str() + 3, text.c_str(), 0) == 0;
}

// The text, and what is left of it behind each '/': a repository may be named by its folder or by
// owner and name.
bool glob_any_end(const std::string& pattern, std::string text) {
  while (text.ends_with('/')) text.pop_back();
  if (glob(pattern, text) || glob(pattern, text + "/")) return true;
  for (size_t at = text.find('/'); at != text.npos; at = text.find('/', at + 1))
    if (glob(pattern, text.substr(at + 1)) || glob(pattern, text.substr(at + 1) + "/")) return true;
  return false;
}

std::string expand_home(const std::string& pattern) {
  const char* home = std::getenv("HOME");
  return home && pattern.starts_with("~/") ? home + pattern.substr(1) : pattern;
}

// "lib/../src/a.cc" is in src/, however it is spelled.
std::string normal_path(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().generic_string();
}

std::string match_of(const std::string& pattern, const Source& source) {
  if (pattern.starts_with(kRepo))
    return source.repo && glob_any_end(pattern.substr(kRepo.size()), *source.repo)
               ? "repository " + *source.repo
               : "";
  if (pattern.starts_with(kTool))
    return source.tool && glob(pattern.substr(kTool.size()), *source.tool) ? "tool " + *source.tool
                                                                           : "";
  if (pattern.starts_with(kDetector) || !source.path) return "";
  const std::string path = normal_path(*source.path);
  const std::string whole_pattern = expand_home(pattern);
  bool is_match = glob(whole_pattern, path);
  if (whole_pattern.starts_with('/') && !path.starts_with('/') && source.repo)
    is_match = glob(whole_pattern, normal_path(*source.repo + "/" + path));
  // A relative pattern is about places within a repository; a client may name the whole path.
  else if (!is_match && path.starts_with('/'))
    is_match = glob_any_end(pattern, path);
  return is_match ? "path " + *source.path : "";
}

}  // namespace

std::vector<RuleMatch> matches_of(const std::vector<LabelRule>& rules, const Source& source) {
  std::vector<RuleMatch> found;
  for (const LabelRule& rule : rules)
    for (const std::string& pattern : rule.match)
      if (std::string why = match_of(pattern, source); !why.empty()) {
        found.push_back({&rule, std::move(why)});
        break;
      }
  return found;
}

std::vector<const LabelRule*> rules_of_detectors(const std::vector<LabelRule>& rules,
                                                 uint32_t detectors) {
  std::vector<const LabelRule*> found;
  for (const LabelRule& rule : rules)
    for (const std::string& pattern : rule.match)
      if (pattern.starts_with(kDetector) &&
          detectors_of(std::string_view(pattern).substr(kDetector.size())) & detectors) {
        found.push_back(&rule);
        break;
      }
  return found;
}

std::string pattern_fault(std::string_view pattern) {
  if (pattern.starts_with(kDetector)) {
    if (detectors_of(pattern.substr(kDetector.size()))) return "";
    std::string known = "key";
    for (std::string_view name : kDetectorNames) (known += ", ") += name;
    return fmt::format("\"detector:NAME\" with a NAME of {}", known);
  }
  for (std::string_view prefix : {kRepo, kTool})
    if (pattern == prefix) return fmt::format("a pattern behind \"{}\"", prefix);
  return pattern.empty() ? "a path pattern, \"repo:PATTERN\", \"tool:NAME\" or \"detector:NAME\""
                         : "";
}

std::vector<std::string> labels_of(const Policy& policy, const Block& block) {
  std::vector<std::string> labels = block.labels;
  if (!block.source) return labels;
  for (const RuleMatch& match : matches_of(policy.labels, *block.source))
    if (std::ranges::count(labels, match.rule->name) == 0) labels.push_back(match.rule->name);
  return labels;
}

void label_by_source(const Policy& policy, RouteRequest& request) {
  RequestFacts& facts = request.facts;
  for (const std::string& label : facts.labels)
    facts.label_causes.push_back({label, "said with the request", "", 0});
  uint32_t n_message = 0;
  for (Message& message : request.body.messages) {
    ++n_message;
    for (Block& block : message.blocks) {
      auto put = [&](const std::string& label, std::string why) {
        if (std::ranges::count(facts.labels, label) > 0) return;
        facts.labels.push_back(label);
        facts.label_causes.push_back({label, std::move(why), "", n_message});
      };
      for (const std::string& label : block.labels) put(label, "carried since it was written");
      if (!block.source) continue;
      for (RuleMatch& match : matches_of(policy.labels, *block.source)) {
        if (std::ranges::count(block.labels, match.rule->name) == 0)
          block.labels.push_back(match.rule->name);
        put(match.rule->name, std::move(match.why));
      }
    }
  }
}

}  // namespace hearth::router
