#include "grammar/json_number.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <tuple>

#include "grammar/regex.h"

namespace hearth::grammar {

namespace {

enum class Order : uint8_t { less, equal, greater };
using Accepts = bool (*)(Order);

// Compares the digits that it reads with those of a number without sign, a state for each thing
// that can be known on the way.
class Comparer {
 public:
  Comparer(Dfa& out, const Decimal& with, Accepts accepts)
      : out_(out), with_(with), accepts_(accepts) {}

  // Adds edges for the first digit to `state`.
  void begin(uint32_t state) {
    for (char digit = '0'; digit <= '9'; ++digit)
      add_edge(state, digit, whole(0, Order::equal, digit));
    while (!left_.empty()) {
      const auto [key, id] = left_.back();
      left_.pop_back();
      expand(key, id);
    }
  }

 private:
  enum class Phase : uint8_t { zero, whole, point, fraction };
  using Key = std::tuple<Phase, size_t, Order>;

  void add_edge(uint32_t from, char c, Key to) {
    auto [at, is_new] = known_.emplace(to, out_.states.size());
    if (is_new) {
      out_.states.emplace_back();
      left_.emplace_back(to, at->second);
    }
    const uint32_t code = static_cast<uint8_t>(c);
    out_.states[from].edges.push_back({code, code, at->second});
  }

  Key whole(size_t n, Order so_far, char digit) const {
    if (so_far == Order::equal && n < with_.whole.size() && digit != with_.whole[n])
      so_far = digit < with_.whole[n] ? Order::less : Order::greater;
    const bool is_zero = n == 0 && digit == '0';
    return {is_zero ? Phase::zero : Phase::whole, std::min(n + 1, with_.whole.size() + 1), so_far};
  }
  // Of the whole parts: a longer one is larger.
  Order order_of_whole(size_t n, Order so_far) const {
    if (n != with_.whole.size()) return n < with_.whole.size() ? Order::less : Order::greater;
    return so_far;
  }
  Key fraction(size_t n, Order so_far, char digit) const {
    const char other = n < with_.fraction.size() ? with_.fraction[n] : '0';
    if (so_far == Order::equal && digit != other)
      so_far = digit < other ? Order::less : Order::greater;
    return {Phase::fraction, std::min(n + 1, with_.fraction.size()), so_far};
  }

  void expand(Key key, uint32_t id) {
    const auto [phase, n, so_far] = key;
    const bool is_in_whole = phase == Phase::zero || phase == Phase::whole;
    Order end = is_in_whole ? order_of_whole(n, so_far) : so_far;
    if (is_in_whole) add_edge(id, '.', {Phase::point, 0, end});
    if (end == Order::equal && (is_in_whole ? !with_.fraction.empty() : n < with_.fraction.size()))
      end = Order::less;  // there would be more of the other
    out_.states[id].accepts = phase != Phase::point && accepts_(end);
    if (phase == Phase::zero) return;
    for (char digit = '0'; digit <= '9'; ++digit)
      add_edge(id, digit,
               phase == Phase::whole ? whole(n, so_far, digit) : fraction(n, so_far, digit));
  }

  Dfa& out_;
  const Decimal& with_;
  const Accepts accepts_;
  std::map<Key, uint32_t> known_;
  std::vector<std::pair<Key, uint32_t>> left_;
};

bool always(Order) { return true; }
bool never(Order) { return false; }
bool greater(Order order) { return order == Order::greater; }
bool at_least(Order order) { return order != Order::less; }
bool less(Order order) { return order == Order::less; }
bool at_most(Order order) { return order != Order::greater; }

Dfa sorted(Dfa dfa) {
  for (Dfa::State& state : dfa.states) std::ranges::sort(state.edges, {}, &Dfa::Edge::first);
  return dfa;
}

Dfa dfa_of_bound(const Bound& bound, bool is_least) {
  Accepts positive, negative;
  const bool below = bound.value.is_negative && !bound.value.is_zero();
  if (is_least) {
    positive = below ? always : bound.is_exclusive ? greater : at_least;
    negative = !below ? never : bound.is_exclusive ? less : at_most;
  } else {
    positive = below ? never : bound.is_exclusive ? less : at_most;
    negative = !below ? always : bound.is_exclusive ? greater : at_least;
  }
  Dfa out;
  out.states.resize(2);
  out.states[0].edges.push_back({'-', '-', 1});
  Comparer(out, bound.value, positive).begin(0);
  Comparer(out, bound.value, negative).begin(1);
  return sorted(std::move(out));
}

// Remainders of the digits read, times the power of ten that makes the divisor whole.
Result<Dfa> dfa_of_multiples(const Decimal& of) {
  constexpr uint64_t kMaxStates = kMaxDfaStates / 2;
  const std::string digits = of.whole + of.fraction;
  const size_t k = of.fraction.size();
  uint64_t divisor = 0;
  for (char digit : digits)
    divisor = std::min<uint64_t>(divisor * 10 + (digit - '0'), kMaxStates + 1);
  if (divisor == 0) return Error{Errc::invalid, "multipleOf: expected a number above 0"};
  if (divisor * (k + 2) > kMaxStates)
    return Error{Errc::unsupported, fmt::format("multipleOf: {}{}{} has too many digits", of.whole,
                                                k ? "." : "", of.fraction)};
  const uint32_t n = static_cast<uint32_t>(divisor);
  // States: the start, then the remainders by where the reading is: in the whole part (layer 0), or
  // behind the point with so many digits read of it (layer 1: none), at most one more than count.
  const auto at = [&](size_t layer, uint32_t r) {
    return 1 + static_cast<uint32_t>(layer) * n + r;
  };
  Dfa out;
  out.states.resize(at(k + 1, n - 1) + 1);
  out.states[0].edges.push_back({'-', '-', 0});
  for (uint32_t d = 0; d < 10; ++d) out.states[0].edges.push_back({'0' + d, '0' + d, at(0, d % n)});
  for (size_t layer = 0; layer <= k + 1; ++layer)
    for (uint32_t r = 0; r < n; ++r) {
      Dfa::State& state = out.states[at(layer, r)];
      uint64_t scaled = r;
      for (size_t i = layer == 0 ? 0 : layer - 1; i < k; ++i) scaled = scaled * 10 % n;
      state.accepts = scaled == 0;
      if (layer == 0) state.edges.push_back({'.', '.', at(1, r)});
      const bool is_past = layer == k + 1;  // only zeros change nothing
      for (uint32_t d = 0; d < (is_past ? 1u : 10u); ++d) {
        const uint32_t next = is_past ? r : static_cast<uint32_t>((uint64_t{r} * 10 + d) % n);
        state.edges.push_back({'0' + d, '0' + d,
                               at(layer == 0 ? 0
                                  : is_past  ? layer
                                             : layer + 1,
                                  next)});
      }
    }
  return pruned(sorted(std::move(out)));
}

}  // namespace

std::optional<Decimal> decimal_of(const json::Value& number) {
  std::string text;
  if (number.is_int64())
    text = std::to_string(number.as_int64());
  else if (number.is_uint64())
    text = std::to_string(number.as_uint64());
  else if (number.is_double() && std::isfinite(number.as_double())) {
    std::array<char, 1100> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number.as_double(),
                                   std::chars_format::fixed);
    text.assign(buffer.data(), end.ptr);
  } else {
    return std::nullopt;
  }
  Decimal out;
  out.is_negative = text.starts_with('-');
  if (out.is_negative) text.erase(0, 1);
  const size_t point = text.find('.');
  out.whole = text.substr(0, point);
  if (point != text.npos) out.fraction = text.substr(point + 1);
  while (out.fraction.ends_with('0')) out.fraction.pop_back();
  return out;
}

std::string text_of_number(const json::Value& number) {
  constexpr size_t kMaxDigits = 17;
  const auto decimal = decimal_of(number);
  if (!decimal || decimal->whole.size() + decimal->fraction.size() > kMaxDigits + 4) {
    std::array<char, 64> buffer;
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), number.to_number<double>());
    return std::string(buffer.data(), end.ptr);
  }
  std::string out = decimal->is_negative && !decimal->is_zero() ? "-" : "";
  out += decimal->whole;
  if (!decimal->fraction.empty()) out += "." + decimal->fraction;
  return out;
}

Result<Dfa> dfa_of_numbers(const NumberLimits& limits) {
  auto out = dfa_of_regex(limits.is_integer ? "0|-?[1-9][0-9]*" : R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?)",
                          Match::whole);
  for (const Bound& bound : limits.least)
    if (out) out = intersection(*out, dfa_of_bound(bound, true));
  for (const Bound& bound : limits.most)
    if (out) out = intersection(*out, dfa_of_bound(bound, false));
  for (const Decimal& divisor : limits.multiples_of) {
    if (!out) break;
    auto multiples = dfa_of_multiples(divisor);
    if (!multiples) return multiples.error();
    out = intersection(*out, *multiples);
  }
  return out;
}

}  // namespace hearth::grammar
