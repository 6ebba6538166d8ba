// What OpenAI's two wires write alike.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/completion.h"
#include "router/provider.h"
#include "support/json.h"

namespace hearth::router::openai {

std::vector<std::string> bearer_headers(const Target&, std::string_view key, const OwnWords&);

// The schema of a tool's parameters as it was given; an object without members where there is none.
json::Value parameters_of(const ToolSpec& tool);

// The level that is asked for; nullopt when nobody said anything of reasoning. On a wire with
// levels, a budget becomes the level that usually spends as much.
std::optional<Effort> effort_of(const ReasoningControls& asked);

}  // namespace hearth::router::openai
