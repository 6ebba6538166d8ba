#include "chat/tool_lesson.h"

#include <fmt/format.h>

#include "chat/chat_variables.h"

namespace hearth::chat {

std::string tool_lesson(std::span<const ToolSpec> tools) {
  std::string lesson = "You can call these functions:\n";
  for (const json::Value& tool : tools_of(tools))
    lesson += boost::json::serialize(tool.at("function")) + "\n";
  return lesson +
         "To call one, write nothing but its name and its arguments as JSON, like this:\n"
         "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"KEY\": \"VALUE\"}}\n</tool_call>\n"
         "The result follows in <tool_response>. If no function helps, answer in plain text.";
}

std::string call_as_text(const ToolCall& call) {
  return fmt::format("<tool_call>\n{{\"name\": {}, \"arguments\": {}}}\n</tool_call>",
                     json::quote(call.name), call.arguments.empty() ? "{}" : call.arguments);
}

std::string result_as_text(const ToolResult& result) {
  return fmt::format("<tool_response>\n{}\n</tool_response>", result.text);
}

}  // namespace hearth::chat
