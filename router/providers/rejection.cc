#include "providers/rejection.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <string>

#include "providers/error_words.h"
#include "providers/wire_json.h"

namespace hearth::router {

namespace {

using json::Element;
using Clock = std::chrono::system_clock;

// What the body says of itself.
struct Said {
  std::string message;
  std::string words[4];  // reason, code, type, status: the most exact first
  std::string within;    // what another provider behind this one said
  long status = 0;       // where the code is an HTTP status
  std::optional<std::chrono::seconds> wait;
};

// Google's details: why, for how long, and whose day is used up.
void read_details(Element error, Said& said) {
  simdjson::dom::array details;
  if (error["details"].get_array().get(details)) return;
  for (Element detail : details) {
    if (auto reason = text_at(detail, "reason")) said.words[0] = *reason;
    if (auto delay = text_at(detail, "retryDelay"); delay && delay->ends_with('s'))
      said.wait = wait_of(delay->substr(0, delay->size() - 1), Clock::now());
    simdjson::dom::array violations;
    if (detail["violations"].get_array().get(violations)) continue;
    for (Element violation : violations)
      if (text_at(violation, "quotaId").value_or("").find("PerDay") != std::string_view::npos)
        said.words[0] = "daily_quota";
  }
}

Said read_error(Element error) {
  Said said;
  std::string_view text;
  if (!error.get_string().get(text)) {
    said.message = words_of(text);
    return said;
  }
  said.message = words_of(text_at(error, "message").value_or(""));
  if (said.message.empty())  // Mistral
    if (Element inner; !error["message"].get(inner) && !inner.is_null())
      said.message = words_of(json::to_text(inner));
  said.words[1] = text_at(error, "code").value_or("");
  int64_t number = 0;
  if (!error["code"].get_int64().get(number)) {
    said.words[1] = std::to_string(number);
    if (number >= 400 && number < 600) said.status = static_cast<long>(number);
  }
  said.words[2] = text_at(error, "type").value_or("");
  said.words[3] = text_at(error, "status").value_or("");
  read_details(error, said);
  Element metadata;  // OpenRouter
  if (!error["metadata"].get(metadata)) said.within = text_at(metadata, "raw").value_or("");
  return said;
}

// In "error", as an object or a text with the code beside it; or the root itself is one.
Said read_body(std::string_view body) {
  auto document = json::Document::parse(body);
  Said said;
  if (!document) return said;
  Element root = document->root(), error;
  if (simdjson::dom::array list; !root.get_array().get(list) && list.size() > 0)
    root = list.at(0).value_unsafe();  // Gemini
  if (root["error"].get(error) || error.is_null()) {
    said = read_error(root);
    if (said.message.empty()) said.message = words_of(text_at(root, "detail").value_or(""));
    return said;
  }
  said = read_error(error);
  if (said.words[1].empty()) said.words[1] = text_at(root, "code").value_or("");
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

// The first phrase that has a number behind it.
uint32_t first_behind(std::string_view text, std::initializer_list<std::string_view> phrases) {
  for (std::string_view phrase : phrases)
    if (uint32_t number = number_behind(text, phrase)) return number;
  return 0;
}

// "prompt is too long: 208310 tokens > 200000 maximum"; "maximum context length is 8192 tokens.
// However, your messages resulted in 9000 tokens"; and how others put it.
void read_numbers(std::string_view message, Failure& failure) {
  failure.n_prompt =
      first_behind(message, {"too long: ", "resulted in ", "you requested ", "requested ",
                             "requested: ", "token count (", "The input (", "request contains ",
                             "Prompt contains ", "request (", "your request has "});
  failure.n_context = first_behind(
      message, {"> ", "maximum context length is ",
                "maximum context length: ", "maximum prompt length is ", "tokens allowed (",
                "context length (", "token limit: ", "context size (", "should be [1, "});
}

Meaning meaning_of(const Said& said, long status, std::string_view provider) {
  std::optional<Meaning> meaning;
  for (const std::string& word : said.words)
    if (!meaning) meaning = meaning_of_word(provider, word);
  // A phrase is more exact than a word that says no more than "wrong" or "too much".
  if (!meaning || meaning->remedy == Remedy::stop_request ||
      meaning->remedy == Remedy::retry_same || meaning->remedy == Remedy::retry_after)
    for (std::string_view text : {std::string_view(said.message), std::string_view(said.within)})
      if (auto found = meaning_of_phrase(text)) meaning = found;
  if (!meaning) meaning = meaning_of_status(status ? status : said.status);
  // "An error" says less than a status that says which.
  if (meaning->remedy == Remedy::retry_same &&
      meaning_of_status(status).remedy == Remedy::retry_after)
    meaning = meaning_of_status(status);
  // What is too large for a minute's allowance will be so in the next one too.
  if (status == 413 && meaning->remedy == Remedy::retry_after)
    return {Errc::invalid, Remedy::shrink_context};
  return *meaning;
}

Failure failure_of(const Said& said, long status, std::string_view provider) {
  const Meaning meaning = meaning_of(said, status, provider);
  Failure failure = Error{meaning.code, said.message};
  failure.remedy = meaning.remedy;
  failure.http_status = status;
  failure.retry_after = said.wait;
  for (const std::string& word : said.words)
    if (failure.word.empty()) failure.word = words_of(word);
  if (meaning.code == Errc::context_exceeded) {
    read_numbers(said.message, failure);
    if (!failure.n_prompt && !failure.n_context) read_numbers(said.within, failure);
  }
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
  if (!(seconds >= 0)) return std::nullopt;
  return std::chrono::seconds(static_cast<int64_t>(std::ceil(std::min(seconds, kWeek))));
}

Failure rejection_of(const Target& target, long status, std::string_view body,
                     std::optional<std::string_view> retry_after, std::string_view key_source,
                     Clock::time_point now) {
  Said said = read_body(body);
  if (said.message.empty()) said.message = words_of(body);
  Failure failure = failure_of(said, status, target.provider);
  failure.message = fmt::format("{} answered {}: {}", target.provider, status, said.message);
  if (retry_after)
    if (auto wait = wait_of(*retry_after, now)) failure.retry_after = wait;
  // Spent, but only until what is under way has been counted.
  if (status == 402 && failure.retry_after) {
    failure.code = Errc::busy;
    failure.remedy = Remedy::retry_after;
  }
  if (failure.retry_after)
    failure.message += fmt::format(" (retry after {} s)", failure.retry_after->count());
  if (failure.code == Errc::denied)
    failure.message += fmt::format(" (the key comes from {})", key_source);
  return failure;
}

Failure stream_error(Element error, std::string_view provider) {
  Said said = read_error(error);
  if (said.message.empty()) said.message = words_of(json::to_text(error));
  return failure_of(said, 0, provider);
}

}  // namespace hearth::router
