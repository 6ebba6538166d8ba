// Canonical messages as the variables that chat templates read: `messages` and `tools`.
#pragma once

#include <span>

#include "inference/message.h"
#include "support/json.h"
#include "support/result.h"

namespace hearth::chat {

// What a template can do, learned by rendering tiny conversations.
struct Abilities {
  bool has_system = true;              // a system message comes out
  bool wants_argument_objects = true;  // tool arguments as an object; else as JSON text
};

// Content is always a string: null and part-wise content are normalised. Errc::unsupported for
// images. A template without a system role gets its text in front of the first user message.
Result<json::Array> messages_of(std::span<const Message> messages, const Abilities& abilities);

// OpenAI's function form, which templates expect.
json::Array tools_of(std::span<const ToolSpec> tools);

}  // namespace hearth::chat
