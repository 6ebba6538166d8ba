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

}  // namespace hearth::cli
