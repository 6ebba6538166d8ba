#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "inference/grammar/vocabulary.h"

namespace hearth::grammar {
namespace {

using hearth::testing::made_up_vocabulary;

std::shared_ptr<const Grammar> made(Result<std::shared_ptr<const Grammar>> grammar) {
  EXPECT_TRUE(grammar) << grammar.error().message;
  return *grammar;
}

bool has(const Mask& mask, Token token) { return mask[token / 64] >> (token % 64) & 1; }

// A random walk through the grammar; at each step the mask is compared with trying every token.
void expect_exact(std::shared_ptr<const Grammar> grammar, size_t n_steps, uint32_t seed) {
  const auto vocabulary = made_up_vocabulary(3000, seed);
  const auto constraint = std::make_shared<Constraint>(std::move(grammar), vocabulary);
  std::mt19937 random(seed);
  Matcher matcher(constraint);
  for (size_t step = 0; step < n_steps; ++step) {
    const Mask mask = matcher.mask();
    std::vector<Token> allowed;
    Matcher probe = matcher;
    for (Token token = 0; token < static_cast<Token>(vocabulary->size()); ++token) {
      const bool fits = probe.accept(token);
      if (fits) probe.rollback(1);
      ASSERT_EQ(has(mask, token), fits)
          << "step " << step << ", token \"" << vocabulary->bytes(token) << '"';
      if (fits) allowed.push_back(token);
    }
    ASSERT_FALSE(allowed.empty()) << "a dead end at step " << step;
    // The longest of a few, so that the walk sees more than single bytes.
    Token chosen = allowed[random() % allowed.size()];
    for (int i = 0; i < 3; ++i) {
      const Token other = allowed[random() % allowed.size()];
      if (vocabulary->bytes(other).size() > vocabulary->bytes(chosen).size()) chosen = other;
    }
    if (vocabulary->is_end(chosen)) {
      matcher = Matcher(constraint);
      continue;
    }
    ASSERT_TRUE(matcher.accept(chosen));
  }
}

TEST(Mask, AllowsExactlyTheTokensThatTheAutomatonAccepts) {
  const std::string_view schemas[] = {
      R"({"type":"object","properties":{"path":{"type":"string"},"old":{"type":"string","maxLength":12},
          "n":{"type":"integer","minimum":-5,"maximum":1234},"tags":{"type":"array","items":{"enum":["a","ab","é"]}}},
          "required":["path","n"],"additionalProperties":{"type":"boolean"}})",
      R"({})",
      R"({"type":"array","items":{"type":"string","pattern":"^[a-e ]*<tool_call>$"},"minItems":9,"maxItems":40})",
      R"({"type":"string","minLength":20,"maxLength":60})",
      R"({"anyOf":[{"type":"number"},{"type":"object","patternProperties":{"^t":{"type":"null"}}}]})",
  };
  uint32_t seed = 1;
  for (std::string_view schema : schemas)
    expect_exact(made(Grammar::from_json_schema(schema)), 60, seed++);
  expect_exact(made(Grammar::from_gbnf("root ::= line{2,} \"END\"\nline ::= [^\\n]* \"\\n\"")), 60,
               11);
  expect_exact(made(Grammar::from_regex("([a-z]+(, |\\n))*[A-Z]{3,}")), 60, 12);
}

TEST(Mask, StaysExactWhereTheStackIsFull) {
  const auto constraint = std::make_shared<Constraint>(
      made(Grammar::from_gbnf("root ::= \"[\" root? \"]\" \"x\"?")), made_up_vocabulary(600, 3));
  Matcher matcher(constraint);
  const Token open = '[' + 3;
  while (matcher.accept(open)) {
  }
  EXPECT_EQ(matcher.mask(), [&] {
    Mask slow((600 + 63) / 64);
    Matcher probe = matcher;
    for (Token t = 0; t < 600; ++t)
      if (probe.accept(t)) {
        slow[t / 64] |= uint64_t{1} << (t % 64);
        probe.rollback(1);
      }
    return slow;
  }());
}

TEST(Mask, RollbackAndForksGoBackToTheSamePlace) {
  const auto constraint = std::make_shared<Constraint>(
      made(Grammar::from_json_schema(R"({"enum":["abc","abd"]})")), made_up_vocabulary(600, 5));
  const auto id = [](char c) { return static_cast<Token>(c + 3); };
  Matcher matcher(constraint);
  const Mask at_start = matcher.mask();
  for (char c : std::string_view("\"ab")) ASSERT_TRUE(matcher.accept(id(c)));
  EXPECT_FALSE(matcher.accept(id('x')));
  Matcher fork = matcher;
  ASSERT_TRUE(fork.accept(id('c')));
  ASSERT_TRUE(fork.accept(id('"')));
  EXPECT_TRUE(fork.is_complete());
  ASSERT_TRUE(fork.accept(0)) << "the end token";
  ASSERT_TRUE(matcher.accept(id('d'))) << "the fork left it where it was";
  matcher.rollback(4);
  EXPECT_EQ(matcher.mask(), at_start);
}

TEST(Mask, LogitsOfAllOthersAreExcluded) {
  const auto vocabulary = std::make_shared<const Vocabulary>(
      std::vector<std::string>{"", "a", "b", "ab", "abc", "ba"}, std::vector<Token>{0});
  Matcher matcher(std::make_shared<Constraint>(made(Grammar::from_regex("ab?")), vocabulary));
  constexpr float kOut = -std::numeric_limits<float>::infinity();
  std::vector<float> logits(70, 1.f);  // rows are padded
  ASSERT_TRUE(matcher.apply(logits));
  std::vector<float> expected(70, kOut);
  expected[1] = expected[3] = 1.f;
  EXPECT_EQ(logits, expected);
  ASSERT_TRUE(matcher.accept(1));
  logits.assign(70, 1.f);
  ASSERT_TRUE(matcher.apply(logits));
  expected.assign(70, kOut);
  expected[0] = expected[2] = 1.f;  // the end, or a "b"
  EXPECT_EQ(logits, expected);
}

TEST(Mask, AVocabularyThatCannotSpellItLeavesNothing) {
  const auto vocabulary = std::make_shared<const Vocabulary>(std::vector<std::string>{"", "b", "c"},
                                                             std::vector<Token>{0});
  Matcher matcher(std::make_shared<Constraint>(made(Grammar::from_regex("a")), vocabulary));
  std::vector<float> logits(3, 0.f);
  EXPECT_FALSE(matcher.apply(logits));
}

}  // namespace
}  // namespace hearth::grammar
