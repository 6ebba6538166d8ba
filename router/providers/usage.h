// What a provider says it counted, brought into disjoint classes.
//
// Every wire counts in its own way: cached tokens within the prompt or beside it, thoughts within
// the output or beside it. The counts are believed only while they make sense: not negative, not
// absurd, and adding up to the total where one is given. Else the record is marked unverified, and
// the ledger keeps what was said.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "router/attempt.h"
#include "support/json.h"

namespace hearth::router {

// Reads counts off one object and remembers whether any of them was none.
class Counts {
 public:
  explicit Counts(json::Element object) : object_(object) {}

  // nullopt when it is absent or null. A count that cannot be one is 0 and makes the rest odd.
  std::optional<uint32_t> read(std::string_view name);
  // The first of the names that is there; 0 when none is.
  uint32_t first_of(std::initializer_list<std::string_view> names);
  // Of an object within, "" for this one.
  std::optional<uint32_t> read(std::string_view object, std::string_view name);

  bool is_odd() const { return is_odd_; }

 private:
  std::optional<uint32_t> read_from(json::Element object, std::string_view name);

  json::Element object_;
  bool is_odd_ = false;
};

// Counts as a provider states them, cached and written tokens within the prompt.
struct SaidUsage {
  uint64_t n_prompt = 0;
  uint64_t n_cached = 0, n_cache_write = 0, n_cache_write_1h = 0;
  uint64_t n_completion = 0;
  uint64_t n_reasoning = 0;
  std::optional<uint64_t> n_total;
  bool is_odd = false;
};

struct CountedUsage {
  Usage usage;
  UsageBasis basis = UsageBasis::reported;
};

// The classes are disjoint, non-negative and add up to the prompt, whatever was said.
CountedUsage usage_of(const SaidUsage& said);

}  // namespace hearth::router
