// The subset of regular expressions in which published pre-tokenizers are written, as a tree.
//
//   abc \r \n \t \[    literals                  a|b  (?:...)  (?i:...)   choice, groups
//   [^a-z\p{L}]        sets, \s \d \p{X}         ? * + {n} {n,m}          greedy repeats
//   [\p{L}&&[^\p{M}]]  set difference            (?!\S)                   at the end of a choice
#pragma once

#include <string_view>
#include <vector>

#include "char_set.h"
#include "support/result.h"

namespace hearth::tokenizer {

constexpr int kUnbounded = -1;

struct Syntax {
  enum class Kind { set, sequence, choice, repeat, not_before };
  Kind kind = Kind::sequence;
  size_t set = 0;                  // of set and not_before: index into ParsedPattern::sets
  std::vector<Syntax> children{};  // of sequence, choice (first wins) and repeat (one)
  int min = 1;                     // of repeat
  int max = 1;                     // of repeat; kUnbounded for * and +
};

struct ParsedPattern {
  Syntax root;
  std::vector<CharSet> sets;
};

// Errors (Errc::internal, patterns are our own data) name the pattern and the byte.
Result<ParsedPattern> parse_pattern(std::string_view source);

}  // namespace hearth::tokenizer
