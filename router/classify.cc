#include "classify.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace hearth::router {

namespace {

constexpr size_t kLookedAt = 2048;     // of a text: what is asked stands at its start
constexpr size_t kShortAnswer = 300;   // tokens
constexpr size_t kInstruction = 4000;  // bytes; a longer system prompt is an agent's, not a task's

std::string lowered(std::string_view text) {
  std::string out(text.substr(0, kLookedAt));
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  });
  return out;
}

std::string first_text(const Message& message) {
  for (const Block& block : message.blocks)
    if (auto* text = std::get_if<Text>(&block.content)) return lowered(text->text);
  return "";
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](auto word) { return text.find(word) != text.npos; });
}

bool holds_result(const Message& message) {
  return std::ranges::any_of(message.blocks, [](const Block& block) {
    return std::holds_alternative<ToolResult>(block.content);
  });
}

// What the instruction says that the answer is to be; nothing when it says nothing of the kind.
std::optional<TaskClass> of_instruction(std::string_view text, bool is_short) {
  if (has_any(text, {"commit message"})) return TaskClass::commit_message;
  if (is_short &&
      has_any(text, {"title for", "a title", "short title", "concise title", "name this"}))
    return TaskClass::title;
  if (has_any(text, {"summarize", "summarise", "summary of", "compact the conversation"}))
    return TaskClass::summary;
  if (has_any(text, {"review this", "review the", "code review"})) return TaskClass::review;
  if (has_any(text, {"make a plan", "write a plan", "plan mode", "plan the"}))
    return TaskClass::plan;
  if (has_any(text,
              {"search/replace", "rewrite the following", "apply the following edit", "edit the"}))
    return TaskClass::edit;
  return std::nullopt;
}

}  // namespace

TaskClass classify(const CompletionRequest& request) {
  if (request.prompt) return TaskClass::completion;
  if (request.messages.empty()) return TaskClass::chat;
  if (holds_result(request.messages.back())) return TaskClass::tool_turn;
  const bool is_short = request.max_tokens && request.max_tokens <= kShortAnswer;
  const Message& first = request.messages.front();
  if (first.role == Role::system && request.tools.empty()) {
    const std::string text = first_text(first);
    if (text.size() < kInstruction)
      if (auto task = of_instruction(text, is_short || request.messages.size() <= 3)) return *task;
  }
  const Message& last = request.messages.back();
  if (last.role == Role::user)
    if (auto task = of_instruction(first_text(last), is_short)) return *task;
  return TaskClass::chat;
}

}  // namespace hearth::router
