// The form of the ledger on disk, shared by who writes and who reads it.
//
// A segment is a day (UTC): FOLDER/2026-11-30.jsonl, one JSON object a line, only ever appended to.
// The first line is its Head and names the last chain of the day before it, the others are Records.
// Each line ends with its "chain": the SHA-256 of the chain above it, a line feed and the line
// without its chain. So a line that was changed, taken out or put in breaks all below it; a day
// that was deleted leaves the others whole. FOLDER/head says where the chain ends, so that lines
// cut off at the end are missed too. Nothing is secret in it: a chain shows what was changed to
// whoever noted it down (`hearth egress verify` prints it), it stops nobody who rewrites
// everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/record.h"
#include "support/result.h"

namespace hearth::egress {

// The end of the ledger.
struct End {
  std::string segment;  // "2026-11-30"; empty: there is none
  std::string chain;    // of its last line
  uint64_t seq = 0;     // of the last record
  uint64_t size = 0;    // of the segment's file, in bytes
  static void fields(auto& self, auto&& field) {
    field("segment", self.segment);
    field("chain", self.chain);
    field("seq", self.seq);
    field("size", self.size);
  }
};

struct Head {
  std::string segment;
  std::optional<End> after;  // the segment before; absent: the first of all
  static void fields(auto& self, auto&& field) {
    field("segment", self.segment);
    field("after", self.after);
  }
};

// A line with its chain, and that chain.
struct Chained {
  std::string line, chain;
};
Chained chained(std::string_view above, std::string json);

// Takes a line apart; Errc::corrupt when its chain is not what it should be below `above`.
Result<Chained> unchained(std::string_view above, std::string_view line);

std::string segment_path(const std::string& folder, std::string_view segment);
// Names of those that are there, in order.
std::vector<std::string> segments_in(const std::string& folder);
std::string day_of(int64_t time_ms);

Result<End> read_end(const std::string& folder);  // an empty End where there is no file

}  // namespace hearth::egress
