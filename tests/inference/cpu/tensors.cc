#include "inference/cpu/tensors.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "gguf/half.h"
#include "gguf/quant.h"

namespace hearth::cpu {
namespace {

using gguf::Type;

// Where a block's f16 scales lie, and its bytes of 6- or 8-bit scales.
struct ScaleFields {
  std::vector<size_t> halves;
  size_t first_byte = 0, n_bytes = 0;
  uint8_t byte = 0;
};

ScaleFields scale_fields(Type type) {
  switch (type) {
    case Type::q4_1:
    case Type::q5_1: return {{0, 2}};
    case Type::q4_k:
    case Type::q5_k: return {{0, 2}, 4, 12, 0xff};   // all scales and mins 63
    case Type::q6_k: return {{208}, 192, 16, 0x80};  // all scales -128
    case Type::mxfp4: return {{}, 0, 1, 128};
    default: return {{0}};
  }
}

void encode_row(Type type, const float* values, size_t n, std::byte* row) {
  if (type == Type::f32) {
    std::memcpy(row, values, n * sizeof(float));
  } else if (type == Type::f16 || type == Type::bf16) {
    for (size_t i = 0; i < n; i++) {
      const bool is_half = type == Type::f16;
      gguf::store_u16(row + 2 * i,
                      is_half ? gguf::f32_to_f16(values[i]) : gguf::f32_to_bf16(values[i]));
    }
  } else {
    gguf::quantize_row(type, values, n, row);
  }
}

}  // namespace

std::vector<float> random_floats(size_t n, uint32_t seed, float scale) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> out(n);
  for (float& v : out) v = normal(random);
  return out;
}

Packed::Packed(const Weights& w, Path path) : bytes(w.bytes), matrix(w.matrix()) {
  matrix.strip_rows = strip_rows_of(path, w.type);
  if (matrix.strip_rows > 1) {
    bytes.resize(bytes_of(matrix));
    pack(w.matrix(), matrix.strip_rows, bytes.data());
  }
  matrix.data = bytes.data();
}

Weights random_weights(Type type, size_t cols, size_t rows, uint32_t seed) {
  const size_t row_bytes = gguf::row_bytes(type, cols);
  Weights w{type, cols, rows, std::vector<std::byte>(row_bytes * rows)};
  const std::vector<float> values = random_floats(cols * rows, seed, 0.05f);
  for (size_t r = 0; r < rows; r++) {
    encode_row(type, values.data() + r * cols, cols, w.bytes.data() + r * row_bytes);
  }
  return w;
}

Weights random_bytes(Type type, size_t cols, size_t rows, uint32_t seed) {
  std::mt19937 random(seed);
  Weights w{type, cols, rows, std::vector<std::byte>(gguf::row_bytes(type, cols) * rows)};
  for (std::byte& b : w.bytes) b = static_cast<std::byte>(random());
  return w;
}

Weights filled_weights(Type type, size_t cols, size_t rows, uint8_t fill) {
  Weights w{type, cols, rows,
            std::vector<std::byte>(gguf::row_bytes(type, cols) * rows, std::byte{fill})};
  const ScaleFields fields = scale_fields(type);
  const size_t block_bytes = gguf::traits_of(type).block_bytes;
  for (size_t at = 0; at < w.bytes.size(); at += block_bytes) {
    for (size_t half : fields.halves) gguf::store_u16(&w.bytes[at + half], gguf::f32_to_f16(1));
    for (size_t i = 0; i < fields.n_bytes; i++) {
      w.bytes[at + fields.first_byte + i] = std::byte{fields.byte};
    }
  }
  return w;
}

std::vector<double> reference_product(const Weights& w, const std::vector<float>& x,
                                      size_t n_tokens) {
  std::vector<double> y(n_tokens * w.rows);
  std::vector<float> row(w.cols);
  for (size_t r = 0; r < w.rows; r++) {
    dequantize_row(w.matrix(), r, row.data());
    for (size_t t = 0; t < n_tokens; t++) {
      double sum = 0;
      for (size_t i = 0; i < w.cols; i++) sum += double{row[i]} * x[t * w.cols + i];
      y[t * w.rows + r] = sum;
    }
  }
  return y;
}

double normalised_error(const std::vector<float>& actual, const std::vector<double>& expected) {
  double error = 0, power = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    error += std::pow(actual[i] - expected[i], 2);
    power += std::pow(expected[i], 2);
  }
  return error / power;
}

bool are_same(const float* a, const float* b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const bool is_same = std::bit_cast<uint32_t>(a[i]) == std::bit_cast<uint32_t>(b[i]);
    if (!is_same && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  }
  return true;
}

}  // namespace hearth::cpu
