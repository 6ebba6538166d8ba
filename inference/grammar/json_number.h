// JSON numbers that fulfil bounds, as automata over their digits. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "grammar/dfa.h"
#include "support/json.h"

namespace hearth::grammar {

// A number in decimal, as exact as its double is.
struct Decimal {
  bool is_negative = false;
  std::string whole = "0";  // without leading zeros
  std::string fraction;     // without trailing zeros
  bool is_zero() const { return whole == "0" && fraction.empty(); }
};
std::optional<Decimal> decimal_of(const json::Value& number);

// The shortest text of a number, without an exponent where it has no more than 17 digits.
std::string text_of_number(const json::Value& number);

struct Bound {
  Decimal value;
  bool is_exclusive = false;
};
struct NumberLimits {
  bool is_integer = false;
  std::vector<Bound> least, most;
  std::vector<Decimal> multiples_of;
  bool is_free() const { return least.empty() && most.empty() && multiples_of.empty(); }
};

// Plain decimal notation, no exponent. Errc::unsupported for a multipleOf with too large a number.
Result<Dfa> dfa_of_numbers(const NumberLimits& limits);

}  // namespace hearth::grammar
