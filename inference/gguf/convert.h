// Writes a model in other types: from a file (`hearth quantize`) or from any source of rows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gguf/mix.h"
#include "gguf/reader.h"
#include "gguf/writer.h"
#include "support/result.h"

namespace hearth::gguf {

// A model to write. `row` gives row `i` of tensor `t` as float32; called from several threads.
struct ModelSource {
  Header header;
  ModelFacts facts;
  std::vector<TensorInfo> tensors;
  std::function<void(size_t t, uint64_t i, float* out)> row;
  // Bytes of a tensor that can be taken as they are, or empty.
  std::function<std::span<const std::byte>(size_t t)> bytes;
};

// The file's own; borrows from it.
Result<ModelSource> source_of(const File& file);

struct ConvertProgress {
  std::string_view tensor;
  Type from, to;
  size_t n_done, n_tensors;
  uint64_t bytes_done, bytes_total;
};

// Computes with n_threads (0: all that the machine has); memory stays at a few rows of each.
// `report` is called before each tensor. The file appears at `path` when it is complete.
Result<> convert(const ModelSource& source, const Mix& mix, const std::string& path,
                 uint32_t n_threads, const std::function<void(const ConvertProgress&)>& report);

}  // namespace hearth::gguf
