// What Python's str methods do, on Text: every result keeps the marks of the bytes it took.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "chat/jinja/text.h"
#include "chat/jinja/unicode.h"

namespace hearth::jinja {

enum class Side { left, right, both };

// Without `characters`, white space.
Text strip(const Text& text, Side side, const std::string* characters = nullptr);
// count < 0: all.
Text replace(const Text& text, const std::string& from, const Text& to, int64_t count = -1);
// Without a separator, at runs of white space. limit < 0: none.
std::vector<Text> split(const Text& text, const std::string* separator, int64_t limit = -1);
std::vector<Text> split_from_right(const Text& text, const std::string* separator, int64_t limit);
std::vector<Text> split_lines(const Text& text, bool keep_ends = false);
size_t count_words(std::string_view text);  // parts of split() without a separator
size_t count_lines(std::string_view text);  // parts of split_lines()

Text change_case(const Text& text, unicode::Case to);
Text capitalize(const Text& text);
Text title_case(const Text& text);
Text swap_case(const Text& text);
Text expand_tabs(const Text& text, int64_t tab_size);

// Python's is...(): all code points have one of the flags, and there is at least one.
bool all_are(std::string_view text, uint32_t flags);
// islower(), isupper(): some cased code point, and none of another case.
bool is_in_case(std::string_view text, unicode::Flags which);
bool is_title(std::string_view text);
bool is_identifier(std::string_view text);

}  // namespace hearth::jinja
