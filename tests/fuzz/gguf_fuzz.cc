// Any bytes as a model file: refused, or safe to use.
#include <cstddef>
#include <cstdint>

#include "gguf/reader.h"
#include "support/gguf_touch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = hearth::gguf::File::parse("fuzz.gguf", std::as_bytes(std::span(data, size)));
  if (file) (void)hearth::testing::touch_everything(*file);
  return 0;
}
