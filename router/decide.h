// decide() (policy.h) for those who decide often. Pure.
#pragma once

#include "router/policy.h"

namespace hearth::router {

// In the room of an earlier decision: nothing is allocated once it has held one like it.
void decide(const RequestFacts& facts, const Policy& policy, const std::vector<TargetState>& states,
            Decision& decision);

}  // namespace hearth::router
