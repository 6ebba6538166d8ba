// Which labels the policy's rules put on a text for where it came from.
//
// Pure; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/message.h"
#include "router/policy.h"
#include "router/provider.h"

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

// What a tool's call says of files, by its arguments.
struct CallFiles {
  struct Label {
    std::string name, why;
  };
  std::string path;           // as NamedFiles
  bool has_text = false;      // the text of a file, or a change to it
  std::vector<Label> labels;  // of the files that it names
};

// The rules outlive it.
class CallReader {
 public:
  explicit CallReader(const std::vector<LabelRule>& rules);
  CallFiles read(std::string_view arguments) const;

 private:
  void match(std::string path, std::vector<CallFiles::Label>& labels) const;

  const std::vector<LabelRule>& rules_;
  std::vector<std::string_view> hints_;  // of patterns of paths
};

// What was read of a call before; null: nothing.
using KnownCalls = std::function<const CallFiles*(const ToolCall&)>;

// A prompt of token ids may be any text, and nobody reads it: it carries every label that there is.
std::vector<std::string> labels_of_ids(const Policy& policy, const CompletionRequest& request);

// Labels of the request and its blocks for where these came from, and why. What is not known of a
// call is read.
void label_by_source(const Policy& policy, RouteRequest& request, const KnownCalls& known);
// What read_facts() (router.h) reads beside that.
void read_size_and_needs(RouteRequest& request);

}  // namespace hearth::router
