#include "chat/jinja/text.h"

#include <algorithm>

namespace hearth::jinja {

namespace {

// First range that ends after `position`.
auto range_after(const std::vector<Rendered::Range>& ranges, size_t position) {
  return std::upper_bound(
      ranges.begin(), ranges.end(), position,
      [](size_t wanted, const Rendered::Range& range) { return wanted < range.end; });
}

}  // namespace

Text::Text(std::string text, Origin origin) : bytes(std::move(text)) {
  if (origin == Origin::variable) mark(0, bytes.size());
}

void Text::mark(size_t begin, size_t end) {
  if (begin == end) return;
  if (!from_variables.empty() && from_variables.back().end == begin)
    from_variables.back().end = end;
  else
    from_variables.push_back({begin, end});
}

void Text::append(std::string_view text, Origin origin) {
  size_t begin = bytes.size();
  bytes += text;
  if (origin == Origin::variable) mark(begin, bytes.size());
}

void Text::append(const Text& other, size_t begin, size_t end) {
  size_t shift = bytes.size();
  bytes.append(other.bytes, begin, end - begin);
  for (auto range = range_after(other.from_variables, begin);
       range != other.from_variables.end() && range->begin < end; ++range)
    mark(std::max(range->begin, begin) - begin + shift, std::min(range->end, end) - begin + shift);
}

Text Text::slice(size_t begin, size_t end) const {
  Text part;
  part.append(*this, begin, end);
  return part;
}

Origin Text::origin(size_t begin, size_t end) const {
  auto range = range_after(from_variables, begin);
  return range != from_variables.end() && range->begin < end ? Origin::variable
                                                             : Origin::template_text;
}

}  // namespace hearth::jinja
