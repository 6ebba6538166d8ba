#include "classify.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <optional>
#include <string_view>

namespace hearth::router {

namespace {

constexpr size_t kLookedAt = 2048;     // of a text: what is asked stands at its start
constexpr size_t kShortAnswer = 300;   // tokens
constexpr size_t kInstruction = 4000;  // bytes; a longer system prompt is an agent's, not a task's

std::string_view first_text(const Message& message) {
  for (const Block& block : message.blocks)
    if (auto* text = std::get_if<Text>(&block.content)) return text->text;
  return "";
}

bool holds_result(const Message& message) {
  return std::ranges::any_of(message.blocks, [](const Block& block) {
    return std::holds_alternative<ToolResult>(block.content);
  });
}

// What an instruction says that the answer is to be; of several the first here.
struct Phrase {
  std::string_view words;
  TaskClass task;
  bool is_short = false;  // counts where a short answer is wanted
};
constexpr Phrase kPhrases[] = {
    {"commit message", TaskClass::commit_message},
    {"title for", TaskClass::title, true},
    {"a title", TaskClass::title, true},
    {"short title", TaskClass::title, true},
    {"concise title", TaskClass::title, true},
    {"name this", TaskClass::title, true},
    {"summarize", TaskClass::summary},
    {"summarise", TaskClass::summary},
    {"summary of", TaskClass::summary},
    {"compact the conversation", TaskClass::summary},
    {"review this", TaskClass::review},
    {"review the", TaskClass::review},
    {"code review", TaskClass::review},
    {"make a plan", TaskClass::plan},
    {"write a plan", TaskClass::plan},
    {"plan mode", TaskClass::plan},
    {"plan the", TaskClass::plan},
    {"search/replace", TaskClass::edit},
    {"rewrite the following", TaskClass::edit},
    {"apply the following edit", TaskClass::edit},
    {"edit the", TaskClass::edit},
};

// Which phrases begin with a letter and the one behind it, as bits.
using Phrases = uint32_t;
static_assert(std::size(kPhrases) <= 32);
constexpr std::array<std::array<Phrases, 256>, 2> kBegins = [] {
  std::array<std::array<Phrases, 256>, 2> begins{};
  for (size_t i = 0; i < std::size(kPhrases); ++i)
    for (size_t at : {0, 1})
      begins[at][static_cast<unsigned char>(kPhrases[i].words[at])] |= Phrases{1} << i;
  return begins;
}();

// The shortest phrase has so many pairs of neighbours: wherever a phrase stands, one of its pairs
// is met by looking at every kStep-th place alone.
constexpr size_t kStep =
    std::ranges::min(kPhrases, {}, [](const Phrase& phrase) { return phrase.words.size(); })
        .words.size() -
    1;
constexpr size_t pair_of(char a, char b) {
  return size_t{static_cast<unsigned char>(a)} << 8 | static_cast<unsigned char>(b);
}
constexpr std::array<uint64_t, 1024> kPairs = [] {
  std::array<uint64_t, 1024> pairs{};
  for (const Phrase& phrase : kPhrases)
    for (size_t i = 0; i < kStep; ++i) {
      const size_t pair = pair_of(phrase.words[i], phrase.words[i + 1]);
      pairs[pair / 64] |= uint64_t{1} << pair % 64;
    }
  return pairs;
}();
bool is_in_phrase(char a, char b) {
  const size_t pair = pair_of(a, b);
  return kPairs[pair / 64] >> pair % 64 & 1;
}

// In one pass, whatever the letter case.
std::optional<TaskClass> of_instruction(std::string_view text, bool is_short) {
  text = text.substr(0, kLookedAt);
  std::array<char, kLookedAt> lower;
  std::ranges::transform(text, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  });
  const std::string_view words(lower.data(), text.size());
  Phrases found = 0;
  auto look_at = [&](size_t i) {
    Phrases left = kBegins[0][static_cast<unsigned char>(words[i])] &
                   kBegins[1][static_cast<unsigned char>(words[i + 1])] & ~found;
    for (; left != 0; left &= left - 1) {
      const auto phrase = static_cast<size_t>(std::countr_zero(left));
      if (words.substr(i).starts_with(kPhrases[phrase].words)) found |= Phrases{1} << phrase;
    }
  };
  for (size_t end = kStep - 1; end + 1 < words.size(); end += kStep)
    if (is_in_phrase(words[end], words[end + 1]))
      for (size_t i = end + 1 - kStep; i <= end; ++i) look_at(i);
  for (size_t i = 0; i < std::size(kPhrases); ++i)
    if (found & Phrases{1} << i && (is_short || !kPhrases[i].is_short)) return kPhrases[i].task;
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
    const std::string_view text = first_text(first);
    if (text.size() < kInstruction)
      if (auto task = of_instruction(text, is_short || request.messages.size() <= 3)) return *task;
  }
  const Message& last = request.messages.back();
  if (last.role == Role::user)
    if (auto task = of_instruction(first_text(last), is_short)) return *task;
  return TaskClass::chat;
}

}  // namespace hearth::router
