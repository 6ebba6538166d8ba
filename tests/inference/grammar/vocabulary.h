// A made-up vocabulary that has what real ones have: single bytes, words, JSON's fragments, control
// tokens, pieces of UTF-8 and tokens of several lines.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace hearth::testing {

inline std::shared_ptr<const grammar::Vocabulary> made_up_vocabulary(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::string> tokens = {"", std::string(1, grammar::kControlMark) + "<tool_call>",
                                     std::string(1, grammar::kControlMark) + "</tool_call>"};
  for (int byte = 0; byte < 255; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  const std::string_view fragments[] = {
      "\"",           "\":",    "\": ",       "\": \"", "\",", "\", \"", "{\"",  "\"}",
      "},",           "]}",     "[\"",        "\"]",    "[]",  "{}",     "\\\"", "\\n",
      "\\u00",        "true",   "false",      "null",   " \"", ", ",     ",\n",  "\n\n",
      "<tool",        "_call>", "<function=", "</",     "é",   "日本",   "😀",   "\xF0\x9F",
      "\x98\x80",     "1.",     "00",         "12",     "-1",  "e+",     "name", "arguments",
      "\"name\": \"", "    ",   "```json\n"};
  for (std::string_view fragment : fragments) tokens.emplace_back(fragment);
  const std::string_view letters = "etaoinshrdlucmfwypvbgkjqxzETAOIN0123456789_";
  while (tokens.size() < n) {
    std::string word = random() % 2 ? " " : "";
    const size_t length = 1 + random() % 9;
    for (size_t i = 0; i < length; ++i)
      word += letters[std::min<size_t>(random() % letters.size(), random() % letters.size())];
    if (random() % 12 == 0) word += fragments[random() % std::size(fragments)];
    if (random() % 16 == 0) word = std::string(fragments[random() % std::size(fragments)]) + word;
    if (random() % 8 == 0) word += "ü";
    tokens.push_back(std::move(word));
  }
  return std::make_shared<const grammar::Vocabulary>(std::move(tokens), std::vector<Token>{0});
}

}  // namespace hearth::testing
