#include "privacy/derived_texts.h"

#include <algorithm>

namespace hearth::router {

namespace {

constexpr size_t kMinWhole = 12;  // letters and digits

}  // namespace

Fingerprint whole_fingerprint(std::string_view text) {
  if (text.size() > 1024) return 0;
  const std::string letters = normal_text(text).letters;
  if (letters.size() < kMinWhole) return 0;
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : letters) hash = (hash ^ c) * 0x100000001b3;
  hash ^= hash >> 29;
  return hash * 0x9e3779b97f4a7c15 | 1;
}

DerivedTexts::DerivedTexts() : filter_(new std::atomic<uint64_t>[kFilterWords]()) {}

bool DerivedTexts::may_have(Fingerprint key) const {
  const uint64_t bit = uint64_t{1} << (key >> 50 & 63);
  return filter_[key & (kFilterWords - 1)].load(std::memory_order_relaxed) & bit;
}

void DerivedTexts::add(std::string_view text, const std::vector<std::string>& labels) {
  if (labels.empty()) return;
  std::vector<Fingerprint> keys = fingerprints_of(text);
  if (const Fingerprint whole = whole_fingerprint(text)) keys.push_back(whole);
  if (keys.empty()) return;

  const std::lock_guard lock(mu_);
  const auto known = std::ranges::find(label_sets_, labels);
  const auto owner = static_cast<uint32_t>(known - label_sets_.begin());
  if (known == label_sets_.end()) label_sets_.push_back(labels);
  std::vector<ShingleIndex::Entry> entries;
  for (Fingerprint key : keys) {
    entries.push_back({key, owner});
    filter_[key & (kFilterWords - 1)].fetch_or(uint64_t{1} << (key >> 50 & 63),
                                               std::memory_order_relaxed);
  }
  // A layer no larger than what comes is melted into it.
  while (!layers_.empty() && layers_.back()->index.entries().size() <= 2 * entries.size()) {
    const auto& older = layers_.back()->index.entries();
    entries.insert(entries.end(), older.begin(), older.end());
    layers_.pop_back();
  }
  layers_.push_back(std::make_shared<const Layer>(Layer{ShingleIndex(std::move(entries))}));
  size_t n_entries = 0;
  for (const auto& layer : layers_) n_entries += layer->index.entries().size();
  while (n_entries > kMaxEntries && layers_.size() > 1) {
    n_entries -= layers_.front()->index.entries().size();
    layers_.erase(layers_.begin());
  }
  has_any_.store(true, std::memory_order_release);
}

std::vector<std::string> DerivedTexts::labels_of(const std::vector<Fingerprint>& lookups,
                                                 Fingerprint whole) const {
  std::vector<std::string> labels;
  if (is_empty()) return labels;
  std::vector<Fingerprint> likely;
  for (Fingerprint key : lookups)
    if (may_have(key)) likely.push_back(key);
  if (whole && may_have(whole)) likely.push_back(whole);
  if (likely.empty()) return labels;
  const std::lock_guard lock(mu_);
  for (const auto& layer : layers_)
    for (uint32_t owner : layer->index.owners_of(likely))
      for (const std::string& label : label_sets_[owner])
        if (std::ranges::count(labels, label) == 0) labels.push_back(label);
  return labels;
}

}  // namespace hearth::router
