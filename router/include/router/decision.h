// A routing decision and what it was made from. decide() (policy.h) is pure: everything that it
// reads is in RequestFacts, the policy snapshot and the targets' state, so that a decision can be
// explained, logged and replayed under another policy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/record.h"

namespace hearth::router {

enum class TaskClass : uint8_t { completion, chat, edit, plan, summary, title, commit_message, tool_turn };

// Who may see what is sent there. Ordered: a block labelled for one level may go to that and below.
enum class Trust : uint8_t { local, self_hosted, zero_retention, retained, trains };

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::TaskClass> {
  using C = router::TaskClass;
  static constexpr std::pair<C, std::string_view> names[] = {
      {C::completion, "completion"}, {C::chat, "chat"},
      {C::edit, "edit"},             {C::plan, "plan"},
      {C::summary, "summary"},       {C::title, "title"},
      {C::commit_message, "commit-message"}, {C::tool_turn, "tool-turn"},
  };
};
template <>
struct EnumNames<router::Trust> {
  using T = router::Trust;
  static constexpr std::pair<T, std::string_view> names[] = {
      {T::local, "local"},
      {T::self_hosted, "self"},
      {T::zero_retention, "zero-retention"},
      {T::retained, "retained"},
      {T::trains, "trains"},
  };
};
}  // namespace hearth

namespace hearth::router {

// What the router may know about a request; no text.
struct RequestFacts {
  std::string id;                // request id, also in the response headers
  std::string session;           // empty outside of one
  std::string model = "auto";    // as asked: auto, local, a target id or a model id
  TaskClass task = TaskClass::chat;
  std::vector<std::string> labels;  // union over all blocks and the request
  uint64_t n_prompt_estimate = 0;   // tokens
  uint32_t max_tokens = 0;
  bool needs_tools = false;
  bool needs_images = false;
  bool is_bare_prompt = false;  // no template: completions
  std::optional<uint32_t> deadline_ms;
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field("session", self.session);
    field("model", self.model);
    field("task", self.task);
    field("labels", self.labels);
    field("promptEstimate", self.n_prompt_estimate);
    field("maxTokens", self.max_tokens);
    field("needsTools", self.needs_tools);
    field("needsImages", self.needs_images);
    field("isBarePrompt", self.is_bare_prompt);
    field("deadlineMs", self.deadline_ms);
  }
};

struct Candidate {
  std::string target;
  std::optional<std::string> excluded_by;  // the rule and the fact that removed it; absent: kept
  double cost_usd = 0;
  double latency_ms = 0;  // predicted time to the last byte
  double quality = 0;     // prior, 0..1
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field("excludedBy", self.excluded_by);
    field("costUsd", self.cost_usd);
    field("latencyMs", self.latency_ms);
    field("quality", self.quality);
  }
};

struct Decision {
  std::string id;
  std::string target;  // empty: refused
  std::string model;   // at that target
  std::string reason;  // one sentence for people
  std::vector<Candidate> candidates;  // every target, in the order of the policy
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field("target", self.target);
    field("model", self.model);
    field("reason", self.reason);
    field("candidates", self.candidates);
  }
};

}  // namespace hearth::router
