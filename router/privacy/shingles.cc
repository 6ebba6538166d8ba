#include "privacy/shingles.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>

#include "privacy/boilerplate.h"

namespace hearth::router {

namespace {

constexpr uint64_t mix(uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

constexpr std::array<uint64_t, 256> byte_hashes() {
  std::array<uint64_t, 256> table{};
  for (uint64_t i = 0; i < 256; ++i) table[i] = mix((i + 1) * 0x9e3779b97f4a7c15);
  return table;
}
constexpr std::array<uint64_t, 256> kByte = byte_hashes();

// A cyclic polynomial: rolls by one letter in two lookups.
template <class Visit>
void each_shingle(std::string_view letters, Visit visit) {
  if (letters.size() < kShingle) return;
  uint64_t hash = 0;
  for (size_t i = 0; i < letters.size(); ++i) {
    hash = std::rotl(hash, 1) ^ kByte[static_cast<unsigned char>(letters[i])];
    if (i >= kShingle)
      hash ^= std::rotl(kByte[static_cast<unsigned char>(letters[i - kShingle])], kShingle);
    if (i + 1 >= kShingle) visit(mix(hash));
  }
}

Fingerprint word_fingerprint(std::string_view word) {
  uint64_t hash = 0x5eed;
  for (unsigned char c : word) hash = (hash ^ kByte[c]) * 0x9e3779b97f4a7c15;
  return mix(hash);
}

// The smallest of each window, the right one of equals, each place once.
void winnow(const std::vector<Fingerprint>& hashes, std::vector<Fingerprint>& out) {
  // A text as short as a window keeps all: every shingle of it must be found.
  if (hashes.size() <= 2 * kWindow) {
    out.insert(out.end(), hashes.begin(), hashes.end());
    return;
  }
  std::deque<size_t> rising;
  size_t kept = hashes.size();
  for (size_t i = 0; i < hashes.size(); ++i) {
    while (!rising.empty() && hashes[rising.back()] >= hashes[i]) rising.pop_back();
    rising.push_back(i);
    if (rising.front() + kWindow <= i) rising.pop_front();
    if (i + 1 < kWindow || rising.front() == kept) continue;
    kept = rising.front();
    out.push_back(hashes[kept]);
  }
  // The ends: an excerpt that begins or ends with the file may hold no whole window.
  out.push_back(hashes.front());
  out.push_back(hashes.back());
}

}  // namespace

std::vector<Fingerprint> fingerprints_of(std::string_view text) {
  const NormalText normal = normal_text(text);
  std::vector<Fingerprint> shingles, out;
  shingles.reserve(normal.letters.size());
  each_shingle(normal.letters, [&](Fingerprint hash) { shingles.push_back(hash); });
  out.reserve(shingles.size() / 4 + 16);
  winnow(shingles, out);
  std::erase_if(out, is_boilerplate);
  for (const std::string& word : normal.distinctive_words) out.push_back(word_fingerprint(word));
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  out.shrink_to_fit();
  return out;
}

std::vector<Fingerprint> lookups_of(std::string_view text) {
  std::vector<Fingerprint> out;
  const NormalText normal = normal_text(text);
  out.reserve(normal.letters.size());
  auto add = [&](Fingerprint hash) { out.push_back(hash); };
  each_shingle(normal.letters, add);
  if (normal.has_prefixes)
    each_shingle(normal_text(text, LineStarts::without_numbers).letters, add);
  for (const std::string& word : normal.distinctive_words) out.push_back(word_fingerprint(word));
  return out;
}

ShingleIndex::ShingleIndex(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::ranges::sort(entries_);
  entries_.erase(std::ranges::unique(entries_).begin(), entries_.end());
  entries_.shrink_to_fit();
  if (entries_.empty()) return;
  // About four entries to a bucket, twelve bits of filter to an entry.
  const int n_bucket_bits =
      std::clamp(static_cast<int>(std::bit_width(entries_.size() / 4)), 1, 24);
  bucket_shift_ = 64 - n_bucket_bits;
  buckets_.assign((size_t{1} << n_bucket_bits) + 1, 0);
  for (const Entry& entry : entries_) ++buckets_[(entry.key >> bucket_shift_) + 1];
  for (size_t i = 1; i < buckets_.size(); ++i) buckets_[i] += buckets_[i - 1];
  const size_t n_words = std::bit_ceil(std::max<size_t>(64, entries_.size() * 12 / 64));
  filter_.assign(n_words, 0);
  filter_mask_ = n_words - 1;
  for (const Entry& entry : entries_)
    filter_[entry.key & filter_mask_] |=
        uint64_t{1} << (entry.key >> 40 & 63) | uint64_t{1} << (entry.key >> 46 & 63);
}

bool ShingleIndex::may_have(Fingerprint key) const {
  const uint64_t bits = uint64_t{1} << (key >> 40 & 63) | uint64_t{1} << (key >> 46 & 63);
  return (filter_[key & filter_mask_] & bits) == bits;
}

std::vector<uint32_t> ShingleIndex::owners_of(const std::vector<Fingerprint>& lookups) const {
  std::vector<uint32_t> owners;
  std::vector<bool> is_known;
  if (entries_.empty()) return owners;
  for (Fingerprint key : lookups) {
    if (!may_have(key)) continue;
    const size_t bucket = key >> bucket_shift_;
    auto begin = entries_.begin() + buckets_[bucket], end = entries_.begin() + buckets_[bucket + 1];
    auto [first, last] = std::ranges::equal_range(begin, end, key, {}, &Entry::key);
    if (static_cast<size_t>(last - first) > kMaxFiles) continue;
    for (auto entry = first; entry != last; ++entry) {
      if (entry->owner >= is_known.size()) is_known.resize(entry->owner + 1);
      if (is_known[entry->owner]) continue;
      is_known[entry->owner] = true;
      owners.push_back(entry->owner);
    }
  }
  return owners;
}

}  // namespace hearth::router
