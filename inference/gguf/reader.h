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
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/types.h"
#include "gguf/value.h"
#include "support/result.h"

namespace hearth::gguf {

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

  // From memory, for tests and fuzzing; `bytes` must outlive the File. Tensor data is aligned as
  // the buffer is. A shard of a split model is refused.
  static Result<File> parse(std::string_view name, std::span<const std::byte> bytes);

  File(File&&) noexcept;
  File& operator=(File&&) noexcept;
  ~File();

  const std::string& path() const;
  uint64_t size_bytes() const;            // of all shards
  std::string_view architecture() const;  // general.architecture, "" when missing

  // Takes what was read out of this process's memory; it stays in the system's cache and comes back
  // when it is read again. Does nothing to a File from memory.
  void forget_pages() const;

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
  static Result<File> assemble(std::unique_ptr<State> state);
  explicit File(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth::gguf
