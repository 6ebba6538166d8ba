#include "support/tiny_gguf.h"

#include <fstream>
#include <stdexcept>

#include "gguf/quant.h"

namespace hearth::testing {

GgufWriter& GgufWriter::set(std::string_view key, std::string_view value) {
  return set_raw(key, static_cast<uint32_t>(gguf::ValueType::string), encoded(value));
}

GgufWriter& GgufWriter::set_array(std::string_view key, const std::vector<std::string>& values) {
  std::string elements;
  for (const std::string& value : values) elements += encoded(std::string_view(value));
  return set_raw_array(key, static_cast<uint32_t>(gguf::ValueType::string), values.size(),
                       elements);
}

GgufWriter& GgufWriter::align(uint32_t alignment) {
  padding = alignment;
  return set("general.alignment", alignment);
}

GgufWriter& GgufWriter::tensor(std::string_view name, const std::vector<uint64_t>& dims,
                               std::span<const float> values, gguf::Type type) {
  size_t n = 1;
  for (uint64_t dim : dims) n *= dim;
  if (n != values.size()) throw std::invalid_argument("tensor values do not match its dims");
  const size_t row = dims.front();
  std::vector<std::byte> bytes(gguf::row_bytes(type, n));
  for (size_t i = 0; i < n; i += row)
    gguf::quantize_row(type, values.data() + i, row, bytes.data() + gguf::row_bytes(type, i));
  return tensor_bytes(name, dims, type,
                      {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

GgufWriter& GgufWriter::tensor_bytes(std::string_view name, const std::vector<uint64_t>& dims,
                                     gguf::Type type, std::string_view bytes) {
  Tensor tensor;
  tensor.name = name;
  tensor.dims = dims;
  tensor.type = static_cast<uint32_t>(type);
  tensor.bytes = bytes;
  return add(std::move(tensor));
}

GgufWriter& GgufWriter::add(Tensor tensor) {
  tensors_.push_back(std::move(tensor));
  return *this;
}

GgufWriter& GgufWriter::set_raw(std::string_view key, uint32_t type, std::string_view bytes) {
  metadata_ += encoded(key) + encoded(type);
  metadata_ += bytes;
  ++key_count_;
  return *this;
}

GgufWriter& GgufWriter::set_raw_array(std::string_view key, uint32_t element_type, uint64_t n,
                                      std::string_view bytes) {
  std::string value = encoded(element_type) + encoded(n);
  value += bytes;
  return set_raw(key, static_cast<uint32_t>(gguf::ValueType::array), value);
}

std::string GgufWriter::encoded(std::string_view text) {
  std::string bytes = encoded(uint64_t{text.size()});
  bytes += text;
  return bytes;
}

std::string GgufWriter::build() const {
  auto pad = [&](std::string& bytes) {
    if (padding > 0) bytes.resize((bytes.size() + padding - 1) / padding * padding);
  };
  std::string file = magic + encoded(version) + encoded(n_tensors.value_or(tensors_.size())) +
                     encoded(n_keys.value_or(key_count_)) + metadata_;
  std::string data;
  for (const Tensor& tensor : tensors_) {
    pad(data);
    file += encoded(tensor.name_size.value_or(tensor.name.size())) + tensor.name;
    file += encoded(tensor.n_dims.value_or(static_cast<uint32_t>(tensor.dims.size())));
    for (uint64_t dim : tensor.dims) file += encoded(dim);
    file += encoded(tensor.type) + encoded(tensor.offset.value_or(data.size()));
    data += tensor.bytes;
  }
  if (tensors_.empty()) return file;
  pad(file);
  return file + data;
}

void GgufWriter::write(const std::string& path) const {
  std::ofstream out(path, std::ios::binary);
  out << build();
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace hearth::testing
