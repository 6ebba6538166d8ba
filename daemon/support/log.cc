#include "support/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <string>
#include <vector>

namespace hearth::log {

namespace {

std::atomic<Level> g_level{Level::info};

// Own synchronisation: mu.
struct Sink {
  std::mutex mu;
  int fd = STDERR_FILENO;
  std::string path;
  size_t size = 0;
  size_t max_bytes = 0;
  int keep = 0;

  void rotate() {
    for (int i = keep; i > 1; --i)
      std::rename(fmt::format("{}.{}", path, i - 1).c_str(), fmt::format("{}.{}", path, i).c_str());
    std::rename(path.c_str(), (path + ".1").c_str());
    int next = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (next < 0) return;  // keep writing to the renamed file rather than lose lines
    ::close(fd);
    fd = next;
    size = 0;
  }
};

Sink& sink() {
  static Sink instance;
  return instance;
}

// Values that no line may hold. Guarded by mu; looked at only once there are some.
struct Hidden {
  std::mutex mu;
  std::vector<std::string> values;
  std::atomic<bool> has_any{false};
};

Hidden& hidden() {
  static Hidden instance;
  return instance;
}

std::string without_hidden(std::string_view text) {
  std::string out(text);
  if (!hidden().has_any.load(std::memory_order_acquire)) return out;
  constexpr std::string_view kInstead = "[key]";
  std::lock_guard lock(hidden().mu);
  for (const std::string& value : hidden().values)
    for (size_t at = out.find(value); at != out.npos; at = out.find(value, at + kInstead.size()))
      out.replace(at, value.size(), kInstead);
  return out;
}

void append_escaped(std::string& out, std::string_view text) {
  bool plain = !text.empty();
  for (unsigned char c : text) plain = plain && c > ' ' && c != '"' && c != '=' && c != 0x7f;
  if (plain) {
    out += text;
    return;
  }
  out += '"';
  for (unsigned char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += static_cast<char>(c);
    else if (c == '\n')
      out += "\\n";
    else if (c < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", c);
    else
      out += static_cast<char>(c);
  }
  out += '"';
}

void write(Level level, std::string_view name, std::string_view message, Fields fields) {
  if (level > g_level.load(std::memory_order_relaxed)) return;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  std::string line = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {:5} ",
                                 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                                 utc.tm_min, utc.tm_sec, now.tv_nsec / 1'000'000, name);
  line += without_hidden(message);
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_escaped(line, without_hidden(field.value));
  }
  line += '\n';

  Sink& out = sink();
  std::lock_guard lock(out.mu);
  if (!out.path.empty() && out.size + line.size() > out.max_bytes) out.rotate();
  // A log that cannot be written (full disk) must not stop the daemon.
  if (::write(out.fd, line.data(), line.size()) > 0) out.size += line.size();
}

}  // namespace

void error(std::string_view message, Fields fields) {
  write(Level::error, "ERROR", message, fields);
}
void warn(std::string_view message, Fields fields) { write(Level::warn, "WARN", message, fields); }
void info(std::string_view message, Fields fields) { write(Level::info, "INFO", message, fields); }
void debug(std::string_view message, Fields fields) {
  write(Level::debug, "DEBUG", message, fields);
}
void trace(std::string_view message, Fields fields) {
  write(Level::trace, "TRACE", message, fields);
}

void hide(std::string_view secret) {
  constexpr size_t kLeast = 6, kMost = 256;
  if (secret.size() < kLeast) return;
  std::lock_guard lock(hidden().mu);
  std::vector<std::string>& values = hidden().values;
  for (const std::string& value : values)
    if (value == secret) return;
  // Those that were rotated long ago make room.
  if (values.size() == kMost) values.erase(values.begin());
  values.emplace_back(secret);
  hidden().has_any.store(true, std::memory_order_release);
}

void set_level(Level level) { g_level.store(level, std::memory_order_relaxed); }

Result<> open_file(const std::string& path, size_t max_bytes, int keep) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return Error{Errc::io, fmt::format("{}: cannot open log: {}", path, strerror(errno))};
  struct stat info{};
  ::fstat(fd, &info);
  Sink& out = sink();
  std::lock_guard lock(out.mu);
  if (!out.path.empty()) ::close(out.fd);
  out.fd = fd;
  out.path = path;
  out.size = static_cast<size_t>(info.st_size);
  out.max_bytes = max_bytes;
  out.keep = keep;
  return {};
}

}  // namespace hearth::log
