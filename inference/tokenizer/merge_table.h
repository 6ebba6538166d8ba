// The merges of a byte-pair vocabulary: pair of tokens -> rank and resulting token.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/reader.h"
#include "merge.h"
#include "support/result.h"
#include "vocabulary.h"

namespace hearth::tokenizer {

// Immutable after load.
class MergeTable {
 public:
  // Reads tokenizer.ggml.merges ("a b", cut at the first space behind the first character). Entries
  // that name what is no token cannot apply and are left out, with a note. A file without merges
  // (Kimi) ranks a merge by the id of its result, as tiktoken does.
  static Result<MergeTable> load(const gguf::File& file, const Vocabulary& vocabulary,
                                 std::vector<std::string>& notes);

  Merge find(Token left, Token right) const {
    const uint64_t key = key_of(left, right);
    for (size_t slot = slot_of(key);; slot = (slot + 1) & mask_) {
      if (slots_[slot].key == key) return slots_[slot].merge;
      if (slots_[slot].key == kFree) return {kNeverMerges, -1};
    }
  }

 private:
  static constexpr uint64_t kFree = UINT64_MAX;  // no pair: tokens are not negative
  struct Slot {
    uint64_t key = kFree;
    Merge merge{kNeverMerges, -1};
  };

  static uint64_t key_of(Token left, Token right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t key) const {
    key *= 0x9FB21C651E98DF25;
    return (key ^ key >> 32) & mask_;
  }
  void reserve(size_t n_merges);
  void add(Token left, Token right, Merge merge);  // the first of equals stays
  void derive(const Vocabulary& vocabulary);

  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

}  // namespace hearth::tokenizer
