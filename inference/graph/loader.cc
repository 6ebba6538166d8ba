#include "graph/loader.h"

#include <fmt/format.h>

#include "gguf/quant.h"

namespace hearth {

using gguf::Type;

void Loader::fail(Errc code, std::string_view name, std::string_view what) {
  if (!error_) error_ = Error{code, fmt::format("{}: tensor {} {}", file_.path(), name, what)};
}

const gguf::Tensor* Loader::find(const std::string& name, Shape shape, Need need) {
  if (error_) return nullptr;
  const gguf::Tensor* tensor = file_.find_tensor(name);
  std::string expected = fmt::format("{{{}", shape.cols);
  if (shape.rows > 1 || shape.n > 1) expected += fmt::format(", {}", shape.rows);
  if (shape.n > 1) expected += fmt::format(", {}", shape.n);
  expected += '}';
  if (!tensor) {
    if (need == Need::required)
      fail(Errc::corrupt, name, fmt::format("is missing, expected {}", expected));
    return nullptr;
  }
  if (tensor->dims[0] != shape.cols || tensor->dims[1] != shape.rows ||
      tensor->dims[2] != shape.n || tensor->dims[3] != 1) {
    fail(Errc::corrupt, name, fmt::format("is {}, expected {}", gguf::describe(*tensor), expected));
    return nullptr;
  }
  if (tensor->data.size() < gguf::row_bytes(tensor->type, shape.cols) * shape.rows * shape.n) {
    fail(Errc::corrupt, name, "has no data: the file holds a vocabulary only");
    return nullptr;
  }
  used_.insert(tensor->name);
  return tensor;
}

const gguf::Tensor* Loader::find_matrix(const std::string& name, Shape shape, Need need) {
  const gguf::Tensor* tensor = find(name, shape, need);
  if (!tensor || gguf::traits_of(tensor->type).is_computable) return tensor;
  fail(Errc::unsupported, name,
       fmt::format("has type {}, which this build cannot multiply; re-quantize it, for example to "
                   "Q8_0 or Q4_K",
                   gguf::name_of(tensor->type)));
  return nullptr;
}

Weight Loader::matrix(const std::string& name, uint64_t cols, uint64_t rows, Need need) {
  const gguf::Tensor* tensor = find_matrix(name, {cols, rows, 1}, need);
  return tensor ? with_factors(backend_.prepare(*tensor, 0, rows), *tensor) : Weight{};
}

Weight Loader::table(const std::string& name, uint64_t cols, uint64_t rows) {
  const gguf::Tensor* tensor = find_matrix(name, {cols, rows, 1}, Need::required);
  return tensor ? with_factors(backend_.prepare_table(*tensor, 0, rows), *tensor) : Weight{};
}

Weight Loader::stack(const std::string& name, uint64_t cols, uint64_t rows, uint64_t n) {
  const gguf::Tensor* tensor = find_matrix(name, {cols, rows, n}, Need::required);
  return tensor ? with_factors(backend_.prepare(*tensor, 0, rows), *tensor) : Weight{};
}

Linear Loader::linear(const std::string& name, uint64_t cols, uint64_t rows) {
  return part(name, cols, rows, 0, rows);
}

Linear Loader::part(const std::string& name, uint64_t cols, uint64_t all_rows, uint64_t first_row,
                    uint64_t rows) {
  const gguf::Tensor* tensor = find_matrix(name + ".weight", {cols, all_rows, 1}, Need::required);
  if (!tensor) return {};
  Linear linear{.matrix = with_factors(backend_.prepare(*tensor, first_row, rows), *tensor)};
  const std::vector<float> bias = host_vector(name + ".bias", all_rows, Need::optional);
  if (!bias.empty()) linear.bias = backend_.upload(std::span(bias).subspan(first_row, rows));
  return linear;
}

Linear Loader::picked(const std::string& name, uint64_t cols, uint64_t all_rows,
                      std::span<const RowPattern> patterns) {
  const gguf::Tensor* tensor = find_matrix(name + ".weight", {cols, all_rows, 1}, Need::required);
  if (!tensor) return {};
  const std::vector<float> all_biases = host_vector(name + ".bias", all_rows, Need::optional);
  const size_t row_bytes = gguf::row_bytes(tensor->type, cols);
  Bytes bytes;
  std::vector<float> biases;
  for (const RowPattern& pattern : patterns)
    for (uint64_t i = 0; i < pattern.count; ++i) {
      const uint64_t first = pattern.first + i * pattern.step;
      const auto rows = tensor->data.subspan(first * row_bytes, pattern.n * row_bytes);
      bytes.insert(bytes.end(), rows.begin(), rows.end());
      if (!all_biases.empty())
        biases.insert(biases.end(), &all_biases[first], &all_biases[first] + pattern.n);
    }
  gguf::Tensor picked = *tensor;
  picked.dims[1] = bytes.size() / row_bytes;
  Linear linear{.matrix = prepare_owned(picked, std::move(bytes))};
  if (!biases.empty()) linear.bias = backend_.upload(biases);
  return linear;
}

Weight Loader::stack_part(const std::string& name, uint64_t cols, uint64_t all_rows,
                          uint64_t first_row, uint64_t rows, uint64_t n) {
  const gguf::Tensor* tensor = find_matrix(name, {cols, all_rows, n}, Need::required);
  if (!tensor) return {};
  const size_t row_bytes = gguf::row_bytes(tensor->type, cols);
  Bytes bytes;
  for (uint64_t i = 0; i < n; ++i) {
    const auto part =
        tensor->data.subspan((i * all_rows + first_row) * row_bytes, rows * row_bytes);
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  gguf::Tensor picked = *tensor;
  picked.dims[1] = rows;
  return prepare_owned(picked, std::move(bytes));
}

// Where the backend took the bytes as they are, the weight keeps them.
Weight Loader::prepare_owned(gguf::Tensor tensor, Bytes bytes) {
  const auto owned = std::make_shared<const Bytes>(std::move(bytes));
  tensor.data = *owned;
  Weight weight = backend_.prepare(tensor, 0, tensor.dims[1]);
  if (weight.data.get() == owned->data()) weight.data = {owned, owned->data()};
  return with_factors(std::move(weight), *file_.find_tensor(tensor.name));
}

Weight Loader::with_factors(Weight weight, const gguf::Tensor& tensor) {
  constexpr std::string_view kSuffix = ".weight";
  if (!tensor.name.ends_with(kSuffix)) return weight;
  const std::string name =
      fmt::format("{}.scale", tensor.name.substr(0, tensor.name.size() - kSuffix.size()));
  // Gemma 4 has a tensor of that name and another shape: its block asks for it.
  const gguf::Tensor* beside = file_.find_tensor(name);
  if (!beside || beside->n_elements() != tensor.dims[2]) return weight;
  const std::vector<float> factors = host_vector(name, tensor.dims[2], Need::required);
  if (factors.empty()) return weight;
  const Floats uploaded = backend_.upload(factors);
  weight.factors = {uploaded.memory, uploaded.data()};
  return weight;
}

Floats Loader::constant(uint64_t n, float value) {
  return error_ ? Floats{} : backend_.upload(std::vector<float>(n, value));
}

Floats Loader::transposed(const std::string& name, uint64_t cols, uint64_t rows) {
  const std::vector<float> numbers = floats(name, {cols, rows, 1}, Need::required);
  std::vector<float> turned(numbers.size());
  for (uint64_t i = 0; i < numbers.size(); ++i) turned[i % cols * rows + i / cols] = numbers[i];
  return turned.empty() ? Floats{} : backend_.upload(turned);
}

std::vector<float> Loader::floats(const std::string& name, Shape shape, Need need) {
  const gguf::Tensor* tensor = find(name, shape, need);
  if (!tensor) return {};
  if (tensor->type != Type::f32 && tensor->type != Type::f16 && tensor->type != Type::bf16) {
    fail(Errc::unsupported, name,
         fmt::format("has type {}, expected F32, F16 or BF16", gguf::name_of(tensor->type)));
    return {};
  }
  std::vector<float> out(shape.cols * shape.rows);
  for (uint64_t row = 0; row < shape.rows; ++row)
    gguf::dequantize_row(tensor->type,
                         tensor->data.data() + row * gguf::row_bytes(tensor->type, shape.cols),
                         shape.cols, out.data() + row * shape.cols);
  return out;
}

std::vector<float> Loader::host_vector(const std::string& name, uint64_t n, Need need) {
  return floats(name, {n, 1, 1}, need);
}

Floats Loader::vector(const std::string& name, uint64_t n, Need need) {
  const std::vector<float> numbers = floats(name, {n, 1, 1}, need);
  return numbers.empty() ? Floats{} : backend_.upload(numbers);
}

Floats Loader::vectors(const std::string& name, uint64_t n, uint64_t rows, Need need) {
  const std::vector<float> numbers = floats(name, {n, rows, 1}, need);
  return numbers.empty() ? Floats{} : backend_.upload(numbers);
}

std::vector<std::string> Loader::unused() {
  std::vector<std::string> names;
  for (const gguf::Tensor& tensor : file_.tensors()) {
    if (used_.contains(tensor.name)) continue;
    if (tensor.name.ends_with(".scale"))
      fail(Errc::unsupported, tensor.name, "scales another tensor, which is not supported");
    names.emplace_back(tensor.name);
  }
  return names;
}

}  // namespace hearth
