#include "gguf/name_index.h"

#include <algorithm>

namespace hearth::gguf {

void NameIndex::sort() { std::sort(sorted_.begin(), sorted_.end()); }

std::optional<size_t> NameIndex::find(std::string_view name) const {
  auto it = std::lower_bound(sorted_.begin(), sorted_.end(), name,
                             [](const auto& entry, auto wanted) { return entry.first < wanted; });
  if (it == sorted_.end() || it->first != name) return std::nullopt;
  return it->second;
}

std::optional<size_t> NameIndex::duplicate() const {
  auto it = std::adjacent_find(sorted_.begin(), sorted_.end(),
                               [](const auto& a, const auto& b) { return a.first == b.first; });
  if (it == sorted_.end()) return std::nullopt;
  return std::next(it)->second;
}

}  // namespace hearth::gguf
