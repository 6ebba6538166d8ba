// What a target is worth for a request: forecast, then utility in dollars. Pure.
#pragma once

#include <string_view>

#include "router/effort.h"
#include "router/policy.h"

namespace hearth::router {

// "auto", "auto:cheap", "auto:fast", "auto:best", or nothing: any target will do.
bool is_any(std::string_view model);

// What success and time are worth for this request: the class over the policy, auto:... over both.
Value value_of(const RequestFacts& facts, const Policy& policy);

// Cost, time and quality with the utility that they amount to: what was learned, else what the
// policy states, else figures of a target that nobody has measured.
// `at` is what is known of the level that the candidate is of. Leaves excluded_by and effort as
// they are.
void forecast(const RequestFacts& facts, const Value& value, const Target& target,
              const TargetState& state, const AtLevel& at, Candidate& candidate);

}  // namespace hearth::router
