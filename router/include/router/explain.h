// Why a decision came out as it did, and what would have changed it.
//
// The same object for a decision in the ledger, for a dry run and for a replay: everything in it is
// computed from the decision's record and a policy by decide() itself. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "router/decision.h"
#include "router/policy.h"

namespace hearth::router {

struct AttemptRow;  // ledger.h

// The least change of one thing, all else as it was, by which another target or effort wins.
struct Flip {
  std::string target;  // who wins then; "": nobody is left
  std::optional<Effort> effort;
  std::string what;  // minute_usd, success_usd, prompt_tokens, requests_to_come, cache_chance,
                     // price_factor, down
  double from = 0, to = 0;
  std::string text;  // "cheap wins if a minute is worth more than $0.12"
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field("effort", self.effort);
    field("what", self.what);
    field("from", self.from);
    field("to", self.to);
    field("text", self.text);
  }
};

struct RemovedTarget {
  std::string target;
  std::optional<Effort> effort;
  std::string rule;  // and the fact that it rests on
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field("effort", self.effort);
    field("rule", self.rule);
  }
};

struct KeptTarget {
  std::string target;
  std::optional<Effort> effort;
  double cost_usd = 0, later_usd = 0;
  double latency_ms = 0, first_word_ms = 0;
  double quality = 0;
  Warmth cache;  // what is assumed of it
  double utility_usd = 0, uncertainty_usd = 0;
  double reserved_usd = 0;  // the most that it may cost: what a budget must hold
  double propensity = 0;
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field("effort", self.effort);
    field("costUsd", self.cost_usd);
    field("laterUsd", self.later_usd);
    field("latencyMs", self.latency_ms);
    field("firstWordMs", self.first_word_ms);
    field("quality", self.quality);
    field("cache", self.cache);
    field("utilityUsd", self.utility_usd);
    field("uncertaintyUsd", self.uncertainty_usd);
    field("reservedUsd", self.reserved_usd);
    field("propensity", self.propensity);
  }
};

// One leg on a request's way: what was asked of whom, and what became of it.
struct TriedTarget {
  std::string target;
  std::optional<Effort> effort;
  std::string model;
  bool is_hedge = false;   // beside the one before it, which was slow
  int64_t start_ms = 0;    // after the decision
  int64_t total_ms = 0;    // 0 while it is under way
  std::string outcome;     // "answered", "not shown", "nothing sent", "under way", "unknown", a
                           // failure's code
  std::string word;        // the provider's own, of a failure
  std::string cost_usd;    // exact; of one whose cost is not known the most that it can be
  bool is_answer = false;  // what the client was given is of this one
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field("effort", self.effort);
    field.or_default("model", self.model);
    field.or_default("hedge", self.is_hedge);
    field("startMs", self.start_ms);
    field("totalMs", self.total_ms);
    field("outcome", self.outcome);
    field.or_default("word", self.word);
    field("costUsd", self.cost_usd);
    field.or_default("answer", self.is_answer);
  }
};

struct Explanation {
  std::string decision, request, session;
  int64_t time_ms = 0;
  std::string policy_name, policy_hash;
  TaskClass task = TaskClass::chat;
  std::string model;  // as asked
  uint64_t n_prompt_tokens = 0;
  std::vector<std::string> labels;
  std::vector<LabelCause> label_causes;
  double minute_usd = 0, success_usd = 0;  // what counted
  std::string target;                      // the winner; "": refused
  std::optional<Effort> effort;            // that it is asked for; absent: as it does
  std::optional<StandIn> stand_in;         // who answered in its place
  std::optional<Errc> refused_as;
  std::string reason;
  bool is_held = false, is_exploring = false;
  std::string runner_up;         // "sonnet at low"
  double margin_usd = 0;         // of the winner over it; negative when held or exploring
  std::vector<KeptTarget> kept;  // the best first
  std::vector<RemovedTarget> removed;
  std::vector<std::string> fallbacks;  // the best first
  std::vector<Flip> flips;
  std::vector<TriedTarget> tried;  // in the order in which they began; of what was carried out
  double reserved_usd = 0;         // for the winner
  double propensity = 0;
  std::optional<double> draw;  // the one chance in it
  std::string note;            // what could not be said, and why
  static void fields(auto& self, auto&& field) {
    field("decision", self.decision);
    field("request", self.request);
    field("session", self.session);
    field("timeMs", self.time_ms);
    field("policy", self.policy_name);
    field("policyHash", self.policy_hash);
    field("class", self.task);
    field("model", self.model);
    field("promptTokens", self.n_prompt_tokens);
    field("labels", self.labels);
    field("labelCauses", self.label_causes);
    field("minuteUsd", self.minute_usd);
    field("successUsd", self.success_usd);
    field("target", self.target);
    field("effort", self.effort);
    field("standIn", self.stand_in);
    field("refusedAs", self.refused_as);
    field("reason", self.reason);
    field("held", self.is_held);
    field("exploring", self.is_exploring);
    field("runnerUp", self.runner_up);
    field("marginUsd", self.margin_usd);
    field("kept", self.kept);
    field("removed", self.removed);
    field("fallbacks", self.fallbacks);
    field("flips", self.flips);
    field("tried", self.tried);
    field("reservedUsd", self.reserved_usd);
    field("propensity", self.propensity);
    field("draw", self.draw);
    field("note", self.note);
  }
};

// `policy` is the one in force now; when it is not the record's, what it changes is in the note,
// and flips are those of the record's targets that it still has.
Explanation explain(const DecisionRecord& record, const Policy& policy);

// What came of it, from the ledger's rows in the order in which they began. `is_answered`: the
// client was given an answer.
std::vector<TriedTarget> tried_of(const DecisionRecord& record, const std::vector<AttemptRow>& rows,
                                  bool is_answered);

// For people: a screen of text.
std::string in_words(const Explanation& explanation);

// The record's states for the targets of a policy, by name, in the room of `states`; one that was
// not there then has none.
void states_for(const DecisionRecord& record, const Policy& policy,
                std::vector<TargetState>& states);

}  // namespace hearth::router
