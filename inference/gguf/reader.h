// GGUF v3 reader. The file is hostile: every count, length, type, shape and offset is checked
// against the bytes that are really there, with 64-bit arithmetic that cannot wrap, before anything
// is allocated or read. Errors say file, what, expected, actual (Errc::corrupt, unsupported or io).
//
// The file is mapped read-only; tensors and strings borrow from the mapping, so a File outlives
// all that was taken from it. Immutable after open: any thread may read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/types.h"
#include "support/result.h"

namespace hearth::gguf {

enum class ValueType : uint32_t {
  u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64
};
std::string_view name_of(ValueType type);

// One metadata value. Scalars convert leniently between integer widths (files disagree on them),
// never silently out of range.
class Value {
 public:
  ValueType type() const { return type_; }
  ValueType element_type() const { return element_type_; }  // of an array
  size_t size() const { return size_; }                     // of an array; 1 otherwise

  std::optional<int64_t> as_int() const;      // any integer type, or bool
  std::optional<uint64_t> as_uint() const;
  std::optional<double> as_float() const;     // any number
  std::optional<bool> as_bool() const;
  std::optional<std::string_view> as_string() const;

  // Arrays. Index must be < size(). Strings of an array are indexed once at open.
  std::optional<int64_t> int_at(size_t i) const;
  std::optional<double> float_at(size_t i) const;
  std::optional<std::string_view> string_at(size_t i) const;

 private:
  friend class Parser;
  ValueType type_ = ValueType::u8;
  ValueType element_type_ = ValueType::u8;
  size_t size_ = 1;
  const std::byte* data_ = nullptr;         // unaligned, in the mapping
  std::vector<std::string_view> strings_;   // of a string array
};

struct Tensor {
  std::string_view name;
  Type type = Type::f32;
  uint32_t n_dims = 1;
  std::array<uint64_t, 4> dims{1, 1, 1, 1};  // ggml order: dims[0] runs fastest (a row)
  std::span<const std::byte> data;           // in the mapping; empty in a vocabulary-only file

  uint64_t n_elements() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  uint64_t n_rows() const { return dims[1] * dims[2] * dims[3]; }
};

// "{576, 49152} Q8_0"
std::string describe(const Tensor& tensor);

class File {
 public:
  // Opens a model; a name ending in -00001-of-0000N.gguf opens all shards beside it.
  // A regular file only: no FIFO, device or directory.
  static Result<File> open(const std::string& path);

  // From memory, for tests and fuzzing; `bytes` must outlive the File.
  static Result<File> parse(std::string_view name, std::span<const std::byte> bytes);

  File(File&&) noexcept;
  File& operator=(File&&) noexcept;
  ~File();

  const std::string& path() const;
  uint64_t size_bytes() const;  // of all shards
  std::string_view architecture() const;  // general.architecture, "" when missing

  struct Entry {
    std::string_view key;
    Value value;
  };
  std::span<const Entry> metadata() const;  // in file order
  std::span<const Tensor> tensors() const;  // in file order, shards in sequence

  const Value* find(std::string_view key) const;           // null when missing
  const Tensor* find_tensor(std::string_view name) const;  // null when missing

  // Typed look-ups with the file, key, expected and actual type in the error. get_* fails when the
  // key is missing; the _or forms take a default and fail only on a wrong type.
  Result<uint64_t> get_uint(std::string_view key) const;
  Result<uint64_t> uint_or(std::string_view key, uint64_t fallback) const;
  Result<double> float_or(std::string_view key, double fallback) const;
  Result<bool> bool_or(std::string_view key, bool fallback) const;
  Result<std::string_view> get_string(std::string_view key) const;
  std::string_view string_or(std::string_view key, std::string_view fallback) const;

 private:
  struct State;
  explicit File(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  friend class Parser;
};

}  // namespace hearth::gguf
