// Recurrent layers: their state lives in the cache's pages, so that prefixes can be shared and a
// pass can be computed again.
#include "graph/blocks/state.h"

#include <gtest/gtest.h>

#include "cache/prefix_tree.h"
#include "inference/graph/golden.h"
#include "inference/graph/model_runner.h"

namespace hearth {
namespace {

using testing::ModelRunner;

class Recurrent : public ::testing::TestWithParam<const char*> {
 protected:
  static constexpr size_t kTokens = 3 * kPageTokens + 20;

  // Logits of the rows [first, end) of the tokens, in one batch.
  Result<std::vector<float>> run(const std::vector<PageIndex>& pages, size_t first, size_t end) {
    std::vector<BatchRow> rows;
    for (size_t i = first; i < end; ++i)
      rows.push_back({tokens_[i], static_cast<uint32_t>(i), 0, true});
    std::vector<float> logits;
    const std::vector<std::vector<PageIndex>> tables{pages};
    if (auto done = runner_.model().forward({rows, tables}, runner_.cache(), logits); !done)
      return done.error();
    return logits;
  }

  std::vector<PageIndex> new_pages(size_t n) {
    std::vector<PageIndex> pages;
    while (pages.size() < n) {
      pages.push_back(*runner_.cache().acquire());
      EXPECT_TRUE(runner_.cache().hold_window(pages.back()));
    }
    return pages;
  }

  const testing::Golden golden_ = testing::golden(GetParam());
  const std::vector<Token> tokens_ = testing::some_tokens(kTokens, 300);
  ModelRunner runner_{golden_.file, {.n_pages = 16}};
};

TEST_P(Recurrent, ASharedPrefixGoesOnFromItsSnapshot) {
  PrefixTree tree(runner_.cache());
  const std::vector<PageIndex> pages = new_pages(4);
  const auto whole = run(pages, 0, kTokens);
  ASSERT_TRUE(whole) << whole.error().message;
  tree.insert(tokens_, pages);

  Prefix prefix = tree.find(std::span(tokens_).first(kTokens - 1));
  ASSERT_EQ(prefix.pages.size(), 3u);
  for (const PageIndex page : new_pages(1)) prefix.pages.push_back(page);
  const auto rest = run(prefix.pages, 3 * kPageTokens, kTokens);
  ASSERT_TRUE(rest) << rest.error().message;
  const size_t n_vocab = runner_.model().plan().n_vocab;
  EXPECT_TRUE(std::ranges::equal(*rest, std::span(*whole).subspan(3 * kPageTokens * n_vocab)));
}

// What ended within a page goes on in a copy of it, from its last token.
TEST_P(Recurrent, AnEndWithinAPageGoesOnFromThere) {
  PrefixTree tree(runner_.cache());
  constexpr size_t kEnd = kTokens - 7;
  const auto whole = run(new_pages(4), 0, kTokens);
  ASSERT_TRUE(whole) << whole.error().message;
  const std::vector<PageIndex> pages = new_pages(4);
  ASSERT_TRUE(run(pages, 0, kEnd - 1));
  ASSERT_TRUE(run(pages, kEnd - 1, kEnd)) << "as an answer's last token";
  tree.insert(std::span(tokens_).first(kEnd), pages);

  Prefix prefix = tree.find(tokens_);
  ASSERT_EQ(prefix.n_tokens, kEnd);
  ASSERT_EQ(prefix.first_window, 3u);
  const size_t n_vocab = runner_.model().plan().n_vocab;
  for (int turn = 0; turn < 2; ++turn) {  // what is copied stays as it was
    const PageIndex own = new_pages(1).front();
    runner_.cache().copy(pages.back(), own);
    prefix.pages.back() = own;
    const auto rest = run(prefix.pages, kEnd, kTokens);
    ASSERT_TRUE(rest) << rest.error().message;
    EXPECT_TRUE(std::ranges::equal(*rest, std::span(*whole).subspan(kEnd * n_vocab)));
  }
}

// Snapshots are kept where something ended, not at every page: a prompt that leaves the known one
// in the middle starts over.
TEST_P(Recurrent, NothingIsReusedBeyondASnapshot) {
  PrefixTree tree(runner_.cache());
  const std::vector<PageIndex> pages = new_pages(4);
  ASSERT_TRUE(run(pages, 0, kTokens));
  tree.insert(tokens_, pages);
  const auto beginning = std::span(tokens_).first(kPageTokens + 5);
  EXPECT_EQ(tree.find(beginning).pages.size(), 0u);
}

TEST_P(Recurrent, ComputingAgainGivesTheSame) {
  const std::vector<PageIndex> pages = new_pages(4);
  ASSERT_TRUE(run(pages, 0, 50));
  const auto once = run(pages, 50, 150), again = run(pages, 50, 150);
  ASSERT_TRUE(once && again);
  EXPECT_TRUE(*once == *again);
}

// Pages come back with what another sequence left in them.
TEST_P(Recurrent, AnotherSequencesStateIsNotTaken) {
  const std::vector<PageIndex> pages = new_pages(2);
  ASSERT_TRUE(run(pages, 0, 100));
  EXPECT_EQ(run(pages, 90, 110).error().code, Errc::invalid) << "the state after 90 is gone";
  const std::vector<PageIndex> fresh = new_pages(2);
  EXPECT_EQ(run(fresh, 70, 80).error().code, Errc::invalid);
  const auto first = run(pages, 0, 100), other = run(fresh, 0, 100);
  ASSERT_TRUE(first && other);
  EXPECT_TRUE(*first == *other) << "position 0 starts from nothing";
}

TEST_P(Recurrent, RowsOfASequenceMustFollowEachOther) {
  const std::vector<PageIndex> pages = new_pages(1);
  const std::vector<BatchRow> rows{{5, 0, 0, true}, {6, 2, 0, true}};
  std::vector<float> logits;
  const std::vector<std::vector<PageIndex>> tables{pages};
  const auto done = runner_.model().forward({rows, tables}, runner_.cache(), logits);
  EXPECT_EQ(done.error().code, Errc::invalid);
}

INSTANTIATE_TEST_SUITE_P(Families, Recurrent, ::testing::Values("lfm2", "qwen35", "qwen3next"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace hearth
