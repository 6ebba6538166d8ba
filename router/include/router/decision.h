// A routing decision and what it was made from. decide() (policy.h) is pure: everything that it
// reads is in RequestFacts, the policy snapshot and the targets' state, so that a decision can be
// explained, logged and replayed under another policy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "router/needs.h"
#include "support/record.h"

namespace hearth::router {

enum class TaskClass : uint8_t {
  completion,
  chat,
  edit,
  plan,
  summary,
  title,
  commit_message,
  tool_turn,
  review
};

// What a request came in by.
enum class Origin : uint8_t { session, chat, completions, responses, messages };

// Who may see what is sent there. Ordered: a block labelled for one level may go to that and below.
enum class Trust : uint8_t { local, self_hosted, zero_retention, retained, trains };

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::TaskClass> {
  using C = router::TaskClass;
  static constexpr std::pair<C, std::string_view> names[] = {
      {C::completion, "completion"},
      {C::chat, "chat"},
      {C::edit, "edit"},
      {C::plan, "plan"},
      {C::summary, "summary"},
      {C::title, "title"},
      {C::commit_message, "commit-message"},
      {C::tool_turn, "tool-turn"},
      {C::review, "review"},
  };
};
template <>
struct EnumNames<router::Origin> {
  using O = router::Origin;
  static constexpr std::pair<O, std::string_view> names[] = {{O::session, "session"},
                                                             {O::chat, "chat"},
                                                             {O::completions, "completions"},
                                                             {O::responses, "responses"},
                                                             {O::messages, "messages"}};
};
template <>
struct EnumNames<router::Trust> {
  using T = router::Trust;
  static constexpr std::pair<T, std::string_view> names[] = {
      {T::local, "local"},       {T::self_hosted, "self"}, {T::zero_retention, "zero-retention"},
      {T::retained, "retained"}, {T::trains, "trains"},
  };
};
}  // namespace hearth

namespace hearth::router {

// What a decision may risk to learn more of targets that look worse than they may be.
struct Exploration {
  double draw = 0;           // uniform in [0, 1): the one chance in a decision
  double allowance_usd = 0;  // the most that this choice may be expected to lose
  double n_to_come = 500;    // requests like this one that may profit from what is learned
  static void fields(auto& self, auto&& field) {
    field("draw", self.draw);
    field("allowanceUsd", self.allowance_usd);
    field.or_default("toCome", self.n_to_come);
  }
};

// Why a request carries a label; no text.
struct LabelCause {
  std::string label;
  std::string why;       // "path config/.env", "text of src/keys.cc", "looks like private-key"
  std::string text;      // digest of the text that carries it (privacy/text_key.h); "": no single
  uint32_t message = 0;  // of the conversation, from 1; 0: beside it
  static void fields(auto& self, auto&& field) {
    field("label", self.label);
    field("why", self.why);
    field.or_default("text", self.text);
    field.or_default("message", self.message);
  }
};

// What was done since the user last spoke.
struct Rounds {
  uint32_t n_spoken = 0;   // messages of the user so far
  uint32_t n_rounds = 0;   // of tool calls
  uint32_t n_repeats = 0;  // how often the last ones were the same
  uint64_t n_tokens = 0;   // billed or computed; in a session only
  uint64_t ms = 0;         // since the first request; in a session only
  static void fields(auto& self, auto&& field) {
    field.or_default("spoken", self.n_spoken);
    field.or_default("rounds", self.n_rounds);
    field.or_default("repeats", self.n_repeats);
    field.or_default("tokens", self.n_tokens);
    field.or_default("ms", self.ms);
  }
};

// Where a conversation stands when its next request comes (session_memory.h).
struct Past {
  std::string target;            // that answered last
  std::optional<Effort> effort;  // at which it did
  uint64_t n_read = 0;           // tokens of this prompt that it has met before
  int64_t idle_ms = 0;           // since it answered
  uint32_t n_turns = 0;          // requests so far
  uint32_t n_held = 0;           // of them since the last switch
  uint32_t n_failed = 0;         // last answers in a row that were found wrong
  bool is_tool_round = false;    // the prompt ends with the results of calls
  bool is_signed = false;        // it holds what only its provider understands
  double spent_usd = 0;          // so far
  double switching_usd = 0;      // of that, for reading again what another target had read
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field("effort", self.effort);
    field.or_default("read", self.n_read);
    field.or_default("idleMs", self.idle_ms);
    field.or_default("turns", self.n_turns);
    field.or_default("held", self.n_held);
    field.or_default("failed", self.n_failed);
    field.or_default("toolRound", self.is_tool_round);
    field.or_default("signed", self.is_signed);
    field.or_default("spentUsd", self.spent_usd);
    field.or_default("switchingUsd", self.switching_usd);
  }
};

// What the router may know about a request; no text.
struct RequestFacts {
  std::string id;       // request id, also in the response headers
  std::string session;  // a session's id, or what a client names its own by; "": neither
  std::string project;  // what its budget is called; empty: none
  std::string token;    // name of the client's token; empty: the user's own
  Origin origin = Origin::session;
  std::string model = "auto";  // as asked: auto, auto:cheap, ..., local, a target id or a model id
  TaskClass task = TaskClass::chat;
  std::vector<std::string> labels;  // union over all blocks and the request
  std::vector<LabelCause> label_causes;
  uint64_t n_prompt_estimate = 0;  // tokens
  uint32_t max_tokens = 0;
  bool only_reads = false;           // of a prompt that is scored: nothing is answered
  bool asks_for_hour_cache = false;  // of a prompt: written at its own, dearer price
  Needs needs;
  std::optional<Effort> effort;  // that the client asks for; absent: it leaves that open
  std::optional<uint32_t> deadline_ms;
  Rounds rounds;
  std::optional<Exploration> exploration;  // absent: none
  std::optional<Past> past;                // absent: a conversation's first request, or none's
  double n_to_come = 0;                    // requests of this conversation expected after this one
  int64_t time_ms = 0;                     // Unix; 0: prices as without dates
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field("session", self.session);
    field.or_default("project", self.project);
    field.or_default("token", self.token);
    field("origin", self.origin);
    field("model", self.model);
    field("task", self.task);
    field("labels", self.labels);
    field.or_default("labelCauses", self.label_causes);
    field("promptEstimate", self.n_prompt_estimate);
    field("maxTokens", self.max_tokens);
    field.or_default("onlyReads", self.only_reads);
    field.or_default("hourCache", self.asks_for_hour_cache);
    field("needs", self.needs);
    field("effort", self.effort);
    field("deadlineMs", self.deadline_ms);
    field.or_default("rounds", self.rounds);
    field("exploration", self.exploration);
    field("past", self.past);
    field.or_default("toCome", self.n_to_come);
    field.or_default("timeMs", self.time_ms);
  }
};

// An expectation and how far the truth may lie from it (one standard deviation).
struct Spread {
  double mean = 0;
  double sd = 0;
  static void fields(auto& self, auto&& field) {
    field("mean", self.mean);
    field("sd", self.sd);
  }
};

// What was learned of a target, for this request (estimator.h). Goes over what the policy says.
struct Belief {
  std::optional<Spread> quality;
  std::optional<Spread> cost_usd;
  std::optional<Spread> latency_ms;
  std::optional<Spread> n_output{};  // tokens
  static void fields(auto& self, auto&& field) {
    field("quality", self.quality);
    field("costUsd", self.cost_usd);
    field("latencyMs", self.latency_ms);
    field("outputTokens", self.n_output);
  }
};

// What of a prompt a target need not read again, in all likelihood.
struct Warmth {
  uint64_t n_tokens = 0;
  double chance = 0;  // that they are still there
  double later = 0;   // that the next request finds them, this one having been answered there
  static void fields(auto& self, auto&& field) {
    field.or_default("tokens", self.n_tokens);
    field.or_default("chance", self.chance);
    field.or_default("later", self.later);
  }
};

// What money allows for a request at a target, in pico-dollars (money.h).
struct Means {
  int64_t needed = 0;  // free money without which the request is not sent
  // Of the hard budgets that apply the one that holds least; limit 0 and budget "": none applies.
  std::string budget;
  std::string period;  // in words: "today"
  int64_t limit = 0, spent = 0, held = 0;
  static void fields(auto& self, auto&& field) {
    field.or_default("neededPico", self.needed);
    field.or_default("budget", self.budget);
    field.or_default("period", self.period);
    field.or_default("limitPico", self.limit);
    field.or_default("spentPico", self.spent);
    field.or_default("heldPico", self.held);
  }
};

struct Candidate {
  std::string target;
  std::optional<Effort> effort;            // that it would be asked for; absent: as it does
  std::optional<std::string> excluded_by;  // the rule and the fact that removed it; absent: kept
  double cost_usd = 0;
  double latency_ms = 0;       // predicted time to the last byte
  double first_word_ms = 0;    // of that, to the first
  double quality = 0;          // 0..1
  double later_usd = 0;        // what each later request of the conversation costs there
  double utility_usd = 0;      // what a request is worth, less what it costs in money and time
  double uncertainty_usd = 0;  // of the utility, one standard deviation
  double propensity = 0;       // the chance with which this decision chose it
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field("effort", self.effort);
    field("excludedBy", self.excluded_by);
    field("costUsd", self.cost_usd);
    field("latencyMs", self.latency_ms);
    field.or_default("firstWordMs", self.first_word_ms);
    field("quality", self.quality);
    field.or_default("laterUsd", self.later_usd);
    field.or_default("utilityUsd", self.utility_usd);
    field.or_default("uncertaintyUsd", self.uncertainty_usd);
    field.or_default("propensity", self.propensity);
  }
};

// What a target says this request will take there.
struct Forecast {
  uint32_t n_prompt = 0, n_cached = 0;  // tokens; cached ones are not read again
  Spread ttft_ms;                       // to the first token, waiting included
  Spread token_ms;                      // for each one after it
  static void fields(auto& self, auto&& field) {
    field("promptTokens", self.n_prompt);
    field("cachedTokens", self.n_cached);
    field("ttftMs", self.ttft_ms);
    field("tokenMs", self.token_ms);
  }
};

// What is known of one level of a target that may be asked for several.
struct EffortState {
  Effort effort = Effort::none;
  std::optional<std::string> down;  // why it cannot be asked for
  Belief belief;
  Warmth warm;         // a provider may keep a prompt for the level that it was read at
  int64_t needed = 0;  // in place of Means::needed, pico-dollars
  static void fields(auto& self, auto&& field) {
    field("effort", self.effort);
    field("down", self.down);
    field.or_default("belief", self.belief);
    field.or_default("warm", self.warm);
    field.or_default("neededPico", self.needed);
  }
};

// What a target can be told of how hard to think.
enum class Thinking : uint8_t { fixed, switched, by_degrees };

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::Thinking> {
  using T = router::Thinking;
  static constexpr std::pair<T, std::string_view> names[] = {
      {T::fixed, "fixed"}, {T::switched, "switched"}, {T::by_degrees, "by-degrees"}};
};
}  // namespace hearth

namespace hearth::router {

// What is known about a target at this moment.
struct TargetState {
  Needs lacks;                      // what it cannot honour
  std::optional<std::string> down;  // why it cannot be used now ("engine gave up after 5 crashes")
  double queue_ms = 0;              // work in front of this request
  double prefill_tokens_per_s = 0;  // 0: use the prior
  double decode_tokens_per_s = 0;
  uint32_t n_context = 0;            // of the loaded model; 0: use Target's
  std::optional<Forecast> forecast;  // goes over the speeds
  Belief belief;
  Means means;
  double wait_ms = 0;  // until its account lets this request in; within queue_ms
  std::optional<uint64_t> n_requests_left, n_tokens_left;  // of its account; absent: nobody said
  Warmth warm;
  std::optional<Thinking> thinking;  // absent: nobody knows, the policy is believed
  std::vector<EffortState> efforts;  // go over belief, warm and what is needed; for some targets
  static void fields(auto& self, auto&& field) {
    field("lacks", self.lacks);
    field("down", self.down);
    field("queueMs", self.queue_ms);
    field("prefillTokensPerS", self.prefill_tokens_per_s);
    field("decodeTokensPerS", self.decode_tokens_per_s);
    field("context", self.n_context);
    field("forecast", self.forecast);
    field.or_default("belief", self.belief);
    field.or_default("means", self.means);
    field.or_default("waitMs", self.wait_ms);
    field("requestsLeft", self.n_requests_left);
    field("tokensLeft", self.n_tokens_left);
    field.or_default("warm", self.warm);
    field("thinking", self.thinking);
    field.or_default("efforts", self.efforts);
  }
};

// A second leg, should the first be slow to say its first word.
struct Hedge {
  double after_ms = 0;               // 0: the target's own slowest in twenty
  std::vector<std::string> targets;  // the best first
  uint32_t max_pct = 5;              // of requests, at most
  static void fields(auto& self, auto&& field) {
    field.or_default("afterMs", self.after_ms);
    field("targets", self.targets);
    field.or_default("maxPct", self.max_pct);
  }
};

struct Decision {
  std::string id;                // its own; the router gives it
  std::string target;            // empty: refused
  std::string model;             // at that target
  std::optional<Effort> effort;  // that it is asked for; absent: as it does
  std::string reason;            // one sentence for people
  std::optional<Errc> refused_as;
  std::vector<Candidate> candidates;  // each level of every target, in the order of the policy
  bool is_exploring = false;          // another one looked better
  bool is_held = false;               // another one looked better, but a switch does not pay
  std::vector<std::string> labels;    // of the request, which its answer inherits
  bool may_pass = false;  // a refusal that time may lift: a target is merely down or busy
  std::string question;   // of a refusal, where the policy says to ask; for people
  std::vector<std::string> fallbacks;  // who else may answer should it fail, the best first
  std::optional<Hedge> hedge;          // absent: none
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field("target", self.target);
    field("model", self.model);
    field("effort", self.effort);
    field("reason", self.reason);
    field("refusedAs", self.refused_as);
    field("candidates", self.candidates);
    field.or_default("exploring", self.is_exploring);
    field.or_default("held", self.is_held);
    field.or_default("labels", self.labels);
    field.or_default("mayPass", self.may_pass);
    field.or_default("question", self.question);
    field.or_default("fallbacks", self.fallbacks);
    field("hedge", self.hedge);
  }
};

// Who answers in the place of the target that was decided for: it failed, what it gave did not
// pass, or another one spoke first.
struct StandIn {
  std::string target, model;
  std::string reason;              // one sentence for people; no text of a request or an answer
  std::optional<Effort> effort{};  // that it was asked for; absent: its best level
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field("model", self.model);
    field("reason", self.reason);
    field("effort", self.effort);
  }
};

// All that a decision was made from, and what came of it: replaying is decide() on these.
struct DecisionRecord {
  int64_t time_ms = 0;      // Unix
  std::string policy_hash;  // policy_file.h
  RequestFacts facts;
  std::vector<TargetState> states;  // parallel to the policy's targets
  Decision decision;
  std::optional<StandIn> stand_in;  // absent: whoever was decided for
  static void fields(auto& self, auto&& field) {
    field("timeMs", self.time_ms);
    field("policyHash", self.policy_hash);
    field("facts", self.facts);
    field("states", self.states);
    field("decision", self.decision);
    field("standIn", self.stand_in);
  }
};

}  // namespace hearth::router
