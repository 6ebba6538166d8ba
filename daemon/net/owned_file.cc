#include "net/owned_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "support/file.h"

namespace hearth::transport {

Result<std::string> read_owned_file(const std::string& path, size_t max_bytes) {
  // Checked on the open descriptor: what is judged is what is read.
  file::Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ELOOP)
    return Error{Errc::denied, fmt::format("{}: is a symlink, expected a file; remove it", path)};
  if (!fd) return file::io_error("open", path, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return file::io_error("stat", path, errno);
  if (!S_ISREG(info.st_mode))
    return Error{Errc::denied, fmt::format("{}: expected a regular file", path)};
  if (info.st_uid != ::geteuid())
    return Error{Errc::denied, fmt::format("{}: belongs to uid {}, expected {}; remove it", path,
                                           info.st_uid, ::geteuid())};
  if ((info.st_mode & 077) != 0)
    return Error{Errc::denied,
                 fmt::format("{}: mode {:04o} lets others read it, expected 0600; the secret in it "
                             "is no longer one: remove the file and start again",
                             path, info.st_mode & 07777)};
  std::string bytes(max_bytes + 1, '\0');
  size_t n_read = 0;
  while (n_read < bytes.size()) {
    ssize_t n = ::read(fd.get(), bytes.data() + n_read, bytes.size() - n_read);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file::io_error("read", path, errno);
    if (n == 0) break;
    n_read += static_cast<size_t>(n);
  }
  if (n_read > max_bytes)
    return Error{Errc::corrupt, fmt::format("{}: expected at most {} bytes", path, max_bytes)};
  bytes.resize(n_read);
  return bytes;
}

}  // namespace hearth::transport
