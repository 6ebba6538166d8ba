#include "router/money.h"

#include <fmt/format.h>

#include <cmath>

namespace hearth::router {

namespace {

constexpr int64_t kPicoPerUsd = 1'000'000'000'000;

}  // namespace

PicoUsd PicoUsd::from_usd(double usd) {
  const double pico = std::nearbyint(usd * static_cast<double>(kPicoPerUsd));
  if (std::isnan(pico)) return {};
  // The largest double below 2^63; what lies beyond saturates.
  if (pico >= 9.2233720368547748e18) return PicoUsd(kMost);
  if (pico <= -9.2233720368547748e18) return PicoUsd(kLeast);
  return PicoUsd(static_cast<int64_t>(pico));
}

std::string to_text(PicoUsd amount) {
  // Unsigned: the least amount has no positive counterpart.
  const bool is_negative = amount.pico() < 0;
  const uint64_t pico =
      is_negative ? uint64_t{0} - static_cast<uint64_t>(amount.pico()) : amount.pico();
  const uint64_t whole = pico / kPicoPerUsd, part = pico % kPicoPerUsd;
  std::string text = fmt::format("{}{}", is_negative ? "-" : "", whole);
  if (part == 0) return text;
  text += fmt::format(".{:012}", part);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

Result<PicoUsd> parse_usd(std::string_view text) {
  auto wrong = [&] {
    return Error{Errc::invalid,
                 fmt::format("\"{}\": expected dollars such as 12 or 0.0028, with at most twelve "
                             "decimals and below nine million",
                             text.substr(0, 40))};
  };
  constexpr size_t kDecimals = 12, kMaxDigits = 7;
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view part = point == text.npos ? "" : text.substr(point + 1);
  if (whole.empty() || whole.size() > kMaxDigits || part.size() > kDecimals ||
      (point != text.npos && part.empty()))
    return wrong();
  int64_t pico = 0;
  for (std::string_view digits : {whole, part})
    for (char c : digits) {
      if (c < '0' || c > '9') return wrong();
      if (__builtin_mul_overflow(pico, 10, &pico) || __builtin_add_overflow(pico, c - '0', &pico))
        return wrong();
    }
  for (size_t n = part.size(); n < kDecimals; ++n)
    if (__builtin_mul_overflow(pico, 10, &pico)) return wrong();
  return PicoUsd(pico);
}

std::string in_words(PicoUsd amount) {
  const double usd = amount.usd();
  const double size = std::abs(usd);
  const char* sign = amount.pico() < 0 ? "-" : "";
  if (size == 0 || size >= 0.995) return fmt::format("{}${:.2f}", sign, size);
  // Two digits that count.
  const int n_decimals = std::min(12, 1 - static_cast<int>(std::floor(std::log10(size))));
  return fmt::format("{}${:.{}f}", sign, size, std::max(2, n_decimals));
}

}  // namespace hearth::router
