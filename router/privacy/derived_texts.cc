#include "privacy/derived_texts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "support/file.h"
#include "support/json.h"
#include "support/log.h"

namespace hearth::router {

namespace {

constexpr size_t kMinWhole = 12;  // letters and digits

// One answer in the file.
struct Line {
  std::vector<std::string> labels;
  std::string keys;  // 16 hexadecimal digits each
  static void fields(auto& self, auto&& field) {
    field("labels", self.labels);
    field("keys", self.keys);
  }
};

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

DerivedTexts::DerivedTexts(std::string path)
    : path_(std::move(path)), filter_(new std::atomic<uint64_t>[kFilterWords]()) {
  if (!path_.empty()) load();
}

// Lines of a file that has grown beyond what is remembered are dropped from its start.
void DerivedTexts::load() {
  auto text = file::read(path_, 256 << 20);
  if (!text) return;  // none yet
  std::vector<std::string_view> lines;
  for (std::string_view rest = *text; !rest.empty();) {
    const size_t end = rest.find('\n');
    if (end == rest.npos) break;  // unfinished
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  size_t n_bytes = 0, first = lines.size();
  while (first > 0 && n_bytes < kMaxEntries * 17) n_bytes += lines[--first].size() + 1;
  std::string kept;
  for (size_t i = first; i < lines.size(); ++i) {
    auto line = json::decode<Line>(lines[i], "line");
    if (!line) continue;
    std::vector<Fingerprint> keys;
    for (size_t at = 0; at + 16 <= line->keys.size(); at += 16) {
      Fingerprint key = 0;
      std::from_chars(line->keys.data() + at, line->keys.data() + at + 16, key, 16);
      keys.push_back(key);
    }
    keep(std::move(keys), line->labels);
    if (first > 0) (kept += lines[i]) += '\n';
  }
  if (first > 0)
    if (auto done = file::write_atomic(path_, kept); !done)
      log::warn("the record of labelled answers stays long", {{"error", done.error().message}});
}

bool DerivedTexts::may_have(Fingerprint key) const {
  const uint64_t bit = uint64_t{1} << (key >> 50 & 63);
  return filter_[key & (kFilterWords - 1)].load(std::memory_order_relaxed) & bit;
}

void DerivedTexts::add(std::string_view text, const std::vector<std::string>& labels) {
  if (labels.empty()) return;
  std::vector<Fingerprint> keys = fingerprints_of(text);
  if (const Fingerprint whole = whole_fingerprint(text)) keys.push_back(whole);
  if (keys.empty()) return;
  if (!path_.empty()) {
    Line line{labels, ""};
    for (Fingerprint key : keys) line.keys += fmt::format("{:016x}", key);
    const std::string entry = json::encode(line) + "\n";
    file::Descriptor out(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!out ||
        ::write(out.get(), entry.data(), entry.size()) != static_cast<ssize_t>(entry.size()))
      log::warn("a labelled answer is known until the daemon ends, and not on",
                {{"error", file::io_error("write", path_, errno).message}});
  }
  keep(std::move(keys), labels);
}

void DerivedTexts::keep(std::vector<Fingerprint> keys, const std::vector<std::string>& labels) {
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
