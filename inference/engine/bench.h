// How fast the engine computes a model: what `hearth bench engine` prints.
//
// As the engine does it, without its queue, sampler and text: prompts in steps of kStepRows, then
// one token at a time. Tokens are random; a test at depth d runs with d tokens before it, which are
// not timed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "gguf/reader.h"
#include "support/result.h"

namespace hearth::engine {

struct SpeedTest {
  enum class Kind : uint8_t { prompt, generation } kind;
  uint32_t n_tokens;
  uint32_t depth = 0;
  std::string name() const;  // "pp512", "tg128"
};

// What a test asks of the machine; divided by its seconds this is what the machine gave.
struct Work {
  double read_bytes = 0;  // weights and cached keys and values, all tokens of a generation together
  double operations = 0;  // of products with weights, two a multiply-add
};

struct SpeedResult {
  SpeedTest test;
  std::vector<double> tokens_per_s;  // of each repetition, ascending
  Work work;                         // of one
  double median() const { return tokens_per_s[tokens_per_s.size() / 2]; }
};

// One warm-up and n_repetitions of each test, in rounds over all tests, so that a disturbance of
// the machine does not fall on one of them alone. A test that is longer than the model's context is
// refused before any is run.
Result<std::vector<SpeedResult>> measure(const gguf::File& file, Backend& backend,
                                         const std::vector<SpeedTest>& tests,
                                         uint32_t n_repetitions);

}  // namespace hearth::engine
