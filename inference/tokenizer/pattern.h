// Published pre-tokenizer expressions, run in linear time.
//
// Problem: models split text by regular expressions meant for backtracking engines. Those take
// quadratic time or a deep stack on a long run of letters or spaces, and any tool can print one.
//
// Idea: the expressions need no captures and look ahead at most one character, so each compiles to
// a deterministic automaton. A state is the ordered list of places where a backtracking engine
// could be, best first; what stands behind a finished alternative is cut off, which gives exactly
// the match that the backtracking engine would choose. Characters are first mapped to classes: the
// distinctions that this expression makes, some 10 to 40 of them.
//
// Cost: one table look-up for the class and one for the transition per character, no recursion, no
// allocation. Compiling takes about a millisecond. The text is read twice at worst: a match may be
// shorter than what had to be seen to decide it, by one run of characters.
//
// Source: subset construction with thread priorities as in RE2 (Cox, "Regular expression matching
// in the wild"), look-ahead folded into the transition instead of a separate pass.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "support/result.h"
#include "unicode.h"

namespace hearth::tokenizer {

// Immutable; any thread may match.
class Pattern {
 public:
  static Result<Pattern> compile(std::string_view source);

  // Bytes of the match that begins at text[at]; 0 when there is none. The end of `text` counts as
  // the end of all text.
  size_t match(std::string_view text, size_t at) const {
    size_t matched = 0;
    uint32_t state = 0;
    for (size_t i = at;;) {
      const bool at_end = i >= text.size();
      const auto byte = at_end ? uint8_t{0} : static_cast<uint8_t>(text[i]);
      size_t size = 1;
      uint8_t char_class = end_class_;
      if (byte >= 0x80) {
        const CodePoint c = decode_utf8(text, i);
        size = c.size;
        char_class = class_of(c.value);
      } else if (!at_end) {
        char_class = basic_plane_[byte];
      }
      const uint16_t step = steps_[state * (end_class_ + 1u) + char_class];
      if (step & kMatchedBefore) matched = i - at;
      state = step & ~kMatchedBefore;
      if (state == kDead || at_end) return matched;
      i += size;
    }
  }

  size_t n_states() const { return steps_.size() / (end_class_ + 1u); }

 private:
  friend class PatternCompiler;
  static constexpr uint16_t kMatchedBefore = 0x8000;  // a match ended before this character
  static constexpr uint16_t kDead = 0x7FFF;

  Pattern() = default;
  uint8_t class_of(uint32_t code_point) const;

  std::vector<uint8_t> basic_plane_;       // class of each code point below U+10000
  std::vector<uint32_t> segments_;         // where any range of the pattern begins or ends
  std::vector<uint8_t> class_of_segment_;  // (segment, category) row-major
  uint8_t end_class_ = 0;                  // one past the classes: the end of the text
  std::vector<uint16_t> steps_;            // (state, class) row-major; state 0 is the start
};

}  // namespace hearth::tokenizer
