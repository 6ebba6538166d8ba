// Code points as Python's str sees them: classes, case mapping, UTF-8 in and out.
// All text inside the interpreter is valid UTF-8 (checked where it enters).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::jinja::unicode {

enum Flags : uint32_t {
  alpha = 1,
  decimal = 2,
  digit = 4,
  numeric = 8,
  space = 16,
  printable = 32,
  lower = 64,
  upper = 128,
  title = 256,
  cased = 512,
  case_ignorable = 1024,
};
uint32_t flags_of(char32_t code);
inline bool is(char32_t code, uint32_t any_of) { return (flags_of(code) & any_of) != 0; }

enum class Case { upper, lower, title, fold };
// Full mapping: one code point may become three.
void append_mapped(std::string& out, char32_t code, Case to);

bool is_valid_utf8(std::string_view text);
void append(std::string& out, char32_t code);

// The code point at `at` (a boundary) and, in `at`, the boundary after it.
char32_t decode(std::string_view text, size_t& at);
char32_t decode_before(std::string_view text, size_t& at);  // the one that ends at `at`

size_t count(std::string_view text);
// Byte offset of code point number `index`, which is at most count(text).
size_t offset_of(std::string_view text, size_t index);

}  // namespace hearth::jinja::unicode
