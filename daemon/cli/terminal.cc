#include "cli/terminal.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
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
  const std::string line = fmt::format("{}hearth:{} {}\n", red(STDERR_FILENO), reset(STDERR_FILENO),
                                       printable(error.message));
  std::fputs(line.c_str(), stderr);  // fmt::print() would throw where it cannot be written
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

std::string read_stdin() {
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) text.append(buffer, n);
  return text;
}

Result<> check_text(std::string_view what, std::string_view text) {
  size_t n_line = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    ++n_line;
    if (!simdjson::validate_utf8(line))
      return Error{Errc::invalid,
                   fmt::format("{}, line {}: not UTF-8, which is what a model is asked in; convert "
                               "it first, for example with `iconv -f latin1`",
                               what, n_line)};
  }
  return {};
}

std::string_view beginning(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  auto is_within_character = [&](size_t at) { return (text[at] & 0xc0) == 0x80; };
  while (max_bytes > 0 && is_within_character(max_bytes)) --max_bytes;
  return text.substr(0, max_bytes);
}

}  // namespace hearth::cli
