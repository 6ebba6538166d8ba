// Any bytes as a model file: refused with an error, or loaded and run. Never anything worse.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "graph/logits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth;
  static cpu::ThreadPool pool(1);
  const Result<gguf::File> file =
      gguf::File::parse("fuzz.gguf", std::as_bytes(std::span(data, size)));
  if (!file) return 0;
  const Token tokens[] = {0, 1, 2};
  const Result<> done = logits_of(*file, tokens, {.machine = {pool, cpu::Path::scalar}},
                                  [](std::span<const float>) { return Result<>(); });
  return 0;
}
