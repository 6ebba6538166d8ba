#include "pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "pattern_syntax.h"

namespace hearth::tokenizer {

namespace {

constexpr size_t kCategories = 30;
constexpr size_t kMaxStates = 8192;  // the largest published pattern needs about 1100

// Index of the segment that holds `code_point`: segments[0] is 0.
size_t segment_of(const std::vector<uint32_t>& segments, uint32_t code_point) {
  return static_cast<size_t>(std::upper_bound(segments.begin(), segments.end(), code_point) -
                             segments.begin()) -
         1;
}

// A place in the expression: reads one character of a set, forks, or ends the match.
struct Place {
  enum class Kind { read, fork, end } kind;
  int set = -1;    // read: what it reads; end: what must not follow (-1: anything may)
  int next = -1;   // read and fork
  int other = -1;  // fork: second choice
};

}  // namespace

uint8_t Pattern::class_of(uint32_t code_point) const {
  if (code_point < basic_plane_.size()) return basic_plane_[code_point];
  return class_of_segment_[segment_of(segments_, code_point) * kCategories + category(code_point)];
}

// Syntax -> places (Thompson) -> ordered subsets of places (states).
class PatternCompiler {
 public:
  PatternCompiler(std::string_view source, const ParsedPattern& parsed)
      : source_(source), parsed_(parsed) {}

  Result<Pattern> compile() {
    find_classes();
    places_.push_back({.kind = Place::Kind::end});
    const int start = place(parsed_.root, 0);
    make_states(start);
    if (!error_.empty())
      return Error{Errc::internal, fmt::format("pattern {}: {}", source_, error_)};
    return std::move(out_);
  }

 private:
  // Two code points are of one class when every set of the pattern treats them alike. Ranges cut
  // the code space into segments; inside a segment only the category matters.
  void find_classes() {
    out_.segments_ = {0};
    for (const CharSet& set : parsed_.sets) {
      for (const auto* ranges : {&set.ranges, &set.except_ranges}) {
        for (const CharRange& range : *ranges) {
          out_.segments_.push_back(range.first);
          out_.segments_.push_back(range.last + 1);
        }
      }
    }
    std::sort(out_.segments_.begin(), out_.segments_.end());
    out_.segments_.erase(std::unique(out_.segments_.begin(), out_.segments_.end()),
                         out_.segments_.end());

    std::map<std::vector<bool>, size_t> known;
    for (const uint32_t first : out_.segments_) {
      for (size_t cat = 0; cat < kCategories; ++cat) {
        std::vector<bool> member;
        for (const CharSet& set : parsed_.sets)
          member.push_back(set.contains(first, static_cast<uint8_t>(cat)));
        const auto [it, is_new] = known.try_emplace(std::move(member), known.size());
        if (is_new) members_.push_back(it->first);
        out_.class_of_segment_.push_back(static_cast<uint8_t>(it->second));
      }
    }
    if (known.size() > 255) error_ = "more than 255 classes of characters";
    out_.end_class_ = static_cast<uint8_t>(known.size());

    out_.basic_plane_.resize(0x10000);
    size_t segment = 0;
    for (uint32_t c = 0; c < out_.basic_plane_.size(); ++c) {
      while (segment + 1 < out_.segments_.size() && out_.segments_[segment + 1] <= c) ++segment;
      out_.basic_plane_[c] = out_.class_of_segment_[segment * kCategories + category(c)];
    }
  }

  int add(Place place) {
    places_.push_back(place);
    return static_cast<int>(places_.size()) - 1;
  }

  // Builds backwards: `next` is where to go on after `node`.
  int place(const Syntax& node, int next) {
    switch (node.kind) {
      case Syntax::Kind::set:
        return add({.kind = Place::Kind::read, .set = static_cast<int>(node.set), .next = next});
      case Syntax::Kind::not_before:
        if (places_[next].kind != Place::Kind::end)
          error_ = "look-ahead not at the end of a choice";
        return add({.kind = Place::Kind::end, .set = static_cast<int>(node.set)});
      case Syntax::Kind::sequence:
        for (auto child = node.children.rbegin(); child != node.children.rend(); ++child)
          next = place(*child, next);
        return next;
      case Syntax::Kind::choice: {
        int choice = place(node.children.back(), next);
        for (size_t i = node.children.size() - 1; i-- > 0;)
          choice = fork(place(node.children[i], next), choice);
        return choice;
      }
      case Syntax::Kind::repeat: return repeat(node, next);
    }
    return next;
  }

  int repeat(const Syntax& node, int next) {
    const Syntax& body = node.children.front();
    if (node.max == kUnbounded) {
      const int loop = fork(-1, next);
      const int first = place(body, loop);
      places_[loop].next = first;
      next = loop;
    } else {
      const int after = next;
      for (int i = node.min; i < node.max; ++i) next = fork(place(body, next), after);
    }
    for (int i = 0; i < node.min; ++i) next = place(body, next);
    return next;
  }

  int fork(int first, int second) {
    return add({.kind = Place::Kind::fork, .next = first, .other = second});
  }

  // Reaches `at` without reading; a place that is already in the list stands there with a better
  // claim.
  void reach(int at, std::vector<int>& list, std::vector<bool>& seen) const {
    if (seen[at]) return;
    seen[at] = true;
    if (places_[at].kind != Place::Kind::fork) return list.push_back(at);
    reach(places_[at].next, list, seen);
    reach(places_[at].other, list, seen);
  }

  void make_states(int start) {
    std::map<std::vector<int>, uint16_t> numbers;
    std::vector<std::vector<int>> states;
    const auto number_of = [&](std::vector<int> list) -> uint16_t {
      if (list.empty()) return Pattern::kDead;
      const auto [it, is_new] = numbers.try_emplace(list, static_cast<uint16_t>(states.size()));
      if (is_new) states.push_back(std::move(list));
      return it->second;
    };
    std::vector<int> first;
    std::vector<bool> seen(places_.size());
    reach(start, first, seen);
    number_of(std::move(first));
    for (size_t i = 0; i < states.size(); ++i) {
      if (states.size() > kMaxStates) error_ = "too many states";
      if (!error_.empty()) return;
      for (size_t c = 0; c <= out_.end_class_; ++c) {
        const std::vector<int> here = states[i];
        const bool at_end = c == out_.end_class_;
        std::vector<int> next;
        seen.assign(places_.size(), false);
        uint16_t matched = 0;
        for (const int at : here) {
          const Place& place = places_[at];
          const bool in_set = !at_end && place.set >= 0 && members_[c][place.set];
          if (place.kind == Place::Kind::read && in_set) reach(place.next, next, seen);
          if (place.kind == Place::Kind::end && !in_set) {
            matched = Pattern::kMatchedBefore;
            break;  // all that follows had a lower claim
          }
        }
        out_.steps_.push_back(number_of(std::move(next)) | matched);
      }
    }
  }

  std::string_view source_;
  const ParsedPattern& parsed_;
  std::vector<std::vector<bool>> members_;  // (class, set): is it in
  std::vector<Place> places_;
  std::string_view error_;
  Pattern out_;
};

Result<Pattern> Pattern::compile(std::string_view source) {
  Result<ParsedPattern> parsed = parse_pattern(source);
  if (!parsed) return parsed.error();
  return PatternCompiler(source, *parsed).compile();
}

}  // namespace hearth::tokenizer
