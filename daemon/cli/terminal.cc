#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace hearth::cli {

namespace {

std::string_view escape(int fd, std::string_view sequence) {
  static const bool is_plain = std::getenv("NO_COLOR") != nullptr;
  return !is_plain && is_terminal(fd) ? sequence : std::string_view();
}

}  // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }
std::string_view dim(int fd) { return escape(fd, "\x1b[2m"); }
std::string_view bold(int fd) { return escape(fd, "\x1b[1m"); }
std::string_view red(int fd) { return escape(fd, "\x1b[31m"); }
std::string_view reset(int fd) { return escape(fd, "\x1b[0m"); }

int fail(const Error& error) {
  fmt::print(stderr, "{}hearth:{} {}\n", red(STDERR_FILENO), reset(STDERR_FILENO),
             printable(error.message));
  return error.code == Errc::cancelled ? kInterrupted : kFailed;
}

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (unsigned char c : text)
    if (c >= 0x20 ? c != 0x7f : c == '\n' || c == '\t') safe += static_cast<char>(c);
  return safe;
}

std::string size_text(uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace hearth::cli
