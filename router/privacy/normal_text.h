// Text reduced to what survives being carried around: its letters and digits, in lower case.
//
// White space, punctuation, indentation, quoting, the escapes of JSON, URLs, HTML and terminals at
// any depth fall away, so that an excerpt is found however a client dressed it. Line numbers and
// the "path:line:" of search tools are letters and digits too: a second reading leaves out what
// looks like them at the start of a line.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::router {

struct NormalText {
  std::string letters;        // ASCII letters and digits in lower case, other letters as UTF-8
  bool has_prefixes = false;  // some line begins like one of a numbered listing
  // Those that nobody writes twice by chance, joined by '_' and '-': of accounts, tokens, canaries.
  // In lower case without joiners.
  std::vector<std::string> distinctive_words;
};

enum class LineStarts : uint8_t { as_they_are, without_numbers };

NormalText normal_text(std::string_view text, LineStarts starts = LineStarts::as_they_are);

}  // namespace hearth::router
