// A model as tests edit it: keys and float tensors by name, written to a GGUF in memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "gguf/reader.h"
#include "support/result.h"

namespace hearth::testing {

struct ModelImage {
  using Key = std::variant<uint32_t, int64_t, float, std::string, std::vector<uint32_t>,
                           std::vector<std::string>>;
  struct Tensor {
    std::vector<uint64_t> dims;  // ggml order
    std::vector<float> values;
    gguf::Type type = gguf::Type::f32;  // that the values are written as; zeroes if none can
  };

  std::map<std::string, Key> keys;
  std::map<std::string, Tensor> tensors;

  // Sizes of a model with random weights: matrices with standard deviation 1/sqrt(columns), norms
  // around 1.
  struct Sizes {
    uint32_t n_layers = 2, width = 32, n_heads = 2, n_kv_heads = 1, head_dim = 16, n_ff = 64,
             n_vocab = 96;
  };
  static ModelImage random(const Sizes& sizes, uint32_t seed = 1);
  static ModelImage random() { return random(Sizes{}); }

  // The scalar keys and the tensors of a file, as floats.
  static ModelImage copy_of(const gguf::File& file);

  // Every matrix whose rows are whole blocks becomes `type`.
  void quantize(gguf::Type type);

  std::string build() const;
};

// Bytes and the file that borrows from them.
class OpenImage {
 public:
  explicit OpenImage(const ModelImage& image);
  const gguf::File& file() const { return *file_; }

 private:
  const std::string bytes_;
  std::unique_ptr<gguf::File> file_;
};

}  // namespace hearth::testing
