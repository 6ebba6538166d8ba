// decide() (policy.h) for those who decide often. Pure.
#pragma once

#include "router/policy.h"

namespace hearth::router {

// In the room of an earlier decision: nothing is allocated once it has held one like it.
void decide(const RequestFacts& facts, const Policy& policy, const std::vector<TargetState>& states,
            Decision& decision);

// The same target at the same effort. A record from before efforts were written down names none:
// its target was asked for the one that is stated.
bool is_same_choice(const Decision& then, const Decision& now, const Policy& policy);

}  // namespace hearth::router
