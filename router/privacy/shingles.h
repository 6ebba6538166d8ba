// Fingerprints of text, and an index that tells which files a text was taken from.
//
// Problem: clients send excerpts of files without saying of which. Idea (winnowing, Schleimer,
// Wilkerson and Aiken, SIGMOD 2003): hash every run of kShingle letters of the normal text
// (normal_text.h); of each kWindow neighbouring hashes keep the smallest. Two texts that share
// kMinMatch letters and digits then share a kept hash. A file's kept hashes are indexed, of a text
// that is asked about every hash is looked up, so that the start and end of short files count too.
// What stands in more than kMaxFiles files (lists of imports) or in everybody's (boilerplate.h) is
// nobody's.
//
// Cost: about 3 bytes of index for a byte of text; looking up about 10 ns a letter, of which most
// end at a filter that fits the second-level cache.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "privacy/normal_text.h"

namespace hearth::router {

inline constexpr size_t kShingle = 28, kWindow = 8;
inline constexpr size_t kMinMatch = kShingle + kWindow - 1;  // letters and digits
inline constexpr size_t kMaxFiles = 16;

using Fingerprint = uint64_t;

// Those of a file to be indexed: winnowed shingles, distinctive words. Sorted, each once.
std::vector<Fingerprint> fingerprints_of(std::string_view text);

// Those of a text that is asked about, in its order.
std::vector<Fingerprint> lookups_of(std::string_view text);

// Immutable once made; any thread.
class ShingleIndex {
 public:
  struct Entry {
    Fingerprint key;
    uint32_t owner;  // a number of the caller's: a file, an answer
    auto operator<=>(const Entry&) const = default;
  };

  ShingleIndex() = default;
  explicit ShingleIndex(std::vector<Entry> entries);

  // Owners of any of these, each once, in the order of their first match.
  std::vector<uint32_t> owners_of(const std::vector<Fingerprint>& lookups) const;

  const std::vector<Entry>& entries() const { return entries_; }
  size_t size_bytes() const {
    return entries_.size() * sizeof(Entry) + buckets_.size() * 4 + filter_.size() * 8;
  }

 private:
  bool may_have(Fingerprint key) const;

  std::vector<Entry> entries_;     // sorted
  std::vector<uint32_t> buckets_;  // by the key's top bits, where its entries begin
  std::vector<uint64_t> filter_;   // a bit of two for each key
  int bucket_shift_ = 64;
  uint64_t filter_mask_ = 0;
};

}  // namespace hearth::router
