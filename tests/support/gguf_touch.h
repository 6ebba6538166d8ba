// Reads everything that a File gives out, as its users do. For tests of hostile files: whatever
// opened must be safe to use.
#pragma once

#include <string>
#include <vector>

#include "gguf/inspect.h"
#include "gguf/quant.h"
#include "gguf/reader.h"

namespace hearth::testing {

// A sum over all of it, so that no read is optimised away.
inline size_t touch_everything(const gguf::File& file) {
  size_t sum = file.size_bytes() + file.architecture().size();
  for (const auto& [key, value] : file.metadata()) {
    sum += file.find(key) == &value;
    sum += value.as_int().has_value() + value.as_uint().has_value() + value.as_float().has_value() +
           value.as_bool().has_value() + value.as_string().value_or("").size();
    for (size_t i = 0; i <= value.size(); ++i)  // one past the end too
      sum += value.int_at(i).has_value() + value.uint_at(i).has_value() +
             value.float_at(i).has_value() + value.string_at(i).value_or("").size();
    sum += file.get_uint(key).operator bool() + file.float_or(key, 0).operator bool() +
           file.bool_or(key, false).operator bool() + file.get_string(key).operator bool();
  }
  for (const gguf::Tensor& tensor : file.tensors()) {
    sum += file.find_tensor(tensor.name) == &tensor;
    sum += describe(tensor).size();
    for (std::byte byte : tensor.data) sum += std::to_integer<size_t>(byte);
    if (!gguf::traits_of(tensor.type).is_computable) continue;
    std::vector<float> row(tensor.dims[0]);
    gguf::dequantize_row(tensor.type, tensor.data.data(), row.size(), row.data());
    sum += row.back() > 0;
  }
  return sum + inspect_text(file).size() + inspect_json(file).size();
}

}  // namespace hearth::testing
