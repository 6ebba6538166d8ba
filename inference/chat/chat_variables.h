// Canonical messages as the variables that chat templates read: `messages` and `tools`.
#pragma once

#include <span>

#include "chat/abilities.h"
#include "inference/message.h"
#include "support/json.h"
#include "support/result.h"

namespace hearth::chat {

// One object for each message (for each result, of a message of tool results), in the form that the
// template's abilities ask for. Errc::unsupported for images.
Result<json::Array> messages_of(std::span<const Message> messages, const Abilities& abilities);

// gpt-oss's template fails at a default that is no text, beside "enum" or "oneOf".
enum class Defaults { as_given, as_text };
// OpenAI's function form, which templates expect.
json::Array tools_of(std::span<const ToolSpec> tools, Defaults defaults = Defaults::as_given);

}  // namespace hearth::chat
