// The tensors of a model, found and checked once at load: name, shape and type. What the loader
// returned is trusted from then on.
//
// The first error is kept and everything after it returns nothing, so that loading a block reads as
// a list of its tensors.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "gguf/reader.h"
#include "support/result.h"

namespace hearth {

// A matrix with its bias; the bias is empty when the file has none.
struct Linear {
  Weight matrix{};
  Floats bias{};
  Backend::Product into(float* y) const { return {matrix, bias.data(), y}; }
};

class Loader {
 public:
  enum class Need : uint8_t { required, optional };

  Loader(const gguf::File& file, Backend& backend) : file_(file), backend_(backend) {}

  const std::optional<Error>& error() const { return error_; }

  // Shape {cols, rows}: y = W x takes cols numbers to rows.
  Weight matrix(const std::string& name, uint64_t cols, uint64_t rows, Need need = Need::required);
  // The same, to look rows up in.
  Weight table(const std::string& name, uint64_t cols, uint64_t rows);
  // {cols, rows, n}
  Weight stack(const std::string& name, uint64_t cols, uint64_t rows, uint64_t n);
  // Rows [first_row, first_row + rows) of each matrix of a stack, in memory of their own.
  Weight stack_part(const std::string& name, uint64_t cols, uint64_t all_rows, uint64_t first_row,
                    uint64_t rows, uint64_t n);

  // NAME.weight and, where the file has it, NAME.bias.
  Linear linear(const std::string& name, uint64_t cols, uint64_t rows);
  // Rows [first_row, first_row + rows) of a matrix that has all_rows, and their part of its bias.
  Linear part(const std::string& name, uint64_t cols, uint64_t all_rows, uint64_t first_row,
              uint64_t rows);

  // Rows that lie apart, put together in memory of their own: of each pattern in turn n rows from
  // `first` on, and again after every `step`, `count` times.
  struct RowPattern {
    uint64_t first, n, step, count;
  };
  Linear picked(const std::string& name, uint64_t cols, uint64_t all_rows,
                std::span<const RowPattern> patterns);

  // Small things become float32, whatever their type in the file. {n}, or {n, rows} one after the
  // other.
  Floats vector(const std::string& name, uint64_t n, Need need = Need::required);
  Floats vectors(const std::string& name, uint64_t n, uint64_t rows, Need need);
  // {cols, rows}, stored column by column.
  Floats transposed(const std::string& name, uint64_t cols, uint64_t rows);
  Floats constant(uint64_t n, float value);
  Floats upload(std::span<const float> numbers) {
    return numbers.empty() ? Floats{} : backend_.upload(numbers);
  }
  std::vector<float> host_vector(const std::string& name, uint64_t n, Need need);

  // What was not asked for. A tensor that would scale a used one cannot be left out silently.
  std::vector<std::string> unused();

  void fail(Errc code, std::string_view name, std::string_view what);

 private:
  struct Shape {
    uint64_t cols, rows, n;
  };
  using Bytes = std::vector<std::byte>;
  Weight prepare_owned(gguf::Tensor tensor, Bytes bytes);
  // With the factors that lie beside "NAME.weight" as "NAME.scale", where the file has them.
  Weight with_factors(Weight weight, const gguf::Tensor& tensor);
  const gguf::Tensor* find(const std::string& name, Shape shape, Need need);
  const gguf::Tensor* find_matrix(const std::string& name, Shape shape, Need need);
  std::vector<float> floats(const std::string& name, Shape shape, Need need);

  const gguf::File& file_;
  Backend& backend_;
  std::set<std::string_view> used_;
  std::optional<Error> error_;
};

}  // namespace hearth
