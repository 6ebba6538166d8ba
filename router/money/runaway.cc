#include "money/runaway.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "privacy/text_key.h"

namespace hearth::router {

namespace {

size_t mixed(size_t hash, std::string_view text) {
  return (hash ^ text_key(text).low) * 0x9e3779b97f4a7c15 + text.size();
}

// How often the last `period` rounds stand at the end, one after the other.
uint32_t n_repeats(const std::vector<size_t>& rounds, size_t period) {
  size_t n_same = period;
  while (n_same < rounds.size() &&
         rounds[rounds.size() - 1 - n_same] == rounds[rounds.size() - 1 - n_same + period])
    ++n_same;
  return static_cast<uint32_t>(n_same / period);
}

}  // namespace

Rounds rounds_of(const CompletionRequest& body) {
  Rounds found;
  std::vector<size_t> rounds;  // calls and results, hashed
  bool is_open = false;        // the last round has its calls, its results are being read
  for (const Message& message : body.messages) {
    if (message.role == Role::user) {
      const bool is_result = std::ranges::any_of(message.blocks, [](const Block& block) {
        return std::holds_alternative<ToolResult>(block.content);
      });
      if (!is_result) ++found.n_spoken;
      if (!is_result) rounds.clear();
      if (!is_result) is_open = false;
    }
    if (message.role == Role::assistant) is_open = false;
    for (const Block& block : message.blocks) {
      if (auto* call = std::get_if<ToolCall>(&block.content)) {
        if (!is_open) rounds.push_back(0);
        is_open = true;
        rounds.back() = mixed(mixed(rounds.back(), call->name), call->arguments);
      }
      if (auto* result = std::get_if<ToolResult>(&block.content); result && !rounds.empty())
        rounds.back() = mixed(rounds.back(), result->text);
    }
  }
  found.n_rounds = static_cast<uint32_t>(rounds.size());
  for (size_t period : {1, 2, 3})
    if (period <= rounds.size())
      found.n_repeats = std::max(found.n_repeats, n_repeats(rounds, period));
  return found;
}

std::optional<std::string> runaway(const Rounds& rounds, const Limits& limits) {
  if (limits.n_repeats && rounds.n_repeats >= limits.n_repeats)
    return fmt::format(
        "the model made the same tool calls with the same results {} times in a row, "
        "[limits] repeated_calls allows {}; a message of the user starts anew",
        rounds.n_repeats, limits.n_repeats);
  if (limits.n_rounds && rounds.n_rounds >= limits.n_rounds)
    return fmt::format(
        "{} rounds of tool calls since the user last spoke, [limits] tool_rounds "
        "allows {}; a message of the user starts anew",
        rounds.n_rounds, limits.n_rounds);
  if (limits.n_tokens && rounds.n_tokens >= limits.n_tokens)
    return fmt::format(
        "{} tokens since the user last spoke, [limits] run_tokens allows {}; a message of the user "
        "starts anew",
        rounds.n_tokens, limits.n_tokens);
  constexpr uint64_t kMsPerMinute = 60'000;
  if (limits.minutes && rounds.ms >= limits.minutes * kMsPerMinute)
    return fmt::format(
        "{} minutes since the user last spoke, [limits] run_minutes allows {}; a message of the "
        "user starts anew",
        rounds.ms / kMsPerMinute, limits.minutes);
  return std::nullopt;
}

}  // namespace hearth::router
