// A model that calls tools for ever: what a conversation shows of it, and when it is stopped.
//
// Everything is read off the request itself, since it carries the whole conversation: nothing to
// remember, nothing to lose in a restart. A new message of the user starts anew. Pure.
#pragma once

#include <optional>
#include <string>

#include "router/policy.h"

namespace hearth::router {

// Rounds of tool calls since the user last spoke, and how often the last ones repeated: the same
// calls with the same arguments and the same results, alone or in turns of two or three.
Rounds rounds_of(const CompletionRequest& body);

// Why a request is not carried out; nothing when it is.
std::optional<std::string> runaway(const Rounds& rounds, const Limits& limits);

}  // namespace hearth::router
