#include "providers/rate_headers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string>

namespace hearth::router {

namespace {

using Date = std::chrono::system_clock::time_point;
using std::chrono::milliseconds;

constexpr double kMonthMs = 31.0 * 86'400'000;

std::optional<uint64_t> count_of(std::optional<std::string_view> text) {
  uint64_t count = 0;
  if (!text) return std::nullopt;
  auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), count);
  if (failed != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return count;
}

// A date or a duration from now on.
std::optional<milliseconds> reset_of(std::optional<std::string_view> text, Date now) {
  if (!text) return std::nullopt;
  if (auto date = date_of(*text))
    return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(*date - now));
  return duration_of(*text);
}

// The tightest of what is stated counts.
void narrow(RateRoom::Bucket& bucket, const RateRoom::Bucket& other) {
  if (other.is_stated() && (!bucket.is_stated() || *other.n_left < *bucket.n_left)) bucket = other;
}

}  // namespace

std::optional<milliseconds> duration_of(std::string_view text) {
  const std::string copy(text.substr(0, 40));
  const char* at = copy.c_str();
  double total_ms = 0;
  if (!*at) return std::nullopt;
  while (*at) {
    char* end = nullptr;
    if (!(*at >= '0' && *at <= '9') && *at != '.') return std::nullopt;
    const double value = std::strtod(at, &end);
    if (end == at) return std::nullopt;
    std::string_view rest(end);
    size_t n_unit = 1;
    double unit_ms = 1000;
    if (rest.starts_with("ms")) {
      unit_ms = 1;
      n_unit = 2;
    } else if (rest.starts_with("h")) {
      unit_ms = 3'600'000;
    } else if (rest.starts_with("m")) {
      unit_ms = 60'000;
    } else if (rest.empty() && at == copy.c_str()) {
      n_unit = 0;
    } else if (!rest.starts_with("s")) {
      return std::nullopt;
    }
    total_ms += value * unit_ms;
    at = end + n_unit;
  }
  if (!(total_ms >= 0 && total_ms <= kMonthMs)) return std::nullopt;
  return milliseconds(static_cast<int64_t>(std::ceil(total_ms)));
}

std::optional<Date> date_of(std::string_view text) {
  const std::string copy(text.substr(0, 40));
  std::tm date{};
  const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &date);
  if (!rest) return std::nullopt;
  if (*rest == '.')  // parts of a second
    for (++rest; *rest >= '0' && *rest <= '9';) ++rest;
  if (std::string_view(rest) != "Z") return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&date));
}

RateRoom rate_room_of(const OutboundResponse& head, Date now) {
  // Most servers say nothing, and each head is asked.
  const bool says_any = std::ranges::any_of(head.headers, [](const auto& header) {
    return header.first.find("limit") != std::string::npos;
  });
  if (!says_any) return {};
  auto bucket = [&](const std::string& left, const std::string& limit, const std::string& reset) {
    RateRoom::Bucket read;
    read.n_left = count_of(head.header(left));
    read.n_limit = count_of(head.header(limit));
    read.full_in = reset_of(head.header(reset), now);
    return read;
  };
  RateRoom room;
  auto read = [&](RateRoom::Bucket& into, const std::string& prefix, const std::string& kind) {
    if (prefix == "anthropic-ratelimit-")
      narrow(into, bucket(prefix + kind + "-remaining", prefix + kind + "-limit",
                          prefix + kind + "-reset"));
    else
      narrow(into, bucket(prefix + "remaining-" + kind, prefix + "limit-" + kind,
                          prefix + "reset-" + kind));
  };
  for (const std::string prefix : {"x-ratelimit-", "anthropic-ratelimit-"}) {
    read(room.requests, prefix, "requests");
    for (const char* kind : {"tokens", "input-tokens"}) read(room.tokens, prefix, kind);
  }
  // Together's, and others' of one kind.
  narrow(room.requests, bucket("x-ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-reset"));
  narrow(room.tokens, bucket("x-tokenlimit-remaining", "x-tokenlimit-limit", "x-ratelimit-reset"));
  return room;
}

}  // namespace hearth::router
