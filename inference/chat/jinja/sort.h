// A stable sort that any order survives: what templates compare need not be consistent (NaN), and
// the standard's sorts may then run out of bounds.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

namespace hearth::jinja {

// `below(a, b)`: a goes before b.
template <class T, class Below>
void merge_sort(std::vector<T>& items, Below below) {
  std::vector<T> merged(items.size());
  for (size_t width = 1; width < items.size(); width *= 2) {
    for (size_t begin = 0; begin < items.size(); begin += 2 * width) {
      size_t middle = std::min(begin + width, items.size());
      size_t end = std::min(begin + 2 * width, items.size());
      size_t left = begin, right = middle;
      for (size_t to = begin; to < end; ++to) {
        bool take_right = left == middle || (right < end && below(items[right], items[left]));
        merged[to] = std::move(items[take_right ? right++ : left++]);
      }
    }
    items.swap(merged);
  }
}

}  // namespace hearth::jinja
