// Any bytes as a model file: refused with an error, or loaded and run. Never anything worse.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "backend/cpu/cpu_backend.h"
#include "graph/logits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth;
  static cpu::CpuBackend backend(1, cpu::Path::scalar, false);
  const Result<gguf::File> file =
      gguf::File::parse("fuzz.gguf", std::as_bytes(std::span(data, size)));
  if (!file) return 0;
  const Token tokens[] = {0, 1, 2};
  const Result<> done =
      logits_of(*file, backend, tokens, {}, [](std::span<const float>) { return Result<>(); });
  return 0;
}
