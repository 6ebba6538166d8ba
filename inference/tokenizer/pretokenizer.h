// Cuts text into the pieces inside which a byte-pair vocabulary may merge.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "pattern.h"
#include "pretokenizer_table.h"
#include "support/result.h"

namespace hearth::tokenizer {

// Immutable; any thread may split.
class Pretokenizer {
 public:
  static Result<Pretokenizer> compile(const PretokenizerRow& row);

  // Where the pieces end, ascending; the last is text.size(). Linear time.
  void split(std::string_view text, std::vector<size_t>& ends) const;

 private:
  std::vector<std::variant<Pattern, CutFunction>> steps_;
};

}  // namespace hearth::tokenizer
