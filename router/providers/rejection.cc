#include "providers/rejection.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <string>

#include "providers/wire_json.h"

namespace hearth::router {

namespace {

using json::Element;
using Clock = std::chrono::system_clock;

struct Meaning {
  Errc code;
  Remedy remedy;
};

struct WordRow {
  std::string_view word;
  Meaning meaning;
};

// Values of "code", "type" and "status".
constexpr WordRow kWords[] = {
    {"context_length_exceeded", {Errc::context_exceeded, Remedy::shrink_context}},
    {"request_too_large", {Errc::invalid, Remedy::shrink_context}},
    {"insufficient_quota", {Errc::over_budget, Remedy::stop_account}},
    {"credit_balance_exhausted", {Errc::over_budget, Remedy::stop_account}},
    {"billing_hard_limit_reached", {Errc::over_budget, Remedy::stop_account}},
    {"billing_not_active", {Errc::over_budget, Remedy::stop_account}},
    {"billing_error", {Errc::over_budget, Remedy::stop_account}},
    {"exceeded_current_quota_error", {Errc::over_budget, Remedy::stop_account}},
    {"1113", {Errc::over_budget, Remedy::stop_account}},         // Z.ai: nothing left, as a 429
    {"1112", {Errc::denied, Remedy::stop_account}},              // Z.ai: locked, as a 429
    {"1261", {Errc::context_exceeded, Remedy::shrink_context}},  // Z.ai
    {"invalid_api_key", {Errc::denied, Remedy::stop_account}},
    {"authentication_error", {Errc::denied, Remedy::stop_account}},
    {"permission_error", {Errc::denied, Remedy::other_target}},
    {"model_not_found", {Errc::not_found, Remedy::other_target}},
    {"not_found_error", {Errc::not_found, Remedy::other_target}},
    {"rate_limit_exceeded", {Errc::busy, Remedy::retry_after}},
    {"rate_limit_error", {Errc::busy, Remedy::retry_after}},
    {"slow_down", {Errc::busy, Remedy::retry_after}},
    {"engine_overloaded_error", {Errc::busy, Remedy::retry_after}},
    {"overloaded_error", {Errc::busy, Remedy::retry_after}},
    {"timeout_error", {Errc::timeout, Remedy::retry_same}},
    {"api_error", {Errc::upstream, Remedy::retry_same}},
};

// Parts of a message, where the code says no more than "wrong request".
constexpr WordRow kPhrases[] = {
    {"prompt is too long", {Errc::context_exceeded, Remedy::shrink_context}},
    {"maximum context length", {Errc::context_exceeded, Remedy::shrink_context}},
    {"exceed context limit", {Errc::context_exceeded, Remedy::shrink_context}},
    {"exceeds the context", {Errc::context_exceeded, Remedy::shrink_context}},
    {"exceeds the available context", {Errc::context_exceeded, Remedy::shrink_context}},
    {"credit balance is too low", {Errc::over_budget, Remedy::stop_account}},
    {"specified API usage limits", {Errc::over_budget, Remedy::stop_account}},
};

Meaning meaning_of(long status) {
  switch (status) {
    case 401:
    case 403: return {Errc::denied, Remedy::stop_account};
    case 402: return {Errc::over_budget, Remedy::stop_account};
    case 404: return {Errc::not_found, Remedy::other_target};
    case 408: return {Errc::timeout, Remedy::retry_same};
    case 409: return {Errc::busy, Remedy::retry_same};
    case 413: return {Errc::invalid, Remedy::shrink_context};
    case 429:
    case 503:
    case 529: return {Errc::busy, Remedy::retry_after};
    default: break;
  }
  if (status >= 500 || status == 0) return {Errc::upstream, Remedy::retry_same};
  return {Errc::invalid, Remedy::stop_request};
}

// What the body says of itself.
struct Said {
  std::string message;
  std::string words[3];  // code, type, status: the most exact first
  long status = 0;       // where the code is an HTTP status
};

Said read_error(Element error) {
  Said said;
  std::string_view text;
  if (!error.get_string().get(text)) {
    said.message = words_of(text);
    return said;
  }
  said.message = words_of(text_at(error, "message").value_or(""));
  said.words[0] = text_at(error, "code").value_or("");
  int64_t number = 0;
  if (!error["code"].get_int64().get(number)) {
    said.words[0] = std::to_string(number);
    if (number >= 400 && number < 600) said.status = static_cast<long>(number);
  }
  said.words[1] = text_at(error, "type").value_or("");
  said.words[2] = text_at(error, "status").value_or("");
  return said;
}

uint32_t number_behind(std::string_view text, std::string_view phrase) {
  size_t at = text.find(phrase);
  if (at == text.npos) return 0;
  text.remove_prefix(at + phrase.size());
  uint32_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "prompt is too long: 208310 tokens > 200000 maximum"; "maximum context length is 8192 tokens.
// However, your messages resulted in 9000 tokens".
void read_numbers(std::string_view message, Failure& failure) {
  failure.n_prompt = number_behind(message, "too long: ");
  if (failure.n_prompt) {
    failure.n_context = number_behind(message, "> ");
    return;
  }
  failure.n_context = number_behind(message, "maximum context length is ");
  failure.n_prompt = number_behind(message, "resulted in ");
  if (!failure.n_prompt) failure.n_prompt = number_behind(message, "requested ");
}

Failure failure_of(const Said& said, long status) {
  const WordRow* row = nullptr;
  for (const std::string& word : said.words) {
    if (row || word.empty()) continue;
    auto found = std::ranges::find(kWords, word, &WordRow::word);
    if (found != std::end(kWords)) row = found;
  }
  for (const WordRow& phrase : kPhrases)
    if (!row && said.message.find(phrase.word) != said.message.npos) row = &phrase;
  const Meaning meaning = row ? row->meaning : meaning_of(status ? status : said.status);
  Failure failure = Error{meaning.code, said.message};
  failure.remedy = meaning.remedy;
  failure.http_status = status;
  for (const std::string& word : said.words)
    if (failure.word.empty()) failure.word = words_of(word);
  if (meaning.code == Errc::context_exceeded) read_numbers(said.message, failure);
  return failure;
}

}  // namespace

std::optional<std::chrono::seconds> wait_of(std::string_view retry_after, Clock::time_point now) {
  const std::string text(retry_after.substr(0, 60));
  char* end = nullptr;
  double seconds = std::strtod(text.c_str(), &end);
  if (text.empty() || end == text.c_str() || *end) {
    std::tm date{};
    const char* rest = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
    if (!rest || *rest) return std::nullopt;
    seconds = std::chrono::duration<double>(Clock::from_time_t(::timegm(&date)) - now).count();
    seconds = std::max(seconds, 0.0);
  }
  constexpr double kWeek = 7 * 86400;
  if (!(seconds >= 0 && seconds <= kWeek)) return std::nullopt;
  return std::chrono::seconds(static_cast<int64_t>(std::ceil(seconds)));
}

Failure rejection_of(const Target& target, long status, std::string_view body,
                     std::optional<std::string_view> retry_after, std::string_view key_source,
                     Clock::time_point now) {
  Said said;
  auto document = json::Document::parse(body);
  if (document) {
    Element root = document->root(), error;
    if (simdjson::dom::array list; !root.get_array().get(list) && list.size() > 0)
      root = list.at(0).value_unsafe();  // Gemini
    if (!root["error"].get(error)) said = read_error(error);
  }
  if (said.message.empty()) said.message = words_of(body);
  Failure failure = failure_of(said, status);
  failure.message = fmt::format("{} answered {}: {}", target.provider, status, said.message);
  if (retry_after) failure.retry_after = wait_of(*retry_after, now);
  if (failure.retry_after)
    failure.message += fmt::format(" (retry after {} s)", failure.retry_after->count());
  if (failure.code == Errc::denied)
    failure.message += fmt::format(" (the key comes from {})", key_source);
  return failure;
}

Failure stream_error(Element error) {
  Said said = read_error(error);
  if (said.message.empty()) said.message = words_of(json::to_text(error));
  return failure_of(said, 0);
}

}  // namespace hearth::router
