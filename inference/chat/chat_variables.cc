#include "chat/chat_variables.h"

namespace hearth::chat {

namespace {

using json::Array;
using json::Object;
using json::Value;

// Arguments that are no JSON object stay the text that the model wrote.
Value arguments_of(const ToolCall& call, const Abilities& abilities) {
  if (!abilities.wants_argument_objects) return Value(call.arguments);
  auto value = json::parse_value(call.arguments.empty() ? "{}" : call.arguments);
  return value && value->is_object() ? std::move(*value) : Value(call.arguments);
}

std::string_view role_of(const Message& message) {
  return message.role == Role::developer ? "system" : enum_name(message.role);
}

// One row for most messages; one for each result of a tool message.
Result<> add_rows(Array& rows, const Message& message, const Abilities& abilities) {
  std::string text, reasoning;
  Array calls;
  for (const Block& block : message.blocks) {
    if (auto* part = std::get_if<Text>(&block.content)) {
      text += part->text;
    } else if (auto* thought = std::get_if<Reasoning>(&block.content)) {
      reasoning += thought->text;
    } else if (auto* call = std::get_if<ToolCall>(&block.content)) {
      Object function{{"name", call->name}, {"arguments", arguments_of(*call, abilities)}};
      calls.push_back(Object{{"id", call->id}, {"type", "function"}, {"function", std::move(function)}});
    } else if (auto* result = std::get_if<ToolResult>(&block.content)) {
      Object row{{"role", "tool"}, {"content", result->text}, {"tool_call_id", result->call_id}};
      if (message.name) row["name"] = *message.name;
      rows.push_back(std::move(row));
    } else if (std::holds_alternative<Image>(block.content)) {
      return Error{Errc::unsupported, "the local model reads text only; the conversation holds an image"};
    }
  }
  if (message.role == Role::tool) return {};
  Object row{{"role", role_of(message)}, {"content", text}};
  if (message.name) row["name"] = *message.name;
  if (!reasoning.empty()) row["reasoning_content"] = reasoning;
  if (!calls.empty()) row["tool_calls"] = std::move(calls);
  rows.push_back(std::move(row));
  return {};
}

// For templates that know no system role.
Array with_system_in_user(const Array& rows) {
  std::string system;
  Array merged;
  for (const Value& row : rows) {
    Object object = row.as_object();
    if (object["role"] == "system") {
      system += std::string_view(object["content"].as_string());
      system += "\n\n";
      continue;
    }
    if (!system.empty() && object["role"] == "user") {
      object["content"] = system + std::string(std::string_view(object["content"].as_string()));
      system.clear();
    }
    merged.push_back(std::move(object));
  }
  if (!system.empty()) merged.push_back(Object{{"role", "user"}, {"content", system}});
  return merged;
}

}  // namespace

Result<Array> messages_of(std::span<const Message> messages, const Abilities& abilities) {
  Array rows;
  for (const Message& message : messages)
    if (auto added = add_rows(rows, message, abilities); !added) return added.error();
  return abilities.has_system ? rows : with_system_in_user(rows);
}

Array tools_of(std::span<const ToolSpec> tools) {
  Array rows;
  for (const ToolSpec& tool : tools) {
    Object function{{"name", tool.name}, {"description", tool.description}};
    if (auto schema = json::parse_value(tool.parameters.text)) function["parameters"] = std::move(*schema);
    rows.push_back(Object{{"type", "function"}, {"function", std::move(function)}});
  }
  return rows;
}

}  // namespace hearth::chat
