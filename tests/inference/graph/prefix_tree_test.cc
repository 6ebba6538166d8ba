#include "cache/prefix_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

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

TEST_F(PrefixTreeTest, KeepsEndsWithinAPage) {
  auto pages = remember(tokens({100}, 20));
  EXPECT_EQ(kv.n_free(), 4u);
  const Prefix found = prefixes.find(tokens({100}, 30));
  EXPECT_THAT(found.pages, ElementsAre(pages[0], pages[1]));
  EXPECT_EQ(found.n_tokens, kPage + 20);
  give_back(found.pages);
}

TEST_F(PrefixTreeTest, SharesAPageUpToTheFirstDifferentToken) {
  remember(tokens({100, 200}));
  for (size_t at : {0u, 1u, 17u, kPage - 1, kPage, kPage + 5, 2 * kPage - 1}) {
    auto other = tokens({100, 200});
    other[at] = -1;
    const Prefix found = prefixes.find(other);
    EXPECT_EQ(found.n_tokens, at);
    EXPECT_EQ(found.pages.size(), pages_for(at));
    give_back(found.pages);
    const Prefix shorter = prefixes.find(std::span(other).first(at));
    EXPECT_EQ(shorter.n_tokens, at);
    give_back(shorter.pages);
  }
}

TEST_F(PrefixTreeTest, TheNearestOfSeveralPagesIsShared) {
  auto text = tokens({100}, 20);
  std::vector<std::vector<PageIndex>> pages;
  for (size_t at : {5u, 9u, 3u}) {
    auto other = text;
    other[kPage + at] = -1;
    pages.push_back(remember(other));
  }
  const Prefix found = prefixes.find(text);
  EXPECT_EQ(found.n_tokens, kPage + 9);
  EXPECT_EQ(found.pages.back(), pages[1].back());
  give_back(found.pages);
}

// As a conversation grows, in the same page or in a copy of it: it has one end.
TEST_F(PrefixTreeTest, AnEndThatWentOnTakesNoSecondPage) {
  auto same = take(1);
  prefixes.insert(tokens({}, 10), same);
  prefixes.insert(tokens({}, 30), same);
  EXPECT_EQ(prefixes.n_pages(), 1u);
  EXPECT_EQ(kv.references(same[0]), 2u);
  give_back(same);
  auto copy = remember(tokens({}, 50));
  EXPECT_EQ(prefixes.n_pages(), 1u);
  EXPECT_EQ(kv.n_free(), 5u);
  remember(tokens({}, 40));
  EXPECT_EQ(prefixes.n_pages(), 1u);
  const Prefix found = prefixes.find(tokens({}, 60));
  EXPECT_EQ(found.n_tokens, 50u);
  EXPECT_EQ(found.pages, copy);
  give_back(found.pages);
  remember(tokens({}, 2 * kPage));
  EXPECT_EQ(prefixes.n_pages(), 2u) << "a whole page takes the place of its beginning";
}

TEST_F(PrefixTreeTest, EndsAreForgottenAsWholePagesAre) {
  remember(tokens({100}, 20));
  remember(tokens({300}, 20));
  const Prefix first = prefixes.find(tokens({100}, 20));
  auto rest = take(3);  // two were free: the end of 300 goes
  EXPECT_TRUE(prefixes.acquire()) << "and then 300 itself";
  EXPECT_FALSE(prefixes.acquire());
  for (PageIndex page : first.pages) EXPECT_THAT(rest, ::testing::Not(::testing::Contains(page)));
  give_back(first.pages);
}

// Its states lie behind the last token of each page.
TEST_F(PrefixTreeTest, ARecurrentModelGoesOnFromEndsOnly) {
  KvCache recurrent =
      *KvCache::create({.layers = {{1, 32, 32}, {.window = kStateWindow, .state_bytes = 256}},
                        .element = KvElement::f32},
                       4, 4);
  PrefixTree tree(recurrent);
  std::vector<PageIndex> pages;
  for (int i = 0; i < 2; ++i) {
    pages.push_back(*tree.acquire());
    ASSERT_TRUE(tree.hold_window(pages.back()));
  }
  tree.insert(tokens({100}, 20), pages);
  EXPECT_EQ(tree.n_pages(), 2u);
  EXPECT_EQ(tree.find(tokens({100}, 19)).n_tokens, kPage);
  EXPECT_EQ(tree.find(tokens({100}, 20)).n_tokens, kPage + 20);
  EXPECT_EQ(tree.find(tokens({100}, 30)).n_tokens, kPage + 20);
  // One that went on in a copy takes the place of the end, which is one no more.
  std::vector<std::pair<uint64_t, uint32_t>> heard;
  tree.listen([&](const PrefixTree::Mark& mark, uint32_t n_tokens) {
    heard.emplace_back(mark.key, n_tokens);
    return true;
  });
  EXPECT_EQ(tree.follow(tokens({100}, 25), {1, 0}), kPage + 20);
  pages.back() = *tree.acquire();
  ASSERT_TRUE(tree.hold_window(pages.back()));
  tree.insert(tokens({100}, 40), pages);
  EXPECT_EQ(tree.n_pages(), 2u);
  EXPECT_EQ(tree.find(tokens({100}, 30)).n_tokens, kPage);
  EXPECT_EQ(tree.find(tokens({100}, 50)).n_tokens, kPage + 40);
  EXPECT_THAT(heard, ElementsAre(std::pair(uint64_t{1}, kPage)));
  auto other = tokens({100});
  other[30] = -1;
  EXPECT_EQ(tree.find(other).n_tokens, 0u);
}

// A recurrent model: an owner that goes on behind an end takes the state along.
class RecurrentTree : public PrefixTreeTest {
 protected:
  KvCache recurrent =
      *KvCache::create({.layers = {{1, 32, 32}, {.window = kStateWindow, .state_bytes = 256}},
                        .element = KvElement::f32},
                       8, 6);
  PrefixTree tree{recurrent};
  std::vector<PageIndex> pages;  // of a running sequence

  void take_recurrent(size_t n) {
    while (n--) {
      pages.push_back(*tree.acquire());
      ASSERT_TRUE(tree.hold_window(pages.back()));
    }
  }
  // Tokens found; they are not held.
  size_t n_found(const std::vector<Token>& text) {
    const Prefix found = tree.find(text);
    for (size_t i = 0; i < found.pages.size(); ++i) {
      if (i >= found.first_window) recurrent.release_window(found.pages[i]);
      recurrent.release(found.pages[i]);
    }
    return found.n_tokens;
  }
};

TEST_F(RecurrentTree, TheEndOfAPromptIsKeptInACopy) {
  take_recurrent(2);
  recurrent.data(1, pages[1])[0] = std::byte{42};
  tree.insert(tokens({100}, 20), pages, 0, PrefixTree::End::turn);
  recurrent.data(1, pages[1])[0] = std::byte{7};
  const Prefix found = tree.find(tokens({100}, 30));
  ASSERT_EQ(found.n_tokens, kPage + 20);
  EXPECT_NE(found.pages[1], pages[1]);
  EXPECT_EQ(recurrent.data(1, found.pages[1])[0], std::byte{42});
  EXPECT_EQ(recurrent.references(found.pages[1]), 2u) << "the tree's and that of the find";
  tree.insert(tokens({100}, 20), pages, 0, PrefixTree::End::turn);
  EXPECT_EQ(tree.n_pages(), 2u);
  EXPECT_EQ(recurrent.n_free(), 5u) << "an end that is known takes no second copy";
}

TEST_F(RecurrentTree, TheEndOfAPromptStaysUntilAnotherPromptPasses) {
  take_recurrent(3);
  auto answered = tokens({100}, 20);
  answered.resize(kPage + 40, 8);
  tree.insert(tokens({100}, 20), pages, 0, PrefixTree::End::prompt);
  tree.insert(answered, pages);
  auto rewritten = tokens({100}, 20);
  rewritten.resize(kPage + 30, 9);
  EXPECT_EQ(n_found(answered), kPage + 40);
  EXPECT_EQ(n_found(rewritten), kPage + 20);
  ASSERT_TRUE(tree.fork_of(rewritten));
  EXPECT_EQ(tree.fork_of(rewritten)->known.size(), 20u) << "the answer is what it left";
  auto next = answered;
  next.resize(2 * kPage + 10, 5);
  tree.insert(next, pages, 0, PrefixTree::End::prompt);
  EXPECT_EQ(n_found(next), 2 * kPage + 10);
  EXPECT_EQ(n_found(rewritten), kPage);
}

TEST_F(RecurrentTree, TheEndOfATurnStaysUntilTheNextOne) {
  take_recurrent(3);
  tree.insert(tokens({100}, 20), pages, 0, PrefixTree::End::turn);
  auto called = tokens({100}, 20);
  called.resize(kPage + 50, 8);
  tree.insert(called, pages, 0, PrefixTree::End::prompt);
  auto rewritten = tokens({100}, 20);
  rewritten.resize(kPage + 30, 9);
  EXPECT_EQ(n_found(rewritten), kPage + 20);
  called.resize(2 * kPage + 10, 8);
  tree.insert(called, pages, 0, PrefixTree::End::turn);
  EXPECT_EQ(n_found(called), 2 * kPage + 10);
  EXPECT_EQ(n_found(rewritten), kPage);
}

// Wholly used by running sequences: nothing is taken from them for an end.
TEST_F(RecurrentTree, WithoutRoomForACopyWholePagesAreRemembered) {
  take_recurrent(6);
  tree.insert(tokens({100, 200, 300, 400, 500}, 20), pages, 0, PrefixTree::End::turn);
  EXPECT_EQ(tree.n_pages(), 5u);
  EXPECT_EQ(recurrent.n_free(), 2u);
  EXPECT_EQ(n_found(tokens({100, 200, 300, 400, 500}, 20)), 5 * kPage);
}

TEST_F(PrefixTreeTest, AForkIsAtTheFirstDifferentToken) {
  remember(tokens({100}, 20));
  EXPECT_FALSE(prefixes.fork_of(tokens({100}, 30))) << "it goes on";
  EXPECT_FALSE(prefixes.fork_of(tokens({100}, 10))) << "it ends before";
  EXPECT_FALSE(prefixes.fork_of(tokens({900}))) << "it shares nothing";
  for (size_t at : {1u, 40u, kPage, kPage + 19}) {
    auto other = tokens({100}, 30);
    other[at] = -1;
    const auto fork = prefixes.fork_of(other);
    ASSERT_TRUE(fork) << at;
    EXPECT_EQ(fork->position, at);
    EXPECT_EQ(fork->known.size(), (at < kPage ? kPage : kPage + 20) - at);
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
    for (size_t i = 0; i < pages_for(text.size()); ++i) {
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

TEST_F(WindowedTree, GoesOnWithinAPageThatHasItsWindow) {
  remember_windowed(tokens({100, 200, 300, 400, 500}, 20));
  auto text = tokens({100, 200, 300, 400, 500}, 30);
  const Prefix found = tree.find(text);
  EXPECT_EQ(found.n_tokens, 5 * kPage + 20);
  EXPECT_EQ(found.first_window, 3u);  // position 340 sees from 241 on
  for (size_t i = 3; i < 6; ++i) EXPECT_TRUE(windowed.has_window(found.pages[i]));
  give_back_windowed(found);
  text[4 * kPage + 40] = -1;
  const Prefix within = tree.find(text);  // position 296 sees from 197 on
  EXPECT_EQ(within.n_tokens, 4 * kPage + 40);
  give_back_windowed(within);
  text[40] = -1;
  EXPECT_THAT(tree.find(text).pages, IsEmpty()) << "there the windows are gone";
}

// The end of a prompt stays one when the page went on far beyond, as long as there is room.
TEST_F(WindowedTree, AnEndStaysWhereItIsWhenOthersGoOn) {
  remember_windowed(tokens({100}, 20));
  auto longer = tokens({100}, kPage);
  for (Token more : {300, 400, 500})
    for (uint32_t i = 0; i < kPage; ++i) longer.push_back(more + static_cast<Token>(i));
  remember_windowed(longer);
  auto text = tokens({100}, kPage);
  text[kPage + 20] = -1;
  const Prefix found = tree.find(text);
  EXPECT_EQ(found.n_tokens, kPage + 20);
  give_back_windowed(found);
}

// A page that gets its window back takes in the end that stood before it among their siblings.
TEST_F(WindowedTree, WhatGoesOnBehindAPageThatTookInAnEndStaysItsOwn) {
  remember_windowed(tokens({100}, 20));
  auto longer = tokens({100}, kPage);
  for (Token more : {300, 400, 500})
    for (uint32_t i = 0; i < kPage; ++i) longer.push_back(more + static_cast<Token>(i));
  remember_windowed(longer);
  remember_windowed(tokens({100, 900}));
  longer.resize(2 * kPage + 10);
  remember_windowed(longer);
  const Prefix found = tree.find(longer);
  EXPECT_EQ(found.n_tokens, 2 * kPage + 10);
  give_back_windowed(found);
  auto sibling = tokens({100, 900});
  sibling.insert(sibling.end(), longer.end() - 10, longer.end());
  const Prefix beside = tree.find(sibling);
  EXPECT_EQ(beside.n_tokens, 2 * kPage);
  give_back_windowed(beside);
}

TEST_F(WindowedTree, TheLastSiblingTakesInAnEndToo) {
  remember_windowed(tokens({100}, 20));
  auto longer = tokens({100}, kPage);
  for (Token more : {300, 400, 500})
    for (uint32_t i = 0; i < kPage; ++i) longer.push_back(more + static_cast<Token>(i));
  remember_windowed(longer);
  longer.resize(2 * kPage + 10);
  remember_windowed(longer);
  const Prefix found = tree.find(longer);
  EXPECT_EQ(found.n_tokens, 2 * kPage + 10);
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
  EXPECT_EQ(tree.n_pages(), 10u) << "with what its end does not need";
  for (const auto& text : {tokens({100, 200, 300}), tokens({400, 500, 600}), tokens({1000})}) {
    const Prefix found = tree.find(text);
    EXPECT_EQ(found.n_tokens, text.size());
    give_back_windowed(found);
  }
  windowed.release_window(page);
  windowed.release(page);
}

// Each turn of a conversation leaves an end on the way that its next turn holds the pages of.
TEST_F(WindowedTree, EndsOnTheWayOfARunningSequenceGiveUpTheirWindows) {
  auto text = tokens({100, 200, 300, 400, 500, 600});
  for (size_t n = 1; n <= 6; ++n) remember_windowed({text.begin(), text.begin() + n * kPage});
  EXPECT_EQ(windowed.n_free_windows(), 4u);
  std::vector<std::pair<uint64_t, uint32_t>> heard;
  tree.listen([&](const PrefixTree::Mark& mark, uint32_t n_tokens) {
    heard.emplace_back(mark.key, n_tokens);
    return true;
  });
  EXPECT_EQ(tree.follow(std::span(text).first(3 * kPage), {1, 0}), 3 * kPage);
  EXPECT_EQ(tree.follow(text, {2, 0}), 6 * kPage);

  const Prefix running = tree.find(text);
  ASSERT_EQ(running.pages.size(), 6u);
  ASSERT_EQ(running.first_window, 4u);
  std::vector<PageIndex> more;
  for (int i = 0; i < 6; ++i) {
    more.push_back(*tree.acquire());
    EXPECT_TRUE(tree.hold_window(more.back())) << i;
  }
  EXPECT_EQ(tree.n_pages(), 6u);
  EXPECT_THAT(heard, ::testing::Not(IsEmpty()));
  for (const auto& [key, n_tokens] : heard) EXPECT_EQ(key, 1u) << "the last end is still one";
  EXPECT_EQ(tree.find(std::span(text).first(3 * kPage)).n_tokens, heard.back().second);
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

TEST_F(PrefixTreeTest, WhoFollowsHearsOfPartsOfPages) {
  std::vector<uint32_t> heard;
  prefixes.listen([&](const PrefixTree::Mark&, uint32_t n_tokens) {
    heard.push_back(n_tokens);
    return true;
  });
  auto other = tokens({100}, 30);
  other[kPage + 10] = -1;
  remember(tokens({100}, 30));
  remember(other);
  auto newest = tokens({100}, 20);
  EXPECT_EQ(prefixes.follow(newest, {.key = 1, .place = 0}), kPage + 20);
  EXPECT_EQ(prefixes.follow(tokens({}, 3), {.key = 2, .place = 0}), 0u);
  auto all = take(4);  // three were free
  EXPECT_THAT(heard, ElementsAre(kPage + 10)) << "the other one begins alike";
  give_back(all);
  give_back(take(6));
  EXPECT_THAT(heard, ElementsAre(kPage + 10, kPage, 0u));
}

// Conversations at random over few tokens, that fork anywhere and run beside each other while the
// pool runs over. Into the pages goes what they were computed from, so that what is found shows
// whether it came from the same tokens.
struct RandomShape {
  const char* name;
  uint32_t window;
  bool has_state;
};

class AtRandom : public ::testing::TestWithParam<RandomShape> {
 protected:
  struct Sequence {
    std::vector<Token> tokens;
    std::vector<PageIndex> pages;
    size_t n_computed = 0, first_window = 0;
  };
  static constexpr uint32_t kPages = 24;
  static constexpr size_t kMostTokens = 1000;
  const uint32_t window = GetParam().window;
  const bool has_state = GetParam().has_state;
  const KvLayer second{.n_kv_heads = has_state ? 0u : 1u,
                       .k_dim = 32,
                       .v_dim = 32,
                       .window = window,
                       .state_bytes = has_state ? sizeof(Token) * (kMostTokens + 1) : 0};
  KvCache cache = *KvCache::create({.layers = {{1, 32, 32}, second}, .element = KvElement::f32},
                                   kPages, kPages - 6);
  PrefixTree tree{cache};
  std::minstd_rand random{GetParam().window + 1};
  std::vector<Sequence> running;

  void write(uint32_t layer, PageIndex page, std::span<const Token> tokens) {
    const auto n = static_cast<Token>(tokens.size());
    std::memcpy(cache.data(layer, page), &n, sizeof n);
    std::memcpy(cache.data(layer, page) + sizeof n, tokens.data(), tokens.size_bytes());
  }
  std::vector<Token> read(uint32_t layer, PageIndex page) {
    Token n = 0;
    std::memcpy(&n, cache.data(layer, page), sizeof n);
    std::vector<Token> tokens(static_cast<size_t>(n));
    std::memcpy(tokens.data(), cache.data(layer, page) + sizeof n, tokens.size() * sizeof n);
    return tokens;
  }
  static bool begins_with(const std::vector<Token>& tokens, std::span<const Token> beginning) {
    return tokens.size() >= beginning.size() &&
           std::equal(beginning.begin(), beginning.end(), tokens.begin());
  }
  void check(const Sequence& sequence) {
    for (size_t i = 0; i < sequence.pages.size(); ++i) {
      const size_t end = std::min<size_t>((i + 1) * kPage, sequence.n_computed);
      if (end <= i * kPage) break;
      const auto expected = std::span(sequence.tokens).first(end);
      EXPECT_TRUE(begins_with(read(0, sequence.pages[i]), expected)) << i;
      if (window == 0 || i < sequence.first_window) continue;
      const std::vector<Token> seen = read(1, sequence.pages[i]);
      EXPECT_TRUE(begins_with(seen, expected)) << i;
      EXPECT_TRUE(!has_state || seen.size() == end) << "a state cannot go back";
    }
  }
  void end(Sequence& sequence, bool remembers) {
    if (remembers)
      tree.insert(std::span(sequence.tokens).first(sequence.n_computed), sequence.pages,
                  sequence.first_window);
    for (size_t i = 0; i < sequence.pages.size(); ++i) {
      if (i >= sequence.first_window) cache.release_window(sequence.pages[i]);
      cache.release(sequence.pages[i]);
    }
  }
  bool add_page(Sequence& sequence) {
    const auto page = tree.acquire();
    if (!page) return false;
    if (!tree.hold_window(*page)) {
      cache.release(*page);
      return false;
    }
    sequence.pages.push_back(*page);
    return true;
  }
  // In the page that the next token belongs in.
  bool compute(Sequence& sequence, size_t n_tokens) {
    for (; sequence.n_computed < n_tokens; ++sequence.n_computed) {
      const size_t at = sequence.n_computed / kPage;
      if (at == sequence.pages.size() && !add_page(sequence)) return false;
      const auto now = std::span(sequence.tokens).first(sequence.n_computed + 1);
      write(0, sequence.pages[at], now);
      if (window > 0) write(1, sequence.pages[at], now);
    }
    const size_t n_whole = sequence.n_computed / kPage;
    const size_t first =
        window > 0 ? first_page_of_window(window, (n_whole - std::min<size_t>(n_whole, 1)) * kPage)
                   : 0;
    for (; sequence.first_window < std::min(first, sequence.pages.size()); ++sequence.first_window)
      cache.release_window(sequence.pages[sequence.first_window]);
    return true;
  }
  bool start(Sequence& sequence) {
    Prefix prefix = tree.find(sequence.tokens);
    sequence.pages = prefix.pages;
    sequence.n_computed = prefix.n_tokens;
    sequence.first_window = prefix.first_window;
    check(sequence);
    if (prefix.n_tokens % kPage == 0) return true;
    if (!add_page(sequence)) return false;
    const PageIndex own = sequence.pages.back();
    sequence.pages.pop_back();
    const PageIndex source = std::exchange(sequence.pages.back(), own);
    cache.copy(source, own);
    cache.release_window(source);
    cache.release(source);
    return true;
  }
};

TEST_P(AtRandom, WhatIsFoundWasComputedFromTheSameTokens) {
  std::vector<std::vector<Token>> said{{}};
  size_t n_shared = 0;
  for (int i = 0; i < 4000; ++i) {
    if (running.size() < 3) {
      Sequence sequence;
      sequence.tokens = said[random() % said.size()];
      sequence.tokens.resize(std::min<size_t>(sequence.tokens.size(), random() % 300));
      for (size_t n = random() % 80; n > 0; --n)
        sequence.tokens.push_back(static_cast<Token>(random() % 2));
      if (!start(sequence)) {
        end(sequence, false);
        continue;
      }
      n_shared += sequence.n_computed;
      running.push_back(std::move(sequence));
      continue;
    }
    const size_t which = random() % running.size();
    Sequence& sequence = running[which];
    const bool goes_on = compute(sequence, sequence.tokens.size());
    check(sequence);
    if (goes_on && random() % 3 > 0 && sequence.tokens.size() < kMostTokens) {
      tree.insert(sequence.tokens, sequence.pages, sequence.first_window,
                  random() % 2 == 0 ? PrefixTree::End::turn : PrefixTree::End::prompt);
      sequence.tokens.push_back(static_cast<Token>(random() % 2));
    } else {
      said.push_back(sequence.tokens);
      end(sequence, random() % 8 > 0);
      running.erase(running.begin() + static_cast<ptrdiff_t>(which));
    }
  }
  EXPECT_GT(n_shared, has_state ? 10'000u : 20'000u);
  for (Sequence& sequence : running) end(sequence, true);
  EXPECT_EQ(tree.n_pages() + cache.n_free(), kPages) << "no page is held by two nodes";
  for (uint32_t n = 0; n < kPages; ++n) EXPECT_TRUE(tree.acquire()) << n;
}

INSTANTIATE_TEST_SUITE_P(Shapes, AtRandom,
                         ::testing::Values(RandomShape{"NoWindow", 0, false},
                                           RandomShape{"Window40", 40, false},
                                           RandomShape{"Window100", 100, false},
                                           RandomShape{"States", kStateWindow, true}),
                         [](const auto& shape) { return std::string(shape.param.name); });

}  // namespace
}  // namespace hearth
