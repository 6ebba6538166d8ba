#include "cli/time_option.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>

namespace hearth::cli {

namespace {

// "7d" in milliseconds.
std::optional<int64_t> age_of(std::string_view text) {
  int64_t number = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end + 1 != text.data() + text.size() || number < 0 ||
      number > 1'000'000)
    return std::nullopt;
  constexpr int64_t kSecond = 1000;
  switch (*end) {
    case 's': return number * kSecond;
    case 'm': return number * 60 * kSecond;
    case 'h': return number * 3600 * kSecond;
    case 'd': return number * 86'400 * kSecond;
    case 'w': return number * 7 * 86'400 * kSecond;
    default: return std::nullopt;
  }
}

}  // namespace

Result<int64_t> parse_time(std::string_view text, int64_t now_ms) {
  if (auto age = age_of(text)) return now_ms - *age;
  const std::string whole(text);
  for (const char* form : {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S",
                           "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"}) {
    tm utc{};
    const char* end = ::strptime(whole.c_str(), form, &utc);
    if (!end || *end) continue;
    const int month = utc.tm_mon, day = utc.tm_mday;
    const time_t seconds = ::timegm(&utc);
    if (utc.tm_mon != month || utc.tm_mday != day) break;  // the 31st of June
    return int64_t{seconds} * 1000;
  }
  return Error{Errc::invalid, fmt::format("\"{}\" is no time: expected a day (2026-11-30), a time "
                                          "(2026-11-30T12:00, UTC) or an age (30m, 12h, 7d)",
                                          text)};
}

std::string utc_text(int64_t time_ms) {
  const time_t seconds = time_ms / 1000;
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace hearth::cli
