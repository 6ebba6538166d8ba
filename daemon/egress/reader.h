// Reads the egress ledger: what left, and whether it is as it was written. Needs no daemon; any
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "egress/record.h"
#include "support/result.h"

namespace hearth::egress {

struct Filter {
  std::optional<int64_t> since_ms;  // Unix
  std::string host;                 // part of one; empty: all
};

// In order. A line that cannot be read is Errc::corrupt with its place.
Result<std::vector<Record>> read_records(const std::string& folder, const Filter& filter);

struct Check {
  bool is_whole = false;
  std::string fault;  // what is wrong, with file and line; empty: nothing
  uint64_t n_records = 0;
  uint64_t n_segments = 0;
  std::string begins_after;    // the deleted segment that the first one follows; empty: none
  std::string segment, chain;  // the end: what to note down
  static void fields(auto& self, auto&& field) {
    field("whole", self.is_whole);
    field.or_default("fault", self.fault);
    field("records", self.n_records);
    field("segments", self.n_segments);
    field.or_default("beginsAfter", self.begins_after);
    field.or_default("segment", self.segment);
    field.or_default("chain", self.chain);
  }
};

// An error only where the files cannot be read at all.
Result<Check> verify(const std::string& folder);

}  // namespace hearth::egress
