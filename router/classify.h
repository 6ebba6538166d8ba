// Which kind of task a request is, from its own structure and a few words that clients always use.
// Nothing is sent anywhere to find out. Pure.
#pragma once

#include "inference/completion.h"
#include "router/decision.h"

namespace hearth::router {

TaskClass classify(const CompletionRequest& request);

}  // namespace hearth::router
