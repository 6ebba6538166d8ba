#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grammar/grammar.h"

namespace hearth::grammar {
namespace {

using ::testing::HasSubstr;

void expect(std::string_view grammar, std::vector<std::string> in, std::vector<std::string> out) {
  auto made = Grammar::from_gbnf(grammar);
  ASSERT_TRUE(made) << made.error().message;
  for (const std::string& text : in) EXPECT_TRUE((*made)->matches(text)) << grammar << ": " << text;
  for (const std::string& text : out)
    EXPECT_FALSE((*made)->matches(text)) << grammar << ": " << text;
}

std::string error_of(std::string_view grammar) {
  auto made = Grammar::from_gbnf(grammar);
  return made ? "accepted" : made.error().message;
}

TEST(Gbnf, LiteralsClassesGroupsAndRepetitionsMeanWhatLlamaCppSays) {
  expect("root ::= \"a\" [0-9]+ (\"x\" | \"y\")?", {"a1", "a12x", "a0y"}, {"a", "ax", "a1z", ""});
  expect("root ::= item{2,3}\nitem ::= [^a-z\\n]", {"AB", "A B"}, {"A", "ABCD", "aB", "A\n"});
  expect("root ::= .{3}", {"abc", "äöü", "日本語"}, {"ab", "abcd"});
  expect("root ::= \"\\x41\\u00e9\\U0001F600\\n\\\"\\\\\"", {"Aé😀\n\"\\"}, {"A"});
}

TEST(Gbnf, RulesGoOnOverLinesInGroupsAndBehindBars) {
  expect("# a comment\nroot ::= (\n  \"a\"\n  \"b\" ) |\n  other\nother ::= \"c\"\n  | \"d\"\n",
         {"ab", "c", "d"}, {"a", "b"});
}

TEST(Gbnf, RulesMayRecurseToTheRightAndInTheMiddle) {
  expect("root ::= \"(\" root \")\" | \"x\"", {"x", "((x))"}, {"(x", "x)"});
  expect("root ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= [0-9] | \"(\" expr \")\"",
         {"1", "1+2", "(1+(2+3))+4"}, {"1+", "()", "(1"});
}

TEST(Gbnf, MistakesAreNamedWithTheirLine) {
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
  EXPECT_THAT(error_of("start ::= \"a\""), HasSubstr("no rule \"root\""));
  EXPECT_THAT(error_of("root ::= other"), HasSubstr("\"other\" is not defined"));
  EXPECT_THAT(error_of("root ::= \"a\"\nroot ::= \"b\""), HasSubstr("defined twice"));
  EXPECT_THAT(error_of("root ::= \"a\"\n+"), HasSubstr("line 2"));
  EXPECT_THAT(error_of("root ::= \"a"), HasSubstr("without its end"));
  EXPECT_THAT(error_of("root ::= root \"a\" | \"b\""), HasSubstr("left-recursive"));
  EXPECT_THAT(error_of("root ::= e root | \"b\"\ne ::= \"a\"?"), HasSubstr("left-recursive"));
  EXPECT_THAT(error_of("root ::= \"a\" root"), HasSubstr("no text fulfils"));
}

TEST(Gbnf, HostileGrammarsAreRefusedBeforeTheyCost) {
  std::string groups = "root ::= ";
  for (int i = 0; i < 60'000; ++i) groups += '(';
  EXPECT_THAT(error_of(groups), HasSubstr("nested deeper"));
  EXPECT_THAT(error_of("root ::= (([a-z]{1000}){1000}){1000} (([a-z]*){1000}){1000}"),
              HasSubstr("more than"));
  EXPECT_THAT(error_of("root ::= \"a\"{4000000000}"), HasSubstr("more than"));
  EXPECT_THAT(error_of(std::string(2 << 20, 'a')), HasSubstr("bytes"));
  EXPECT_THAT(error_of("root ::= \"\xff\xfe\""), HasSubstr("UTF-8"));
}

TEST(Gbnf, AmbiguityThatExplodesEndsTheTextNotTheProgram) {
  auto made = Grammar::from_gbnf("root ::= a a a a a a a a\na ::= (\"x\" a) | (\"x\" a a) | \"x\"");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE((*made)->matches("xxxxxxxx"));
  (void)(*made)->matches(std::string(200, 'x'));  // whatever it says, it says it soon
}

}  // namespace
}  // namespace hearth::grammar
