// Every pre-tokenizer by the names that tokenizer.ggml.pre gives it. Supporting one more is one row
// (or one more name in a row).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hearth::tokenizer {

using CutFunction = void (*)(std::string_view piece, size_t begin, std::vector<size_t>& ends);

struct PretokenizerRow {
  std::string_view names;  // separated by spaces
  // Applied in order, each to the pieces that the one before left. Expressions are those of the
  // published tokenizer.json files.
  std::vector<std::variant<std::string, CutFunction>> steps;
  bool ignore_merges = false;    // a piece that is a token as a whole is taken without merging
  bool adds_bos = false;         // when the file does not say
  bool is_byte_level = true;     // false: merges work on UTF-8 with U+2581 for spaces
  bool always_adds_bos = false;  // whatever the file says: converters got it wrong
};

std::span<const PretokenizerRow> pretokenizer_rows();

// Null when no row has this name.
const PretokenizerRow* find_pretokenizer(std::string_view name);

}  // namespace hearth::tokenizer
