// Small files, whole. For large ones use streams or a mapping.
#pragma once

#include <string>
#include <string_view>

#include <sys/types.h>

#include "support/result.h"

namespace hearth::file {

// Refuses anything but a regular file, and more than max_bytes.
Result<std::string> read(const std::string& path, size_t max_bytes = 64u << 20);

// Writes to a temporary beside it, fsyncs and renames: readers see the old file or the new one.
Result<> write_atomic(const std::string& path, std::string_view bytes, mode_t mode = 0600);

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  int get() const { return fd_; }
  int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// "No space left on device" and friends, for messages: "open FILE: No such file or directory".
Error io_error(std::string_view what, const std::string& path, int error_number);

}  // namespace hearth::file
