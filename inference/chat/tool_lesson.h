// Tools for models whose template does not show any: said in words, as system text.
#pragma once

#include <span>
#include <string>

#include "inference/message.h"

namespace hearth::chat {

// What the tools are and how to call them, in the generic form (dialects::generic()).
std::string tool_lesson(std::span<const ToolSpec> tools);

// An earlier call and its result, as the lesson has the model write and read them.
std::string call_as_text(const ToolCall& call);
std::string result_as_text(const ToolResult& result);

}  // namespace hearth::chat
