#include "gguf/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "gguf/printable.h"
#include "support/file.h"

namespace hearth::gguf {

Result<Mapping> Mapping::open(const std::string& path) {
  const std::string shown = printable(path, 4096);
  if (std::any_of(path.begin(), path.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return Error{Errc::invalid, shown + ": the path has control characters"};
  file::Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return file::io_error("open", shown, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return file::io_error("stat", shown, errno);
  if (!S_ISREG(info.st_mode)) return Error{Errc::invalid, shown + ": expected a regular file"};
  if (info.st_size == 0) return Error{Errc::corrupt, shown + ": the file is empty"};
  const size_t size = static_cast<size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return file::io_error("map", shown, errno);
  return Mapping({static_cast<const std::byte*>(data), size});
}

void Mapping::forget_pages() const {
  ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace hearth::gguf
