// Finds an item of a file by its name. A sorted list rather than a hash table: names are hostile,
// and a list cannot be flooded with collisions. Cost: n log n to build, log n to find.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::gguf {

class NameIndex {
 public:
  // `items` have a member `name` or `key`, given as `member`; views must outlive the index.
  template <class Item>
  NameIndex(const std::vector<Item>& items, std::string_view Item::* member) {
    sorted_.reserve(items.size());
    for (const Item& item : items)
      sorted_.emplace_back(item.*member, static_cast<uint32_t>(sorted_.size()));
    sort();
  }
  NameIndex() = default;

  std::optional<size_t> find(std::string_view name) const;

  // The position of an item whose name an earlier one has.
  std::optional<size_t> duplicate() const;

 private:
  void sort();
  std::vector<std::pair<std::string_view, uint32_t>> sorted_;
};

}  // namespace hearth::gguf
