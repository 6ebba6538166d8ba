// Money in integers: pico-dollars (1e-12 USD). A price per million tokens with up to six decimals
// is a whole number of them for one token, so that a bill is exact and sums of bills are too.
//
// Plain data, any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "support/result.h"

namespace hearth::router {

// Saturates: what would not fit (about 9.2 million dollars) stays at the largest amount, which no
// budget holds. Nothing ever wraps round.
class PicoUsd {
 public:
  constexpr PicoUsd() = default;
  constexpr explicit PicoUsd(int64_t pico) : pico_(pico) {}
  // To the nearest pico-dollar; not a number is 0.
  static PicoUsd from_usd(double usd);
  static constexpr PicoUsd largest() { return PicoUsd(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t pico() const { return pico_; }
  double usd() const { return static_cast<double>(pico_) / 1e12; }

  constexpr auto operator<=>(const PicoUsd&) const = default;
  constexpr PicoUsd& operator+=(PicoUsd other) {
    int64_t sum = 0;
    if (__builtin_add_overflow(pico_, other.pico_, &sum)) sum = other.pico_ > 0 ? kMost : kLeast;
    pico_ = sum;
    return *this;
  }
  constexpr PicoUsd& operator-=(PicoUsd other) {
    int64_t rest = 0;
    if (__builtin_sub_overflow(pico_, other.pico_, &rest)) rest = other.pico_ < 0 ? kMost : kLeast;
    pico_ = rest;
    return *this;
  }
  friend constexpr PicoUsd operator+(PicoUsd a, PicoUsd b) { return a += b; }
  friend constexpr PicoUsd operator-(PicoUsd a, PicoUsd b) { return a -= b; }
  // So many tokens at so much for one.
  friend constexpr PicoUsd operator*(PicoUsd one, uint64_t n) {
    int64_t product = 0;
    const bool fits = n <= static_cast<uint64_t>(kMost) &&
                      !__builtin_mul_overflow(one.pico_, static_cast<int64_t>(n), &product);
    if (fits || one.pico_ == 0) return PicoUsd(product);
    return PicoUsd(one.pico_ > 0 ? kMost : kLeast);
  }

 private:
  static constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  static constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  int64_t pico_ = 0;
};

// Exact: "0.0028", "-1.5", "12"; no trailing zeros.
std::string to_text(PicoUsd amount);
// Digits with at most twelve behind the point; nothing else.
Result<PicoUsd> parse_usd(std::string_view text);

// For people: "$12.34", "$0.000021"; two decimals, more where the first two say nothing.
std::string in_words(PicoUsd amount);

}  // namespace hearth::router
