// What a request looks like to the estimator: hashed words and pairs of words, sizes, kind. Made
// here and used here: it is not logged and does not leave the process.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace hearth::router {

// Words fall into so many slots; those that share one cannot be told apart. Traits have the slots
// above them.
inline constexpr uint32_t kWordSlots = 1 << 14;
inline constexpr uint32_t kTraitSlots = 1 << 10;
inline constexpr uint32_t kInputSlot = kWordSlots + kTraitSlots, kOutputSlot = kInputSlot + 1;
inline constexpr uint32_t kTermSlots = kOutputSlot + 1;

struct Term {
  uint32_t slot = 0;  // below kTermSlots
  float weight = 0;
};

struct Terms {
  std::vector<Term> words;   // each slot once, weight = how often
  std::vector<Term> traits;  // sizes and kinds, weight as it counts
  double n_input = 0;        // tokens: stated, or estimated from the text
  double n_output = 0;       // tokens expected or allowed; 0: nobody said
};

// What is known beside the text; 0 and "" are "nobody said".
struct TermContext {
  std::string_view task;  // any name of a kind of work
  uint64_t n_input_tokens = 0;
  uint64_t n_output_tokens = 0;
};

// Reads at most the first 4 KiB and the last 2 KiB of the text: what is asked stands at an end.
Terms terms_of(std::string_view text, const TermContext& context);

}  // namespace hearth::router
