// The user's policy as an immutable snapshot, and the pure decision that reads it.
//
// decide() touches no clock, no network and no state: the same facts, policy and target states give
// the same decision, so it can be explained, tested and replayed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inference/completion.h"
#include "router/budget.h"
#include "router/decision.h"
#include "router/price.h"
#include "router/target_facts.h"

namespace hearth::router {

enum class TargetKind : uint8_t { engine, api };

// How long an api target may take over each part of an answer, in milliseconds.
struct Timeouts {
  uint32_t connect_ms = 10'000;      // to be reached, TLS included
  uint32_t first_byte_ms = 180'000;  // to begin to answer: a long prompt is read for minutes
  uint32_t stall_ms = 60'000;        // between two bytes of an answer
  uint32_t total_ms = 3'600'000;
  bool operator==(const Timeouts&) const = default;
};

// One of the efforts that a target may be asked for, and what is thought of it beforehand; absent:
// as it usually is, beside the target's own quality (effort.h).
struct EffortChoice {
  Effort effort = Effort::none;
  std::optional<double> quality;     // prior that an answer is right, 0..1
  std::optional<uint32_t> n_output;  // tokens of an answer, its thoughts included
};

// One [target.NAME] of the config: where a request can go and what is known of it beforehand.
struct Target {
  std::string name;
  TargetKind kind = TargetKind::engine;
  std::string provider;  // api: "openai", "deepseek", ... a row of providers/table.cc
  std::string
      model;  // engine: a name in the model store or of [model.NAME]; api: the provider's id
  std::string base_url;    // api: overrides the provider's own
  std::string wire;        // api: another than the provider's own, "chat", "responses", ...
  std::string key_env;     // api: environment variable with the key
  std::string key_file;    // api: 0600 file with the key
  std::string key_secret;  // api: name of the key in the user's Secret Service
  bool is_pool = false;    // api: several servers of one model
  std::vector<std::string> endpoints;  // pool: the base URLs of its servers, in place of base_url
  Trust trust = Trust::local;
  TargetFacts facts;           // as stated; facts_of() adds what is commonly known
  std::optional<Price> price;  // an engine without one costs nothing; an api needs one
  double quality = 0.5;        // prior that an answer is right, 0..1
  uint32_t n_context = 0;      // tokens; 0: unknown, not filtered
  uint32_t n_max_output = 0;   // tokens; 0: unknown
  bool has_tools = true;
  bool has_images = false;
  std::optional<double> ttft_ms;       // prior; the engine's own figures come from TargetState
  std::optional<double> tokens_per_s;  // prior
  // api: how long its provider keeps a prompt that it has read; absent: as the provider documents
  std::optional<uint32_t> cache_life_s;
  std::optional<Effort> effort;       // of reasoning, where the client says none
  std::vector<EffortChoice> efforts;  // the router chooses among these; from the least on
  Timeouts timeouts;                  // api
  double watts = 0;                   // what it draws while it works, beyond idling
};

// [value]: what the user gains and loses, in dollars.
struct Value {
  double minute_usd = 0;   // a minute of waiting
  double success_usd = 0;  // an answer that is right
  double risk = 0;         // standard deviations that quality is taken below its mean
  double kwh_usd = 0;      // a kilowatt-hour, for targets that state their watts
};

// [switch]: when a conversation goes on elsewhere.
struct Switching {
  double margin_usd = 0;                // a request must gain more than this
  uint32_t hold_turns = 0;              // after a switch it stays for so many requests
  std::optional<double> max_spend_pct;  // of the conversation's cost, for reading again
  bool operator==(const Switching&) const = default;
};

// A second leg for a request that is slow to say its first word.
struct HedgeRule {
  std::optional<uint32_t> after_ms;  // absent or 0: "p95", the target's own slowest in twenty
  std::vector<std::string> to;       // targets; of those that pass, the first
  uint32_t max_pct = 5;              // of requests; more than 5 is 5
};

// One [class.NAME]: what a kind of task wants.
struct TaskRule {
  std::vector<std::string> targets;  // in order of preference; empty: all
  double min_quality = 0;
  std::optional<uint32_t> deadline_ms;
  std::optional<double> ttft_ms;     // the first word must be there by then
  std::optional<double> minute_usd;  // over [value]
  std::optional<double> success_usd;
  // Of reasoning, where the client says none: for targets that state none, and in place of all the
  // efforts that a target lists, whether it is among them or not.
  std::optional<Effort> effort;
  std::vector<std::string> cascade;  // targets, the cheapest first; the next when one does not pass
  std::vector<std::string> verify;   // what must pass, in this order
  uint32_t max_escalations = 1;
  std::optional<HedgeRule> hedge;
};

// [explore]: what may be risked to learn how good a target is.
struct Explore {
  std::vector<std::string> classes;  // names of TaskClass, or "all"; empty: never
  double usd_per_day = 0.05;         // expected loss
  double share = 0.05;               // of the utility so far
};

// One [[label]]: what carries the label, and the least trusted place that may see it.
struct LabelRule {
  std::string name;
  std::vector<std::string> match;  // path globs, "repo:GLOB", "tool:NAME", "detector:NAME"
  Trust trust = Trust::local;
  bool operator==(const LabelRule&) const = default;
};

// What becomes of a request that no target is left for. Never another target.
enum class OnNoTarget : uint8_t {
  refuse,
  wait,  // until one is, when only time stands in its way, or its deadline has passed
  ask    // refuse with the question whether to lift what stands in its way
};

// [limits]: when a model that calls tools for ever is stopped; 0: never.
struct Limits {
  uint32_t n_repeats = 20;  // repeated_calls: the same calls with the same results, in a row
  // Since the user last spoke: tool_rounds; in a session also run_tokens and run_minutes.
  uint32_t n_rounds = 0;
  uint64_t n_tokens = 0;
  uint32_t minutes = 0;
};

// What of a request's words the ledger keeps: nothing, a hash, or all of it (never of a labelled
// request).
enum class Bodies : uint8_t { none, hash, full };

// [cache] keepalive: whether a prompt is read once more before its provider's cache of it dies.
enum class KeepWarm : uint8_t { never, if_cheaper };

// One [rate."api:PROVIDER"].
struct RateRule {
  uint32_t reserve_pct = 0;  // of the account's room, kept for those who wait for an answer
};

// [ledger]
struct LedgerRules {
  Bodies bodies = Bodies::none;
  uint32_t keep_days = 90;            // of decisions; what cost money is kept
  uint64_t quota_bytes = 1ull << 30;  // the oldest decisions go when the file is larger
};

struct Policy {
  std::string name = "default";
  Trust trust_floor = Trust::retained;  // no target less trusted than this is ever used
  OnNoTarget on_no_target = OnNoTarget::refuse;
  FactRules allow, deny;
  std::vector<Target> targets;  // in the order of the file
  std::map<TaskClass, TaskRule> tasks;
  std::map<std::string, RateRule> rates;  // by "api:PROVIDER"
  std::vector<LabelRule> labels;
  std::vector<std::string> roots;  // [workspace]: folders whose labelled files are known by content
  Value value;
  Switching switching;
  KeepWarm keep_alive = KeepWarm::never;
  Explore explore;
  std::vector<Budget> budgets;  // in the order of the file
  Limits limits;
  LedgerRules ledger;
};

// Chooses, among the targets that pass every filter and the efforts that each may be asked for, the
// one of the highest utility in dollars:
//
//   success_usd * (quality - risk * sd) - cost - minute_usd * minutes
//
// on average over this request and those expected after it in its conversation: what must be read
// anew now may be cheap to go on with, and the other way round. With a policy that values neither
// time nor success it is the cheapest; of two equals the more trusted, then the faster, then the
// first of the policy. A model named auto:cheap, auto:fast or auto:best values nothing, time alone
// or quality alone. A conversation stays where it is unless a switch pays (stay.h); to ask the same
// target for another effort is no switch. With
// facts.exploration it may choose another one, by the chance that it is the best (explore.h).
// `states` runs parallel to policy.targets. A refusal has an empty target, a code and a reason that
// lists what excluded each. No id yet.
Decision decide(const RequestFacts& facts, const Policy& policy,
                const std::vector<TargetState>& states);

// Labels that the policy's rules put on a block's source, added to those it carries already.
std::vector<std::string> labels_of(const Policy& policy, const Block& block);

// The least trusted place that may see what carries these labels, and the label that says so: "" is
// the policy's floor. A label that no rule knows is taken at its strictest.
std::pair<Trust, std::string> required_trust(const Policy& policy,
                                             const std::vector<std::string>& labels);

// The gate. decide() keeps to it; whoever sends asks again right before, whatever was decided.
bool may_see(const Policy& policy, const Target& target, const std::vector<std::string>& labels);

// At this machine's own address.
bool is_on_this_machine(const Target& target);

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::OnNoTarget> {
  using O = router::OnNoTarget;
  static constexpr std::pair<O, std::string_view> names[] = {
      {O::refuse, "refuse"}, {O::wait, "wait"}, {O::ask, "ask"}};
};
template <>
struct EnumNames<router::KeepWarm> {
  using K = router::KeepWarm;
  static constexpr std::pair<K, std::string_view> names[] = {{K::never, "never"},
                                                             {K::if_cheaper, "if_cheaper"}};
};
template <>
struct EnumNames<router::Bodies> {
  using B = router::Bodies;
  static constexpr std::pair<B, std::string_view> names[] = {
      {B::none, "none"}, {B::hash, "hash"}, {B::full, "full"}};
};
}  // namespace hearth
