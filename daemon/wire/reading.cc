#include "wire/reading.h"

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
