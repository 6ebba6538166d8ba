#include "inference/volatile_lines.h"

#include <algorithm>
#include <ranges>
#include <string_view>

namespace hearth::engine {

namespace {

bool is_any_of(Role role, std::initializer_list<Role> roles) {
  return std::ranges::count(roles, role) > 0;
}

// What is left of a text, the lines in question added to `taken`.
std::string without_lines(std::string_view text, std::span<const std::string> beginnings,
                          std::vector<std::string>& taken) {
  std::string left;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    const bool is_volatile = std::ranges::any_of(beginnings, [&](const std::string& beginning) {
      return !beginning.empty() && line.starts_with(beginning);
    });
    if (!is_volatile) {
      left += line;
      continue;
    }
    if (line.ends_with('\n')) line.remove_suffix(1);
    taken.emplace_back(line);
  }
  return left;
}

std::string* last_text(Message& message) {
  for (Block& block : message.blocks | std::views::reverse) {
    if (auto* text = std::get_if<Text>(&block.content)) return &text->text;
    if (auto* result = std::get_if<ToolResult>(&block.content)) return &result->text;
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> move_volatile_lines(CompletionRequest& request,
                                             std::span<const std::string> beginnings) {
  std::vector<std::string> taken;
  if (beginnings.empty()) return taken;
  const auto is_asking = [](const Message& message) {
    return is_any_of(message.role, {Role::user, Role::tool});
  };
  const auto newest =
      std::ranges::find_if(request.messages.rbegin(), request.messages.rend(), is_asking);
  std::string* end = newest == request.messages.rend() ? nullptr : last_text(*newest);
  if (!end) return taken;
  for (Message& message : request.messages) {
    if (!is_any_of(message.role, {Role::system, Role::developer})) continue;
    std::erase_if(message.blocks, [&](Block& block) {
      Text* text = std::get_if<Text>(&block.content);
      const size_t n_before = taken.size();
      if (text) text->text = without_lines(text->text, beginnings, taken);
      return text && taken.size() > n_before && text->text.empty();
    });
  }
  for (const std::string& line : taken) end->append("\n").append(line);
  std::erase_if(request.messages, [](const Message& message) {
    return is_any_of(message.role, {Role::system, Role::developer}) && message.blocks.empty();
  });
  return taken;
}

}  // namespace hearth::engine
