#include "privacy/rules.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <utility>

#include "privacy/named_files.h"
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
  const std::string path = normal_path(expand_home(*source.path));
  const std::string whole_pattern = expand_home(pattern);
  bool is_match = glob(whole_pattern, path) || glob(whole_pattern, path + "/");
  if (whole_pattern.starts_with('/') && !path.starts_with('/') && source.repo)
    is_match = glob(whole_pattern, normal_path(*source.repo + "/" + path));
  // A relative pattern is about places within a repository; a client may name the whole path.
  else if (!is_match && (path.starts_with('/') || path.starts_with("../")))
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

namespace {

// The longest run of letters that every path has which matches; "": there is none.
std::string_view hint_of(std::string_view pattern) {
  if (pattern.starts_with("~/")) pattern.remove_prefix(2);
  std::string_view longest;
  while (!pattern.empty()) {
    const size_t end = pattern.find_first_of("*?[]\\/");
    if (pattern.substr(0, end).size() > longest.size()) longest = pattern.substr(0, end);
    const bool is_set = end != pattern.npos && pattern[end] == '[';
    const size_t next = is_set ? pattern.find(']', end) : end;
    pattern.remove_prefix(next == pattern.npos ? pattern.size() : next + 1);
  }
  return longest;
}

// The calls so far, for the results that answer them.
class Calls {
 public:
  struct Told {
    std::string tool;
    const CallFiles* files;
  };

  const CallFiles& add(const ToolCall& call, const CallFiles& files, uint32_t n_message) {
    // Some name their calls anew in each answer.
    auto& [of_message, calls] = told_[call.id];
    if (std::exchange(of_message, n_message) != n_message) calls.clear();
    calls.push_back({call.name, &files});
    return files;
  }

  const std::vector<Told>* find(const std::string& id) const {
    auto found = told_.find(id);
    return found == told_.end() ? nullptr : &found->second.second;
  }

 private:
  std::map<std::string, std::pair<uint32_t, std::vector<Told>>> told_;
};

}  // namespace

CallReader::CallReader(const std::vector<LabelRule>& rules) : rules_(rules) {
  for (const LabelRule& rule : rules)
    for (const std::string& pattern : rule.match)
      if (!pattern.starts_with(kRepo) && !pattern.starts_with(kTool) &&
          !pattern.starts_with(kDetector))
        hints_.push_back(hint_of(pattern));
}

CallFiles CallReader::read(std::string_view arguments) const {
  CallFiles files;
  const NamedFiles named = named_files(
      arguments, [&](std::string_view path) { match(std::string(path), files.labels); });
  files.path = named.path;
  files.has_text = named.has_text;
  return files;
}

void CallReader::match(std::string path, std::vector<CallFiles::Label>& labels) const {
  if (std::ranges::none_of(hints_, [&](auto hint) { return path.find(hint) != path.npos; })) return;
  for (RuleMatch& match : matches_of(rules_, {std::move(path), {}, {}}))
    if (std::ranges::count(labels, match.rule->name, &CallFiles::Label::name) == 0)
      labels.push_back({match.rule->name, std::move(match.why)});
}

std::vector<std::string> labels_of_ids(const Policy& policy, const CompletionRequest& request) {
  std::vector<std::string> labels;
  if (request.prompt_tokens.empty()) return labels;
  for (const LabelRule& rule : policy.labels)
    if (std::ranges::count(labels, rule.name) == 0) labels.push_back(rule.name);
  return labels;
}

void label_by_source(const Policy& policy, RouteRequest& request, const KnownCalls& known) {
  RequestFacts& facts = request.facts;
  for (const std::string& label : facts.labels)
    facts.label_causes.push_back({label, "said with the request", "", 0});
  for (std::string& label : labels_of_ids(policy, request.body)) {
    if (std::ranges::count(facts.labels, label) > 0) continue;
    facts.label_causes.push_back({label, "token ids, which may be any text", "", 0});
    facts.labels.push_back(std::move(label));
  }
  uint32_t n_message = 0;
  Calls calls;
  const CallReader reader(policy.labels);
  std::deque<CallFiles> read;  // of calls that are not known
  auto files_of = [&](const ToolCall& call) -> const CallFiles& {
    const CallFiles* files = known ? known(call) : nullptr;
    return files ? *files : read.emplace_back(reader.read(call.arguments));
  };
  for (Message& message : request.body.messages) {
    ++n_message;
    const std::vector<Calls::Told>* answered = nullptr;
    for (Block& block : message.blocks) {
      auto put = [&](const std::string& label, std::string why) {
        if (std::ranges::count(facts.labels, label) > 0) return;
        facts.labels.push_back(label);
        facts.label_causes.push_back({label, std::move(why), "", n_message});
      };
      auto add = [&](const std::string& label, const std::string& why) {
        if (std::ranges::count(block.labels, label) == 0) block.labels.push_back(label);
        put(label, why);
      };
      for (const std::string& label : block.labels) put(label, "carried since it was written");
      if (const auto* call = std::get_if<ToolCall>(&block.content)) {
        const CallFiles& files = calls.add(*call, files_of(*call), n_message);
        if (files.has_text)
          for (const CallFiles::Label& label : files.labels)
            add(label.name, label.why + ", which it writes");
      }
      // Images that belong to a result follow it.
      if (const auto* result = std::get_if<ToolResult>(&block.content))
        answered = calls.find(result->call_id);
      else if (!std::holds_alternative<Image>(block.content))
        answered = nullptr;
      if (answered)
        for (const Calls::Told& told : *answered) {
          Source& source = block.source ? *block.source : block.source.emplace();
          if (!source.tool) source.tool = told.tool;
          if (!source.path && !told.files->path.empty()) source.path = told.files->path;
          for (const CallFiles::Label& label : told.files->labels)
            add(label.name, label.why + ", named by the call that it answers");
        }
      if (!block.source) continue;
      for (const RuleMatch& match : matches_of(policy.labels, *block.source))
        add(match.rule->name, match.why);
    }
  }
}

}  // namespace hearth::router
