// Whether a conversation stays with the target that answered it last.
//
// Problem: a prompt that one target has read is cheap there and dear anywhere else, and a model
// that looks better by a hair today looks worse by one tomorrow: without a guard a router can cost
// several times what no router does. Idea: the forecast holds what reading anew costs, so a switch
// is made when it gains more than the policy's margin on average over the requests to come; beside
// that a few rules: never between a call and its result when the other side would not understand
// it, not again for some requests after a switch, and not beyond a share of what the conversation
// has cost. Two answers found wrong in a row break the hold once: being stuck is dearer.
//
// Sources: the switch budget of Plano, the stay/switch planner of Weave's router. Pure.
#pragma once

#include <optional>
#include <string>

#include "router/policy.h"

namespace hearth::router {

// Why the conversation stays although `better` looks better, as a sentence's end; nothing when it
// may go there. Both are candidates that pass.
std::optional<std::string> why_stay(const RequestFacts& facts, const Policy& policy,
                                    const Target& stay_target, const Candidate& stay,
                                    const Target& better_target, const Candidate& better);

}  // namespace hearth::router
