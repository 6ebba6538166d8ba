// The merge loop shared by byte-pair and SPM vocabularies.
//
// Problem: symbols stand in a row; as long as some neighbours may merge, merge the pair of best
// (lowest) priority, the leftmost of equals. Words are a handful of symbols, but a text without a
// single space, or of nothing but spaces, is one word of any length.
//
// Idea: short rows are scanned for the best pair again and again: a few dozen comparisons, no
// structure to build. Long rows are linked lists, with the places of pairs in one bucket per
// priority and a heap of the priorities that have a bucket. Distinct priorities are few where words
// are long, and a bucket nearly always fills from left to right, so both kinds of heap stay small.
//
// Cost: n*n comparisons for n <= 48; otherwise close to linear, n log n at worst, two look-ups for
// each merge. No recursion.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "inference/message.h"

namespace hearth::tokenizer {

struct Symbol {
  uint32_t begin;  // in the text
  uint32_t size;   // bytes; 0 once merged into the left neighbour
  Token token;     // -1: not in the vocabulary
};

struct Merge {
  uint32_t priority;  // lower first
  Token token;        // what the pair becomes
};
constexpr uint32_t kNeverMerges = UINT32_MAX;

// Scratch space for one thread; reuse it from word to word.
class MergeLoop {
 public:
  std::vector<Symbol> symbols;  // in: the row; out: what remains of it, in order

  // find(left, right) -> Merge; priority kNeverMerges when the two do not merge.
  template <class Find>
  void run(const Find& find) {
    if (symbols.size() < 2) return;
    pairs_.resize(symbols.size());
    for (size_t i = 0; i + 1 < symbols.size(); ++i) pairs_[i] = find(symbols[i], symbols[i + 1]);
    pairs_.back() = {kNeverMerges, -1};
    if (symbols.size() <= kShort)
      run_short(find);
    else
      run_long(find);
  }

 private:
  static constexpr size_t kShort = 48;

  // Places of pairs of one priority: a queue while they come from left to right, as they nearly
  // always do, and a heap for the others.
  class Places {
   public:
    bool empty() const { return next_ == queue_.size() && heap_.empty(); }

    void add(uint32_t at) {
      if (queue_.empty() || at >= queue_.back()) return queue_.push_back(at);
      heap_.push_back(at);
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    }

    uint32_t take_leftmost() {
      if (heap_.empty() || (next_ < queue_.size() && queue_[next_] < heap_.front()))
        return queue_[next_++];
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const uint32_t at = heap_.back();
      heap_.pop_back();
      return at;
    }

   private:
    std::vector<uint32_t> queue_;
    size_t next_ = 0;
    std::vector<uint32_t> heap_;
  };

  template <class Find>
  void run_short(const Find& find) {
    for (;;) {
      size_t best = 0;
      for (size_t i = 1; i < pairs_.size(); ++i)
        if (pairs_[i].priority < pairs_[best].priority) best = i;
      if (pairs_[best].priority == kNeverMerges) return;
      symbols[best].size += symbols[best + 1].size;
      symbols[best].token = pairs_[best].token;
      symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
      pairs_.erase(pairs_.begin() + static_cast<ptrdiff_t>(best));
      if (best + 1 < symbols.size())
        pairs_[best] = find(symbols[best], symbols[best + 1]);
      else
        pairs_[best] = {kNeverMerges, -1};
      if (best > 0) pairs_[best - 1] = find(symbols[best - 1], symbols[best]);
    }
  }

  template <class Find>
  void run_long(const Find& find) {
    const auto n = static_cast<uint32_t>(symbols.size());
    left_.resize(n);
    right_.resize(n);
    for (uint32_t i = 0; i < n; ++i) {
      left_[i] = i > 0 ? i - 1 : kNone;
      right_[i] = i + 1 < n ? i + 1 : kNone;
      put(i);
    }
    while (!priorities_.empty()) {
      const uint32_t priority = priorities_.front();
      Places& places = buckets_.find(priority)->second;
      // New pairs may rank before the one that made them, so look at the front every time.
      while (!places.empty() && priorities_.front() == priority) {
        const uint32_t at = places.take_leftmost();
        // The pair may have changed since it was put here.
        if (pairs_[at].priority == priority) merge_at(at, find);
      }
      if (priorities_.front() != priority) continue;
      std::pop_heap(priorities_.begin(), priorities_.end(), std::greater<>());
      priorities_.pop_back();
      buckets_.erase(priority);
    }
    std::erase_if(symbols, [](const Symbol& symbol) { return symbol.size == 0; });
  }

  template <class Find>
  void merge_at(uint32_t at, const Find& find) {
    const uint32_t gone = right_[at];
    symbols[at].size += symbols[gone].size;
    symbols[at].token = pairs_[at].token;
    symbols[gone].size = 0;
    pairs_[gone].priority = kNeverMerges;
    right_[at] = right_[gone];
    if (right_[at] != kNone) {
      left_[right_[at]] = at;
      pairs_[at] = find(symbols[at], symbols[right_[at]]);
    } else {
      pairs_[at].priority = kNeverMerges;
    }
    put(at);
    if (left_[at] == kNone) return;
    pairs_[left_[at]] = find(symbols[left_[at]], symbols[at]);
    put(left_[at]);
  }

  void put(uint32_t at) {
    const uint32_t priority = pairs_[at].priority;
    if (priority == kNeverMerges) return;
    const auto [bucket, is_new] = buckets_.try_emplace(priority);
    bucket->second.add(at);
    if (!is_new) return;
    priorities_.push_back(priority);
    std::push_heap(priorities_.begin(), priorities_.end(), std::greater<>());
  }

  static constexpr uint32_t kNone = UINT32_MAX;
  std::vector<Merge> pairs_;  // of symbol i with its right neighbour
  std::vector<uint32_t> left_, right_;
  std::unordered_map<uint32_t, Places> buckets_;  // of each priority in the heap
  std::vector<uint32_t> priorities_;              // heap of those that have a bucket
};

}  // namespace hearth::tokenizer
