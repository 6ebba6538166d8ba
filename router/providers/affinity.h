// What tells the turns of one conversation apart from others, so that they meet the same cache.
#pragma once

#include <string>

#include "router/provider.h"

namespace hearth::router {

// The same for every turn of a conversation, and nothing can be read from it: of its session, or
// else of how it begins. "" for what is asked once, which would be cached in vain.
std::string affinity_of(const RouteRequest& request);

}  // namespace hearth::router
