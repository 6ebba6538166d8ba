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
  auto found = prefixes.find(tokens({100, 200, 900})).pages;
  EXPECT_THAT(found, ElementsAre(pages[0], pages[1]));
  give_back(found);
  EXPECT_THAT(prefixes.find(tokens({900, 200})).pages, IsEmpty());
}

TEST_F(PrefixTreeTest, KeepsWholePagesOnly) {
  auto pages = remember(tokens({100}, kPage - 1));
  EXPECT_EQ(kv.n_free(), 5u);
  auto found = prefixes.find(tokens({100}, kPage - 1)).pages;
  EXPECT_THAT(found, ElementsAre(pages[0]));
  give_back(found);
  const auto page = tokens({100});
  EXPECT_THAT(prefixes.find(std::span(page).first(kPage - 1)).pages, IsEmpty());
}

TEST_F(PrefixTreeTest, OneDifferentTokenIsAnotherPrefix) {
  remember(tokens({100, 200}));
  for (size_t at : {size_t{0}, size_t{kPage - 1}}) {
    auto other = tokens({100, 200});
    other[at] = -1;
    EXPECT_THAT(prefixes.find(other).pages, IsEmpty()) << at;
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
  give_back(prefixes.find(tokens({100, 200})).pages);
  auto all = take(4);  // two were free: 400 and 300 go
  auto kept = prefixes.find(tokens({100, 200})).pages;
  EXPECT_EQ(kept.size(), 2u);
  EXPECT_THAT(prefixes.find(tokens({300})).pages, IsEmpty());
  give_back(kept);
  give_back(all);
}

TEST_F(PrefixTreeTest, ForgetsEndsBeforeBeginnings) {
  remember(tokens({100, 200, 300}));
  auto all = take(4);
  EXPECT_EQ(prefixes.n_pages(), 2u);
  auto found = prefixes.find(tokens({100, 200, 300})).pages;
  EXPECT_EQ(found.size(), 2u);
  give_back(found);
  give_back(all);
}

// Forgetting what a sequence holds would free nothing, and the prefix would be lost for those who
// come after.
TEST_F(PrefixTreeTest, PagesInUseAreNotForgotten) {
  remember(tokens({100, 200}));
  remember(tokens({300}));
  auto held = prefixes.find(tokens({100, 200})).pages;
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
  auto found = prefixes.find(tokens({100, 200})).pages;
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

// A model of which one layer sees a window of 100: two pages back at most.
class WindowedTree : public PrefixTreeTest {
 protected:
  KvCache windowed = *KvCache::create(
      {.layers = {{1, 32, 32}, {1, 32, 32, 100}}, .element = KvElement::f32}, 12, 10);
  PrefixTree tree{windowed};

  // Computed as the scheduler does: window parts come as pages are computed and go when the window
  // has passed.
  void remember_windowed(const std::vector<Token>& text) {
    std::vector<PageIndex> pages;
    size_t first = 0;
    for (size_t i = 0; i < text.size() / kPage; ++i) {
      pages.push_back(*tree.acquire());
      ASSERT_TRUE(tree.hold_window(pages.back()));
      for (; i > 0 && first < first_page_of_window(100, (i - 1) * kPage); ++first)
        windowed.release_window(pages[first]);
    }
    tree.insert(text, pages, first);
    for (; first < pages.size(); ++first) windowed.release_window(pages[first]);
    for (PageIndex page : pages) windowed.release(page);
  }
  void give_back_windowed(const Prefix& prefix) {
    for (size_t i = 0; i < prefix.pages.size(); ++i) {
      if (i >= prefix.first_window) windowed.release_window(prefix.pages[i]);
      windowed.release(prefix.pages[i]);
    }
  }
};

TEST_F(WindowedTree, KeepsTheWindowsOfEndsOnly) {
  remember_windowed(tokens({100, 200, 300, 400, 500, 600, 700}));
  EXPECT_EQ(windowed.n_free(), 5u);
  EXPECT_EQ(windowed.n_free_windows(), 7u);  // to go on after six or seven pages: the last three
  const Prefix whole = tree.find(tokens({100, 200, 300, 400, 500, 600, 700}));
  EXPECT_EQ(whole.pages.size(), 7u);
  EXPECT_EQ(whole.first_window, 5u);  // position 448 sees from 349 on
  for (size_t i = whole.first_window; i < 7; ++i) EXPECT_TRUE(windowed.has_window(whole.pages[i]));
  give_back_windowed(whole);
  const Prefix shorter = tree.find(tokens({100, 200, 300, 400, 500, 600}));
  EXPECT_EQ(shorter.pages.size(), 6u);
  give_back_windowed(shorter);
}

// In the middle the windows are gone: nothing can go on from there.
TEST_F(WindowedTree, APrefixWithoutItsWindowIsNoPrefix) {
  remember_windowed(tokens({100, 200, 300, 400, 500, 600, 700}));
  EXPECT_THAT(tree.find(tokens({100, 200, 300, 400})).pages, IsEmpty());
}

TEST_F(WindowedTree, AnEndOnTheWayIsGoneOnFrom) {
  remember_windowed(tokens({100, 200, 300}));
  remember_windowed(tokens({100, 200, 300, 400, 500, 600, 700}));
  const Prefix found = tree.find(tokens({100, 200, 300, 900}));
  EXPECT_EQ(found.pages.size(), 3u);
  give_back_windowed(found);
}

TEST_F(WindowedTree, WindowsRunOutBeforePagesDo) {
  remember_windowed(tokens({100, 200, 300}));
  remember_windowed(tokens({400, 500, 600}));
  remember_windowed(tokens({700, 800, 900}));
  remember_windowed(tokens({1000}));
  EXPECT_EQ(windowed.n_free_windows(), 0u);
  const PageIndex page = *tree.acquire();
  EXPECT_TRUE(tree.hold_window(page)) << "the oldest prefix gives way";
  EXPECT_LT(tree.n_pages(), 10u);
  windowed.release_window(page);
  windowed.release(page);
}

TEST_F(PrefixTreeTest, WhoFollowsABeginningHearsHowMuchIsLeft) {
  std::vector<std::pair<uint64_t, uint32_t>> heard;
  prefixes.listen([&](const PrefixTree::Mark& mark, uint32_t n_tokens) {
    heard.emplace_back(mark.key, n_tokens);
    return mark.key != 2;  // nobody wants to know of that one any more
  });
  remember(tokens({100, 200, 300}));
  EXPECT_EQ(prefixes.follow(tokens({100, 200, 300}, 5), {.key = 1, .place = 0}), 3 * kPage);
  EXPECT_EQ(prefixes.follow(tokens({100, 200, 300}), {.key = 2, .place = 0}), 3 * kPage);
  EXPECT_EQ(prefixes.follow(tokens({100}, 9), {.key = 3, .place = 0}), kPage);
  EXPECT_EQ(prefixes.follow(tokens({500}), {.key = 4, .place = 0}), 0u);
  give_back(take(4));  // one page has to go
  EXPECT_THAT(heard, ElementsAre(std::pair(1, 2 * kPage), std::pair(2, 2 * kPage)));
  heard.clear();
  give_back(take(6));  // all have
  EXPECT_THAT(heard, ElementsAre(std::pair(1, kPage), std::pair(3, 0), std::pair(1, 0)));
}

}  // namespace
}  // namespace hearth
