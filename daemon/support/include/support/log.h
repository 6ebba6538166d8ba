// Structured log. Levels by audience: error, a user should act; info, the story of a session;
// debug, for us; trace, firehose (off). Never prompts, file contents or keys at info or above.
//
//   log::info("turn done", {{"session", id}, {"ms", ms}});
//
// Thread-safe. Control characters in values are escaped, so that one call is one line.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "support/result.h"

namespace hearth::log {

enum class Level { error, warn, info, debug, trace };

struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view name, std::string_view text) : key(name), value(text) {}
  Field(std::string_view name, const char* text) : key(name), value(text) {}
  Field(std::string_view name, const std::string& text) : key(name), value(text) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view name, T number) : key(name), value(fmt::to_string(number)) {}
};

using Fields = std::initializer_list<Field>;

void error(std::string_view message, Fields fields = {});
void warn(std::string_view message, Fields fields = {});
void info(std::string_view message, Fields fields = {});
void debug(std::string_view message, Fields fields = {});
void trace(std::string_view message, Fields fields = {});

void set_level(Level level);

// A key, a token: from now on it stands in no line, at any level; "[key]" does. What is shorter
// than six characters is no key.
void hide(std::string_view secret);

// Until this is called, lines go to stderr. The file is rotated at max_bytes to path.1 ...
// path.keep.
Result<> open_file(const std::string& path, size_t max_bytes = 8u << 20, int keep = 3);

}  // namespace hearth::log
