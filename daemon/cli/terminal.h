// What the command line writes: colours only on a terminal, errors on stderr, one exit status.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/result.h"

namespace hearth::cli {

// Exit statuses: 0 good, 1 failed, 2 wrong usage, 130 interrupted.
inline constexpr int kFailed = 1, kUsage = 2, kInterrupted = 130;

bool is_terminal(int fd);
// Escape sequences when stdout (or stderr) is a terminal and NO_COLOR is unset, else "".
std::string_view dim(int fd);
std::string_view bold(int fd);
std::string_view red(int fd);
std::string_view reset(int fd);

// Prints "hearth: message" on stderr; returns the exit status.
int fail(const Error& error);

// Removes what a model's or a file's text could do to a terminal: escape sequences and controls
// other than newline and tab.
std::string printable(std::string_view text);

std::string size_text(uint64_t bytes);  // "93.8 MiB"

// All of standard input.
std::string read_stdin();
// The daemon takes UTF-8 alone: Errc::invalid names the line that is none. `what` is what the text
// is called, "the prompt".
Result<> check_text(std::string_view what, std::string_view text);
// At most so many bytes from the start, without half a character at the end.
std::string_view beginning(std::string_view text, size_t max_bytes);

}  // namespace hearth::cli
