#include "inference/graph/model_image.h"

#include <cmath>
#include <random>
#include <span>
#include <stdexcept>

#include "backend/cpu/ops.h"
#include "gguf/quant.h"
#include "support/tiny_gguf.h"

namespace hearth::testing {

ModelImage ModelImage::random(const Sizes& s, uint32_t seed) {
  ModelImage image;
  image.keys = {{"general.architecture", std::string("llama")},
                {"llama.block_count", s.n_layers},
                {"llama.context_length", uint32_t{2048}},
                {"llama.embedding_length", s.width},
                {"llama.feed_forward_length", s.n_ff},
                {"llama.attention.head_count", s.n_heads},
                {"llama.attention.head_count_kv", s.n_kv_heads},
                {"llama.attention.key_length", s.head_dim},
                {"llama.attention.value_length", s.head_dim},
                {"llama.attention.layer_norm_rms_epsilon", 1e-5f}};

  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  const auto add = [&](const std::string& name, std::vector<uint64_t> dims, float mean,
                       float deviation) {
    Tensor& tensor = image.tensors[name];
    tensor.dims = std::move(dims);
    tensor.values.resize(tensor.dims[0] * (tensor.dims.size() > 1 ? tensor.dims[1] : 1));
    for (float& value : tensor.values) value = mean + deviation * normal(generator);
  };
  const auto matrix = [&](const std::string& name, uint64_t cols, uint64_t rows) {
    add(name, {cols, rows}, 0, 1 / std::sqrt(static_cast<float>(cols)));
  };
  const uint64_t q_width = uint64_t{s.n_heads} * s.head_dim;
  const uint64_t kv_width = uint64_t{s.n_kv_heads} * s.head_dim;
  add("token_embd.weight", {s.width, s.n_vocab}, 0, 1);
  matrix("output.weight", s.width, s.n_vocab);
  add("output_norm.weight", {s.width}, 1, 0.2f);
  for (uint32_t i = 0; i < s.n_layers; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    add(layer + "attn_norm.weight", {s.width}, 1, 0.2f);
    matrix(layer + "attn_q.weight", s.width, q_width);
    matrix(layer + "attn_k.weight", s.width, kv_width);
    matrix(layer + "attn_v.weight", s.width, kv_width);
    matrix(layer + "attn_output.weight", q_width, s.width);
    add(layer + "ffn_norm.weight", {s.width}, 1, 0.2f);
    matrix(layer + "ffn_gate.weight", s.width, s.n_ff);
    matrix(layer + "ffn_up.weight", s.width, s.n_ff);
    matrix(layer + "ffn_down.weight", s.n_ff, s.width);
  }
  return image;
}

ModelImage ModelImage::copy_of(const gguf::File& file) {
  ModelImage image;
  for (const auto& [key, value] : file.metadata()) {
    if (const auto text = value.as_string())
      image.keys[std::string(key)] = std::string(*text);
    else if (const auto integer = value.as_uint())
      image.keys[std::string(key)] = static_cast<uint32_t>(*integer);
    else if (const auto number = value.as_float())
      image.keys[std::string(key)] = static_cast<float>(*number);
  }
  for (const gguf::Tensor& tensor : file.tensors()) {
    Tensor& copy = image.tensors[std::string(tensor.name)];
    copy.dims.assign(tensor.dims.begin(), tensor.dims.begin() + tensor.n_dims);
    copy.values.resize(tensor.n_elements());
    const uint64_t cols = tensor.dims[0];
    for (uint64_t row = 0; row < tensor.n_rows(); ++row)
      gguf::dequantize_row(tensor.type,
                           tensor.data.data() + row * gguf::row_bytes(tensor.type, cols), cols,
                           &copy.values[row * cols]);
  }
  return image;
}

void ModelImage::quantize(gguf::Type type) {
  for (auto& [name, tensor] : tensors)
    if (tensor.dims.size() >= 2 && !name.ends_with(".bias") &&
        tensor.dims[0] % gguf::traits_of(type).block_size == 0)
      tensor.type = type;
}

std::string ModelImage::build() const {
  GgufWriter writer;
  for (const auto& [key, value] : keys) {
    const auto write = [&writer, &name = key]<class T>(const T& v) {
      if constexpr (std::is_same_v<T, std::vector<uint32_t>> ||
                    std::is_same_v<T, std::vector<std::string>>)
        writer.set_array(name, v);
      else
        writer.set(name, v);
    };
    std::visit(write, value);
  }
  for (const auto& [name, tensor] : tensors) {
    if (gguf::can_quantize(tensor.type)) {
      writer.tensor(name, tensor.dims, std::span<const float>(tensor.values), tensor.type);
    } else {
      const size_t n_bytes = gguf::row_bytes(tensor.type, tensor.values.size());
      writer.tensor_bytes(name, tensor.dims, tensor.type, std::string(n_bytes, '\0'));
    }
  }
  return writer.build();
}

OpenImage::OpenImage(const ModelImage& image) : bytes_(image.build()) {
  Result<gguf::File> file = gguf::File::parse("test.gguf", std::as_bytes(std::span(bytes_)));
  if (!file) throw std::runtime_error(file.error().message);
  file_ = std::make_unique<gguf::File>(std::move(*file));
}

}  // namespace hearth::testing
