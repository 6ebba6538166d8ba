// A regular file mapped read-only. Owned by the File that was opened from it.
//
// Another process can shrink the file under the mapping, and then reading it kills this one
// (SIGBUS): models are read only in the engine child, whose death the daemon survives.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "support/result.h"

namespace hearth::gguf {

class Mapping {
 public:
  // Never blocks: a FIFO, device or directory is refused. So are an empty file and a path with
  // control characters.
  static Result<Mapping> open(const std::string& path);

  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping();

  std::span<const std::byte> bytes() const { return bytes_; }
  void forget_pages() const;

 private:
  explicit Mapping(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace hearth::gguf
