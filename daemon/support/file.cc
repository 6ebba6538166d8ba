#include "support/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace hearth::file {

void Descriptor::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Error io_error(std::string_view what, const std::string& path, int error_number) {
  Errc code = error_number == ENOENT                            ? Errc::not_found
              : error_number == EACCES || error_number == EPERM ? Errc::denied
                                                                : Errc::io;
  return {code, fmt::format("{}: cannot {}: {}", path, what, strerror(error_number))};
}

Result<std::string> read(const std::string& path, size_t max_bytes) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return io_error("open", path, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return io_error("stat", path, errno);
  if (!S_ISREG(info.st_mode)) return Error{Errc::invalid, path + ": expected a regular file"};
  if (static_cast<size_t>(info.st_size) > max_bytes)
    return Error{Errc::invalid,
                 fmt::format("{}: {} bytes, expected at most {}", path, info.st_size, max_bytes)};
  std::string bytes;
  char buffer[1 << 16];
  for (;;) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("read", path, errno);
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(n));
    if (bytes.size() > max_bytes)
      return Error{Errc::invalid, fmt::format("{}: grew past {} bytes", path, max_bytes)};
  }
}

Result<> write_atomic(const std::string& path, std::string_view bytes, mode_t mode) {
  std::string temporary = fmt::format("{}.{}.part", path, ::getpid());
  Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd) return io_error("create", temporary, errno);
  auto fail = [&](std::string_view what) {
    Error error = io_error(what, temporary, errno);
    ::unlink(temporary.c_str());
    return error;
  };
  if (::fchmod(fd.get(), mode) != 0) return fail("set mode of");
  while (!bytes.empty()) {
    ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd.get()) != 0) return fail("sync");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail("rename");
  return {};
}

}  // namespace hearth::file
