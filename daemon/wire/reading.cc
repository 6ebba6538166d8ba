#include "wire/reading.h"

#include <algorithm>

#include <map>

namespace hearth::wire {

Error wrong(std::string_view field, std::string_view expected) {
  return {Errc::invalid, fmt::format("{}: expected {}", field, expected)};
}

std::optional<Element> member(Element object, std::string_view name) {
  Element value;
  if (object[name].get(value) || value.is_null()) return std::nullopt;
  return value;
}

std::optional<std::string_view> string_member(Element object, std::string_view name) {
  auto value = member(object, name);
  std::string_view text;
  if (!value || value->get_string().get(text)) return std::nullopt;
  return text;
}

std::string text_member(Element object, std::string_view name) {
  return std::string(string_member(object, name).value_or(""));
}

Result<> read_flag(Element object, std::string_view name, bool& out) {
  auto value = member(object, name);
  if (value && value->get_bool().get(out)) return wrong(name, "a boolean");
  return {};
}

Result<std::optional<Element>> read_tool_mode(Element body, ToolChoice& out) {
  if (auto parallel = member(body, "parallel_tool_calls")) {
    bool is_allowed;
    if (parallel->get_bool().get(is_allowed)) return wrong("parallel_tool_calls", "a boolean");
    out.parallel = is_allowed;
  }
  auto choice = member(body, "tool_choice");
  std::string_view text;
  if (!choice || choice->get_string().get(text)) return choice;
  auto mode = enum_from_name<ToolChoice::Mode>(text);
  if (!mode || *mode == ToolChoice::Mode::named)
    return wrong("tool_choice", "\"auto\", \"none\", \"required\" or a tool");
  out.mode = *mode;
  return std::optional<Element>();
}

Result<> check_tool_choice(const ToolChoice& choice, const std::vector<ToolSpec>& tools,
                           std::string_view name_field) {
  if (choice.mode == ToolChoice::Mode::named &&
      std::ranges::count(tools, choice.name, &ToolSpec::name) == 0)
    return wrong(name_field, fmt::format("the name of one of the tools, got \"{}\"", choice.name));
  if (choice.mode == ToolChoice::Mode::required && tools.empty())
    return wrong("tools", "at least one, since tool_choice is \"required\"");
  return {};
}

void name_tools(std::vector<Message>& messages) {
  std::map<std::string_view, std::string_view> names;
  for (Message& message : messages)
    for (Block& block : message.blocks) {
      if (auto* call = std::get_if<ToolCall>(&block.content)) names[call->id] = call->name;
      auto* result = std::get_if<ToolResult>(&block.content);
      if (!result) continue;
      auto at = names.find(result->call_id);
      if (at == names.end()) continue;
      if (!block.source) block.source.emplace();
      block.source->tool = std::string(at->second);
    }
}

}  // namespace hearth::wire
