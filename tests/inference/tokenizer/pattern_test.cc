#include "tokenizer/pattern.h"

#include <gtest/gtest.h>

#include "tokenizer/pretokenizer.h"

namespace hearth::tokenizer {
namespace {

// Length of the match at the beginning of `text`.
size_t match(std::string_view pattern, std::string_view text) {
  const auto compiled = Pattern::compile(pattern);
  EXPECT_TRUE(compiled) << compiled.error().message;
  return compiled ? compiled->match(text, 0) : 0;
}

std::vector<std::string> split(std::string_view pre, std::string_view text) {
  const PretokenizerRow* row = find_pretokenizer(pre);
  if (!row) return {"no such row"};
  const auto pretokenizer = Pretokenizer::compile(*row);
  if (!pretokenizer) return {pretokenizer.error().message};
  std::vector<size_t> ends;
  pretokenizer->split(text, ends);
  std::vector<std::string> out;
  size_t begin = 0;
  for (const size_t end : ends) {
    out.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return out;
}

using Pieces = std::vector<std::string>;

TEST(Pattern, FirstAlternativeThatMatchesWins) {
  EXPECT_EQ(match("a|ab", "ab"), 1u);
  EXPECT_EQ(match("ab|a", "ab"), 2u);
  EXPECT_EQ(match("(?:a|ab)c", "abc"), 3u);
  EXPECT_EQ(match("x|y", "ab"), 0u);
}

TEST(Pattern, RepeatsAreGreedyAndGiveBack) {
  EXPECT_EQ(match("a*ab", "aaab"), 4u);
  EXPECT_EQ(match("a{2}", "aaa"), 2u);
  EXPECT_EQ(match("a{1,3}", "aaaa"), 3u);
  EXPECT_EQ(match("a{1,3}", "b"), 0u);
  EXPECT_EQ(match("[ab]*[bc]+", "abab"), 4u);
  EXPECT_EQ(match("[ab]*[bc]+", "baaa"), 1u);
}

TEST(Pattern, LooksOneCharacterAhead) {
  EXPECT_EQ(match(R"(\s+(?!\S))", "   x"), 2u);
  EXPECT_EQ(match(R"(\s+(?!\S))", "   "), 3u);
  EXPECT_EQ(match(R"(\s+(?!\S))", " x"), 0u);
  EXPECT_EQ(match(R"(\s*[\r\n]+|\s+)", "  \n \n x"), 5u);
}

TEST(Pattern, KnowsCategoriesAndSetDifference) {
  EXPECT_EQ(match(R"(\p{L}+)", "aé中1"), 6u);
  EXPECT_EQ(match(R"([^\s\p{L}]+)", "1.!a"), 3u);
  EXPECT_EQ(match(R"([\p{L}&&[^\p{Han}]]+)", "aé中"), 3u);
  EXPECT_EQ(match(R"([\p{Lu}]+)", "ABc"), 2u);
  EXPECT_EQ(match(R"(\p{L}+)", "\U0001D400\U00020000x"), 9u);  // outside the basic plane
}

TEST(Pattern, IgnoresCaseOnlyInItsGroup) {
  EXPECT_EQ(match("(?i:'ll)x", "'LLx"), 4u);
  EXPECT_EQ(match("(?i:'ll)x", "'LLX"), 0u);
}

TEST(Pattern, TakesBytesThatAreNotUtf8AsSymbolsOfOneByte) {
  EXPECT_EQ(match(R"([^\s\p{L}\p{N}]+)", "\xFF\xC3\x28"), 3u);
  EXPECT_EQ(match(R"([^a]+)", "\xE2\x82"), 2u);      // cut short
  EXPECT_EQ(match(R"([^a]+)", "\xED\xA0\x80"), 3u);  // a surrogate is three bad bytes
  EXPECT_EQ(match(R"(\p{L})", "\xC1\x81"), 0u);      // overlong
}

TEST(Pattern, RefusesWhatItCannotRun) {
  for (const std::string_view bad : {"(", "a)", "[a", R"(\p{Greek})", R"((?!\S)a)", "a{2"}) {
    const auto compiled = Pattern::compile(bad);
    ASSERT_FALSE(compiled) << bad;
    EXPECT_EQ(compiled.error().code, Errc::internal);
  }
}

TEST(Pretokenizers, EveryRowCompiles) {
  for (const PretokenizerRow& row : pretokenizer_rows()) {
    const auto compiled = Pretokenizer::compile(row);
    EXPECT_TRUE(compiled) << row.names << ": " << compiled.error().message;
  }
}

TEST(Pretokenizers, AreFoundByWholeNamesOnly) {
  EXPECT_NE(find_pretokenizer("llama-bpe"), nullptr);
  EXPECT_NE(find_pretokenizer("smollm"), nullptr);
  EXPECT_EQ(find_pretokenizer("llama"), nullptr);
  EXPECT_EQ(find_pretokenizer(""), nullptr);
  EXPECT_EQ(find_pretokenizer("llama-bpe llama3"), nullptr);
}

TEST(Pretokenizers, SplitAsPublished) {
  EXPECT_EQ(split("llama3", "I'VE  12345 x"), (Pieces{"I", "'VE", " ", " ", "123", "45", " x"}));
  EXPECT_EQ(split("qwen2", "a 12\n\n b"), (Pieces{"a", " ", "1", "2", "\n\n", " b"}));
  EXPECT_EQ(split("gpt-2", "\t\tx  y 12"), (Pieces{"\t", "\t", "x", " ", " y", " 12"}));
  EXPECT_EQ(split("smollm", "x 12"), (Pieces{"x", " ", "1", "2"}));
  EXPECT_EQ(split("gpt-4o", "HTMLParser's a/\n"), (Pieces{"HTMLParser's", " a", "/\n"}));
  EXPECT_EQ(split("tekken", "camelCase's"), (Pieces{"camel", "Case", "'s"}));
  EXPECT_EQ(split("kimi-k2", "中文abc你"), (Pieces{"中文", "abc", "你"}));
  EXPECT_EQ(split("deepseek-v3", "_foo 12345中文"), (Pieces{"_foo", " ", "123", "45", "中文"}));
  EXPECT_EQ(split("falcon", "a+=1234"), (Pieces{"a", "+=", "123", "4"}));
  EXPECT_EQ(split("gemma4", "a b\n\nc"), (Pieces{"a b", "\n\n", "c"}));
  EXPECT_EQ(split("seed-coder", "x;\n\n"), (Pieces{"x", ";", "\n\n"}));
}

TEST(Pretokenizers, GroupDigitsFromTheRight) {
  EXPECT_EQ(split("superbpe", "a12345678b"), (Pieces{"a", "12", "345", "678", "b"}));
  EXPECT_EQ(split("afmoe", "x 1234"), (Pieces{"x", " ", "1", "234"}));
  EXPECT_EQ(split("tiny_aya", "1234 5678x"), (Pieces{"1", "234", " ", "567", "8", "x"}));
  // Numerals that are letters, and circled letters, go on the word: no number ends before them.
  EXPECT_EQ(split("tiny_aya", "  1234〇"), (Pieces{" ", " ", "123", "4〇"}));
  EXPECT_EQ(split("tiny_aya", "  1234ⓠ"), (Pieces{" ", " ", "123", "4", "ⓠ"}));
  EXPECT_EQ(split("tiny_aya", "  1234½"), (Pieces{" ", " ", "123", "4½"}));
}

TEST(Pretokenizers, DeepseekKeepsTrailingSpaceApart) {
  EXPECT_EQ(split("deepseek-llm", "a中  "), (Pieces{"a", "中", "  "}));
}

}  // namespace
}  // namespace hearth::tokenizer
