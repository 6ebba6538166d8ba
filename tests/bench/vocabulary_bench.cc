// How long vocabularies take to load, parsed and ready to encode: vocabulary_bench NAME ...
// (of tests/data/tokenizers). A JSON array, the median of a few runs of each.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "inference/tokenizer/packed_vocabulary.h"

using namespace hearth;

int main(int argc, char** argv) {
  constexpr int kRuns = 9;
  fmt::print("[");
  for (int i = 1; i < argc; ++i) {
    const std::string bytes = testing::unpack_vocabulary(argv[i]);
    std::vector<double> times_ms;
    size_t n_tokens = 0;
    for (int run = 0; run < kRuns; ++run) {
      const auto begun = std::chrono::steady_clock::now();
      const auto file = gguf::File::parse(argv[i], std::as_bytes(std::span(bytes)));
      if (!file) return 1;
      const auto tokenizer = Tokenizer::load(*file);
      if (!tokenizer) return 1;
      times_ms.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
              .count());
      n_tokens = tokenizer->n_vocab();
    }
    std::ranges::sort(times_ms);
    fmt::print(R"({}{{"name": "{}", "tokens": {}, "ms": {:.1f}}})", i > 1 ? ", " : "", argv[i],
               n_tokens, times_ms[kRuns / 2]);
  }
  fmt::print("]\n");
}
