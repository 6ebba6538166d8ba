// Writes a GGUF file, tensor by tensor, so that memory stays small whatever the model's size.
//
//   FileWriter writer(path, header, tensors);  // what the file will hold
//   ... writer.write(bytes of each tensor, in order) ...
//   writer.finish();                           // only now there is a file of that name
//
// The bytes go to a temporary beside the path, which becomes the file when it is complete and on
// the disk, and is removed otherwise. A link is followed; a path where something else than a
// regular file stands (a folder, a pipe, a device) is refused before anything is written.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/reader.h"
#include "gguf/types.h"
#include "support/file.h"
#include "support/result.h"

namespace hearth::gguf {

// The key-values of a file under construction. A key that is set twice has its last value.
class Header {
 public:
  void set(std::string_view key, uint32_t value);
  void set(std::string_view key, float value);
  void set(std::string_view key, bool value);
  void set(std::string_view key, std::string_view value);
  void set(std::string_view key, const char* value) { set(key, std::string_view(value)); }
  void set(std::string_view key, std::span<const std::string> values);
  void set(std::string_view key, std::span<const int32_t> values);
  void copy(const File::Entry& entry);  // as it is in another file
  void remove(std::string_view key);

  size_t size() const { return entries_.size(); }
  std::string bytes() const;
  uint32_t alignment() const;  // general.alignment, or what it is by default

 private:
  struct Entry {
    std::string key;
    std::string value;  // its type and bytes
  };
  void set_bytes(std::string_view key, std::string value);
  std::vector<Entry> entries_;
};

struct TensorInfo {
  std::string name;
  Type type = Type::f32;
  uint32_t n_dims = 1;
  std::array<uint64_t, 4> dims{1, 1, 1, 1};  // ggml order

  uint64_t n_rows() const { return dims[1] * dims[2] * dims[3]; }
  uint64_t n_bytes() const { return row_bytes(type, dims[0]) * n_rows(); }
};

class FileWriter {
 public:
  static Result<FileWriter> create(const std::string& name, const Header& header,
                                   std::span<const TensorInfo> tensors);
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  ~FileWriter();

  // The next bytes of the tensor under way; padding between tensors is the writer's.
  Result<> write(std::span<const std::byte> bytes);
  // All bytes of all tensors are there: syncs and renames.
  Result<> finish();

  uint64_t size_bytes() const { return size_bytes_; }

 private:
  FileWriter(std::string path, std::string temporary, file::Descriptor fd);
  Result<> put(std::span<const std::byte> bytes);
  Result<> pad();

  std::string path_, temporary_;  // temporary_ is empty when there is none to remove
  file::Descriptor fd_;
  std::vector<uint64_t> sizes_;  // of the tensors
  size_t tensor_ = 0;            // under way
  uint64_t written_ = 0;         // of that one
  uint64_t offset_ = 0;          // in the file
  uint64_t size_bytes_ = 0;
  uint32_t alignment_ = 0;
};

}  // namespace hearth::gguf
