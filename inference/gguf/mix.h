// What a named quantization ("Q4_K_M") makes of each tensor of a model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/types.h"
#include "gguf/writer.h"
#include "support/result.h"

namespace hearth::gguf {

struct Mix {
  std::string_view name;
  uint32_t file_type;  // general.file_type
  Type base;           // of most matrices
  bool is_mixed;       // sensitive tensors get more bits
};

// By name, in any case; the error lists what there is.
Result<Mix> mix_of(std::string_view name);
std::string mix_names();  // "F16, Q8_0, ..."

// What the choice depends on besides the tensors.
struct ModelFacts {
  std::string_view architecture;
  uint32_t n_layers = 0;
  uint32_t n_experts = 0;
  bool shares_kv_heads = false;  // fewer of them than query heads
};

// The type of each tensor, in the order given; `tensors` have the types they come in. What is not
// to be quantized (norms, biases, routers, ...) keeps its own.
std::vector<Type> types_of(const Mix& mix, const ModelFacts& facts,
                           std::span<const TensorInfo> tensors);

}  // namespace hearth::gguf
