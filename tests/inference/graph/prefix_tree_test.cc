#include "cache/prefix_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint32_t kPage = kPageTokens;

class PrefixTreeTest : public ::testing::Test {
 protected:
  KvCache kv = *KvCache::create({.layers = {{1, 32, 32}}, .element = KvElement::f32}, 6);
  PrefixTree prefixes{kv};

  // So many pages of tokens that all count up from `first`.
  static std::vector<Token> tokens(std::initializer_list<Token> firsts, size_t extra = 0) {
    std::vector<Token> out;
    for (Token first : firsts)
      for (uint32_t i = 0; i < kPage; ++i) out.push_back(first + static_cast<Token>(i));
    out.resize(out.size() + extra, 7);
    return out;
  }
  std::vector<PageIndex> take(size_t n) {
    std::vector<PageIndex> pages;
    while (n--) pages.push_back(*prefixes.acquire());
    return pages;
  }
  void give_back(const std::vector<PageIndex>& pages) {
    for (PageIndex page : pages) kv.release(page);
  }
  // Computed, remembered and no longer used by any sequence.
  std::vector<PageIndex> remember(const std::vector<Token>& text) {
    std::vector<PageIndex> pages = take((text.size() + kPage - 1) / kPage);
    prefixes.insert(text, pages);
    give_back(pages);
    return pages;
  }
};

TEST_F(PrefixTreeTest, FindsTheLongestSharedBeginning) {
  auto pages = remember(tokens({100, 200, 300}));
  auto found = prefixes.find(tokens({100, 200, 900}));
  EXPECT_THAT(found, ElementsAre(pages[0], pages[1]));
  give_back(found);
  EXPECT_THAT(prefixes.find(tokens({900, 200})), IsEmpty());
}

TEST_F(PrefixTreeTest, KeepsWholePagesOnly) {
  auto pages = remember(tokens({100}, kPage - 1));
  EXPECT_EQ(kv.n_free(), 5u);
  auto found = prefixes.find(tokens({100}, kPage - 1));
  EXPECT_THAT(found, ElementsAre(pages[0]));
  give_back(found);
  const auto page = tokens({100});
  EXPECT_THAT(prefixes.find(std::span(page).first(kPage - 1)), IsEmpty());
}

TEST_F(PrefixTreeTest, OneDifferentTokenIsAnotherPrefix) {
  remember(tokens({100, 200}));
  for (size_t at : {size_t{0}, size_t{kPage - 1}}) {
    auto other = tokens({100, 200});
    other[at] = -1;
    EXPECT_THAT(prefixes.find(other), IsEmpty()) << at;
  }
}

TEST_F(PrefixTreeTest, SharesBeginningsBetweenEntries) {
  remember(tokens({100, 200}));
  remember(tokens({100, 300}));
  EXPECT_EQ(prefixes.n_pages(), 3u);
  EXPECT_EQ(kv.n_free(), 3u);
}

TEST_F(PrefixTreeTest, ForgetsWhatWasUsedLongestAgo) {
  remember(tokens({100, 200}));
  remember(tokens({300, 400}));
  give_back(prefixes.find(tokens({100, 200})));
  auto all = take(4);  // two were free: 400 and 300 go
  auto kept = prefixes.find(tokens({100, 200}));
  EXPECT_EQ(kept.size(), 2u);
  EXPECT_THAT(prefixes.find(tokens({300})), IsEmpty());
  give_back(kept);
  give_back(all);
}

TEST_F(PrefixTreeTest, ForgetsEndsBeforeBeginnings) {
  remember(tokens({100, 200, 300}));
  auto all = take(4);
  EXPECT_EQ(prefixes.n_pages(), 2u);
  auto found = prefixes.find(tokens({100, 200, 300}));
  EXPECT_EQ(found.size(), 2u);
  give_back(found);
  give_back(all);
}

// Forgetting what a sequence holds would free nothing, and the prefix would be lost for those who
// come after.
TEST_F(PrefixTreeTest, PagesInUseAreNotForgotten) {
  remember(tokens({100, 200}));
  remember(tokens({300}));
  auto held = prefixes.find(tokens({100, 200}));
  auto rest = take(4);  // three were free: 300 goes, though it was used later
  EXPECT_EQ(prefixes.acquire(), std::nullopt);
  EXPECT_EQ(prefixes.n_pages(), 2u);
  for (PageIndex page : held) EXPECT_THAT(rest, ::testing::Not(::testing::Contains(page)));
  give_back(held);
  EXPECT_EQ(take(2).size(), 2u) << "no longer held: free to go";
}

// Two sequences computed the same beginning at the same time: the tree keeps the first one's page,
// and below it a page of the second.
TEST_F(PrefixTreeTest, APageAboveOneInUseIsNotForgotten) {
  auto first = take(1), second = take(2);
  prefixes.insert(tokens({100}), first);
  prefixes.insert(tokens({100, 200}), second);
  give_back(first);
  auto rest = take(3);
  EXPECT_EQ(prefixes.acquire(), std::nullopt);
  auto found = prefixes.find(tokens({100, 200}));
  EXPECT_THAT(found, ElementsAre(first[0], second[1]));
}

TEST_F(PrefixTreeTest, ReturnsEveryPageInTheEnd) {
  {
    PrefixTree short_lived(kv);
    auto pages = take(3);
    short_lived.insert(tokens({1, 2, 3}), pages);
    give_back(pages);
    EXPECT_EQ(kv.n_free(), 3u);
  }
  EXPECT_EQ(kv.n_free(), 6u);
}

}  // namespace
}  // namespace hearth
