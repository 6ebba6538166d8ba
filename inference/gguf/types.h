// Tensor types of GGUF files and the layout of their blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hearth::gguf {

// Values are the file format's own ids.
enum class Type : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  bf16 = 30,
  mxfp4 = 39,
  nvfp4 = 40,
};

struct TypeTraits {
  Type type;
  std::string_view name;  // "Q4_K"
  uint32_t block_size;    // elements per block
  uint32_t block_bytes;   // bytes per block
  bool is_computable;     // has a kernel; others load as data only
};

// Null for an id that is unknown, retired or not supported by this build.
const TypeTraits* traits_of(uint32_t id);
const TypeTraits& traits_of(Type type);
std::string_view name_of(Type type);
std::optional<Type> type_from_name(std::string_view name);

// Why an id that traits_of() does not know is refused ("Q4_0_4_4 is retired: re-quantize ...").
std::string_view refusal_of(uint32_t id);

// Bytes of a row of n elements; n must be a multiple of the block size.
size_t row_bytes(Type type, size_t n);

}  // namespace hearth::gguf
