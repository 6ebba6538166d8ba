// Answers to labelled requests, by their fingerprints: clients of stateless wires send them back
// without saying whose they are, in a summary, a title, another conversation.
//
// Any thread. Bounded: beyond kMaxEntries the oldest answers are forgotten. With a file they
// outlive the process: a line for each answer, its labels and its fingerprints; no text. They stay
// when a session is deleted, since who holds the answer may still send it.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "privacy/shingles.h"

namespace hearth::router {

class DerivedTexts {
 public:
  explicit DerivedTexts(std::string path = "");

  void add(std::string_view text, const std::vector<std::string>& labels);

  // Labels of the answers that these were taken from. `whole`: of the whole text, for short ones.
  std::vector<std::string> labels_of(const std::vector<Fingerprint>& lookups,
                                     Fingerprint whole) const;

  bool is_empty() const { return !has_any_.load(std::memory_order_acquire); }

 private:
  void load();
  void keep(std::vector<Fingerprint> keys, const std::vector<std::string>& labels);
  static constexpr size_t kMaxEntries = 1 << 19;  // 8 MB
  static constexpr size_t kFilterWords = 1 << 15;

  // Answers of about one age. Each twice as large as the next, so that there are few.
  struct Layer {
    ShingleIndex index;  // owners are places in label_sets_
  };
  using Layers = std::vector<std::shared_ptr<const Layer>>;

  bool may_have(Fingerprint key) const;

  const std::string path_;
  std::atomic<bool> has_any_{false};
  std::unique_ptr<std::atomic<uint64_t>[]> filter_;  // of all layers; most lookups end here
  // Guarded by mu_.
  mutable std::mutex mu_;
  Layers layers_;  // the oldest first
  std::deque<std::vector<std::string>> label_sets_;
};

// Of a short text as a whole; 0 when it is too short to mean anything.
Fingerprint whole_fingerprint(std::string_view text);

}  // namespace hearth::router
