#include "tokenizer/merge.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace hearth::tokenizer {
namespace {

// What a pair of tokens becomes; missing pairs do not merge.
using Rules = std::map<std::pair<Token, Token>, Merge>;

Merge rule_for(const Rules& rules, Token left, Token right) {
  const auto it = rules.find({left, right});
  return it == rules.end() ? Merge{kNeverMerges, -1} : it->second;
}

// The definition, word by word: the best pair, the leftmost of equals, until none is left.
std::vector<Token> merge_plainly(const Rules& rules, std::vector<Token> row) {
  for (;;) {
    size_t best = 0;
    Merge best_merge{kNeverMerges, -1};
    for (size_t i = 0; i + 1 < row.size(); ++i) {
      const Merge merge = rule_for(rules, row[i], row[i + 1]);
      if (merge.priority < best_merge.priority) best = i, best_merge = merge;
    }
    if (best_merge.priority == kNeverMerges) return row;
    row[best] = best_merge.token;
    row.erase(row.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

std::vector<Token> merge_by_loop(MergeLoop& loop, const Rules& rules,
                                 const std::vector<Token>& row) {
  loop.symbols.clear();
  for (size_t i = 0; i < row.size(); ++i)
    loop.symbols.push_back({static_cast<uint32_t>(i), 1, row[i]});
  loop.run([&](const Symbol& left, const Symbol& right) {
    return rule_for(rules, left.token, right.token);
  });
  std::vector<Token> out;
  uint32_t at = 0;
  for (const Symbol& symbol : loop.symbols) {
    EXPECT_EQ(symbol.begin, at);  // no gap, no overlap
    at += symbol.size;
    out.push_back(symbol.token);
  }
  EXPECT_EQ(at, row.size());
  return out;
}

// Random rules, with equal priorities and new pairs that rank before the pair that made them.
TEST(MergeLoop, AgreesWithTheDefinitionOnRowsOfAnyLength) {
  std::mt19937 engine(1);
  const auto random = [&] { return static_cast<uint32_t>(engine()); };
  MergeLoop loop;
  for (int round = 0; round < 400; ++round) {
    const uint32_t n_letters = 1 + random() % 4, n_tokens = n_letters + random() % 40;
    const uint32_t n_priorities = 1 + random() % 50;
    Rules rules;
    for (uint32_t i = 0; i < 3 * n_tokens; ++i) {
      const auto any = [&] { return static_cast<Token>(random() % n_tokens); };
      rules[{any(), any()}] = {random() % n_priorities, any()};
    }
    std::vector<Token> row(random() % 400);
    for (Token& token : row) token = static_cast<Token>(random() % n_letters);
    ASSERT_EQ(merge_by_loop(loop, rules, row), merge_plainly(rules, row)) << "round " << round;
  }
}

TEST(MergeLoop, LeavesUnknownSymbolsAlone) {
  MergeLoop loop;
  EXPECT_EQ(merge_by_loop(loop, {{{1, 2}, {0, 3}}}, {-1, 1, 2, -1}),
            (std::vector<Token>{-1, 3, -1}));
  EXPECT_EQ(merge_by_loop(loop, {}, {}), std::vector<Token>{});
}

}  // namespace
}  // namespace hearth::tokenizer
