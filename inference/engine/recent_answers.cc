// Problem: the text of an answer, tokenized again, need not give the tokens that were sampled, and
// a call that a client parsed and wrote anew is not even the same text. Either way the KV pages of
// the answer would be lost, and of all that follows.
//
// Idea: a request names its conversation by its text alone: if an earlier prompt, rendered, is a
// beginning of the new one and the message behind it is what was answered, then the tokens up to
// there are known. Text is compared byte by byte, never by hash.
//
// Cost: a comparison for each exchange that is kept; all but the one found end where they differ.
#include "engine/recent_answers.h"

#include <algorithm>

#include "support/json.h"

namespace hearth::engine {

namespace {

constexpr size_t kMaxBytes = 64u << 20;

size_t bytes_of(const Exchange& exchange) {
  return sizeof exchange + exchange.prompt.text.size() + exchange.tokens.size() * sizeof(Token) +
         exchange.prompt.from_variables.size() * sizeof(jinja::Rendered::Range);
}

std::vector<const ToolCall*> calls_of(const Message& message) {
  std::vector<const ToolCall*> calls;
  for (const Block& block : message.blocks)
    if (const auto* call = std::get_if<ToolCall>(&block.content)) calls.push_back(call);
  return calls;
}

bool is_same_call(const ToolCall& a, const ToolCall& b) {
  if (a.name != b.name) return false;
  if (a.arguments == b.arguments) return true;
  const auto first = json::parse_value(a.arguments), second = json::parse_value(b.arguments);
  return first && second && *first == *second;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

bool begins_with(const jinja::Rendered& whole, const jinja::Rendered& part) {
  const size_t end = part.text.size();
  if (!whole.text.starts_with(part.text)) return false;
  size_t i = 0;
  for (const auto& range : whole.from_variables) {
    if (range.begin >= end) break;
    if (i == part.from_variables.size()) return false;
    const auto& other = part.from_variables[i++];
    if (range.begin != other.begin || std::min(range.end, end) != other.end) return false;
  }
  return i == part.from_variables.size();
}

bool is_same_answer(const Message& sent, const Message& answer) {
  if (sent.role != Role::assistant) return false;
  const std::string a = text_of(sent), b = text_of(answer);
  if (trimmed(a) != trimmed(b)) return false;
  return std::ranges::equal(calls_of(sent), calls_of(answer),
                            [](auto* x, auto* y) { return is_same_call(*x, *y); });
}

void RecentAnswers::add(Exchange exchange) {
  const size_t n_bytes = bytes_of(exchange);
  if (n_bytes > kMaxBytes) return;
  auto shared = std::make_shared<const Exchange>(std::move(exchange));
  const std::lock_guard lock(mutex_);
  exchanges_.push_back(std::move(shared));
  for (n_bytes_ += n_bytes; n_bytes_ > kMaxBytes; exchanges_.pop_front())
    n_bytes_ -= bytes_of(*exchanges_.front());
}

RecentAnswers::Found RecentAnswers::find(const jinja::Rendered& prompt,
                                         std::span<const Message> messages) const {
  const std::lock_guard lock(mutex_);
  Found found;
  for (const Found& each : exchanges_)
    if (each->answer && each->n_messages < messages.size() &&
        (!found || each->prompt.text.size() >= found->prompt.text.size()) &&
        is_same_answer(messages[each->n_messages], *each->answer) &&
        begins_with(prompt, each->prompt))
      found = each;
  return found;
}

std::vector<RecentAnswers::Found> RecentAnswers::find(std::string_view prompt) const {
  const std::lock_guard lock(mutex_);
  const auto size = [](const Found& each) { return each->prompt.text.size(); };
  std::vector<Found> found;  // the longest first, of equal ones the older
  for (const Found& each : exchanges_)
    if (!each->answer && prompt.starts_with(each->prompt.text))
      found.insert(std::ranges::upper_bound(found, size(each), std::ranges::greater(), size), each);
  return found;
}

}  // namespace hearth::engine
