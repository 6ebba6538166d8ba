// How hard a target is asked to think: which levels it may be chosen at for a request, and what is
// thought of each before anything was learned of it.
//
// A target that lists efforts is as many candidates of a decision; account, breaker, cache and
// ledger stay its own. Pure.
#pragma once

#include <boost/container/static_vector.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "router/decision.h"
#include "router/policy.h"

namespace hearth::router {

// What the client asks for; nullopt: it leaves that open. Of a budget of tokens the level that
// usually spends as much.
std::optional<Effort> asked_effort(const ReasoningControls& asked);

// In the order of the candidates. Absent is a level too: nobody states one, the model thinks as it
// does. The client's word goes over all, a class's over the efforts that a target lists.
using Levels = boost::container::static_vector<std::optional<Effort>, 7>;
Levels levels_of(const RequestFacts& facts, const Policy& policy, const Target& target);

// From no thoughts to some, or back.
bool is_toggle(std::optional<Effort> from, std::optional<Effort> to);

// Tokens of an answer with its thoughts, in answers without any: what is usual of models that
// think.
double thought_factor(Effort effort);

// What is known of a target at a level, for a forecast.
struct AtLevel {
  Belief belief;
  Warmth warm;
  double quality = 0;   // where nothing was learned
  double n_output = 0;  // tokens, likewise
  int64_t needed = 0;   // of its means
};
AtLevel at_level(const Target& target, const TargetState& state, std::optional<Effort> effort);

// The state's word on a level; null: there is none.
const EffortState* find_effort(const TargetState& state, std::optional<Effort> effort);
// Makes room in the state for a word on each level; of levels that the target cannot tell apart
// (TargetState::thinking) the least alone may be asked for. Nothing of a target that lists no
// efforts.
void make_levels(const RequestFacts& facts, const Policy& policy, const Target& target,
                 TargetState& state);

// What the request says beside it forbids the target to think: no level with thoughts may be asked
// for, be it the only one that is stated.
void forbid_thoughts(const RequestFacts& facts, const Policy& policy, const Target& target,
                     TargetState& state);

// The level at which this target would do best, of those that are not excluded.
std::optional<Effort> best_effort(const Decision& decision, std::string_view target);
// At what level it answers, should it be asked: as decided, of another target the best.
std::optional<Effort> effort_at(const Decision& decision, std::string_view target);
// Likewise of whoever answered, once that is known.
std::optional<Effort> answered_effort(const DecisionRecord& record, std::string_view target);
// The candidate that this is; null: none.
const Candidate* find_candidate(const Decision& decision, std::string_view target,
                                std::optional<Effort> effort);
// Which of the policy's targets a candidate is of: those of one target lie side by side.
size_t place_of(const Decision& decision, size_t candidate);

// For people: "sonnet at high".
std::string level_name(std::string_view target, std::optional<Effort> effort);
// A step of a cascade: "sonnet@high", or "sonnet" at the level that is best there.
struct NamedLevel {
  std::string_view target;
  std::optional<Effort> effort;
};
NamedLevel named_level(std::string_view name);
// What outcomes are remembered by: "sonnet@high"; of a target that lists no efforts its name.
std::string outcome_name(std::string_view target, const TargetState& state,
                         std::optional<Effort> effort);
std::string outcome_name(std::string_view target, Effort effort);

}  // namespace hearth::router
