// Answers as upstreams of each wire would write them, from one description: what is said, what is
// called, what is counted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/completion.h"

namespace hearth::router {

struct ScriptedAnswer {
  std::vector<std::string> thoughts, texts;  // in pieces
  std::optional<ToolCall> call;
  std::optional<Usage> usage;  // absent: it counts nothing
};

// "chat", "responses", "messages", "gemini". Each event with its line ends.
std::vector<std::string> events_of(std::string_view wire, const ScriptedAnswer& answer);

// How the wire says that something failed within a stream.
std::string error_event(std::string_view wire, std::string_view message);

}  // namespace hearth::router
