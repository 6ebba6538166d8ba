#include "grammar/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grammar/grammar.h"

namespace hearth::grammar {
namespace {

using ::testing::HasSubstr;

// A text matches in the automaton for strings and in the grammar alike.
void expect(std::string_view pattern, std::vector<std::string> in, std::vector<std::string> out) {
  auto dfa = dfa_of_regex(pattern, Match::whole);
  auto grammar = Grammar::from_regex(pattern);
  ASSERT_TRUE(dfa) << pattern << dfa.error().message;
  ASSERT_TRUE(grammar) << pattern << grammar.error().message;
  for (const std::string& text : in) {
    EXPECT_TRUE(dfa->accepts(text)) << pattern << ": " << text;
    EXPECT_TRUE((*grammar)->matches(text)) << pattern << ": " << text;
  }
  for (const std::string& text : out) {
    EXPECT_FALSE(dfa->accepts(text)) << pattern << ": " << text;
    EXPECT_FALSE((*grammar)->matches(text)) << pattern << ": " << text;
  }
}

std::string error_of(std::string_view pattern) {
  auto made = Grammar::from_regex(pattern);
  return made ? "accepted" : made.error().message;
}

TEST(Regex, MatchesWhatTheWholePatternMatches) {
  expect("(ab|cd)+x?", {"ab", "abcdx", "cdcd"}, {"", "a", "abx d"});
  expect("[a-c\\d_-]{2,4}", {"a1", "b_-9"}, {"a", "abcda", "a.b"});
  expect("^\\w+@\\w+\\.[a-z]{2,}$", {"a@b.cd"}, {"a@b", "@b.cd"});
  expect("\\p{Lu}\\p{Ll}*", {"Ärger", "X"}, {"ärger", ""});
  expect("[^\\s\"]*", {"", "abc", "é"}, {"a b", "\""});
  expect("a{0}b{2}(c{10}|d{12,})", {"bbcccccccccc", "bbdddddddddddd"}, {"bbc", "abb"});
  expect("(?:a|(?<name>b))*?c", {"c", "abac"}, {"ab"});
  expect("\\u{1F600}|\\uD83D\\uDE01|\\x41", {"😀", "😁", "A"}, {"a"});
}

TEST(Regex, WhatIsNotRegularIsRefusedByName) {
  EXPECT_THAT(error_of("(?=a)b"), HasSubstr("look-around"));
  EXPECT_THAT(error_of("(a)\\1"), HasSubstr("back references"));
  EXPECT_THAT(error_of("\\bword\\b"), HasSubstr("word boundaries"));
  EXPECT_THAT(error_of("(?i)a"), HasSubstr("flags"));
  EXPECT_THAT(error_of("a(^b|c$)"), HasSubstr("at the ends of the pattern only"));
}

TEST(Regex, MistakesAreNamedWithTheirPlace) {
  EXPECT_THAT(error_of("^+a$"), HasSubstr("nothing to repeat at character 2"));
  EXPECT_THAT(error_of("a**"), HasSubstr("nothing to repeat"));
  EXPECT_THAT(error_of("(a"), HasSubstr("without its ')'"));
  EXPECT_THAT(error_of("a)"), HasSubstr("without its '('"));
  EXPECT_THAT(error_of("[a"), HasSubstr("without its ']'"));
  EXPECT_THAT(error_of("[z-a]"), HasSubstr("range"));
  EXPECT_THAT(error_of("a{3,2}"), HasSubstr("end is below"));
  EXPECT_THAT(error_of(std::string(10'000, '(')), HasSubstr("nested deeper"));
}

TEST(Regex, AutomataThatExplodeAreRefused) {
  auto dfa = dfa_of_regex("(a|b)*a(a|b){30}", Match::whole);
  ASSERT_FALSE(dfa);
  EXPECT_EQ(dfa.error().code, Errc::unsupported);
  EXPECT_FALSE(dfa_of_regex("((((a{100}){100}){100}){100}){100}", Match::whole));
}

}  // namespace
}  // namespace hearth::grammar
