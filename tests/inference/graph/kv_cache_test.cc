#include "cache/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace hearth {
namespace {

const KvShape kShape{.layers = std::vector<KvLayer>(3, {2, 32, 32}), .element = KvElement::i16};

KvCache make(uint32_t n_pages, const KvShape& shape = kShape) {
  Result<KvCache> cache = KvCache::create(shape, n_pages);
  EXPECT_TRUE(cache);
  return std::move(*cache);
}

TEST(KvCache, HandsOutEveryPageOnceAndThenNothing) {
  KvCache cache = make(5);
  std::set<PageIndex> pages;
  for (int i = 0; i < 5; ++i) pages.insert(*cache.acquire());
  EXPECT_EQ(pages.size(), 5u);
  EXPECT_EQ(cache.n_free(), 0u);
  EXPECT_FALSE(cache.acquire());
}

TEST(KvCache, SharedPageIsFreeWhenTheLastReferenceGoes) {
  KvCache cache = make(1);
  const PageIndex page = *cache.acquire();
  cache.retain(page);
  cache.release(page);
  EXPECT_FALSE(cache.acquire());
  cache.release(page);
  EXPECT_EQ(cache.acquire(), page);
}

TEST(KvCache, LayersOfPagesDoNotOverlap) {
  KvCache cache = make(2);
  const uint64_t bytes = 2 * 2 * kPageTokens * kv_row_bytes(KvElement::i16, 32);
  EXPECT_GE(KvCache::page_bytes(kShape), 3 * bytes);
  for (PageIndex page = 0; page < 2; ++page)
    for (uint32_t layer = 0; layer < 3; ++layer)
      std::memset(cache.data(layer, page), static_cast<int>(page * 3 + layer), bytes);
  for (PageIndex page = 0; page < 2; ++page)
    for (uint32_t layer = 0; layer < 3; ++layer)
      for (const uint64_t at : {uint64_t{0}, bytes - 1})
        EXPECT_EQ(std::to_integer<uint32_t>(cache.data(layer, page)[at]), page * 3 + layer);
}

TEST(KvCache, ReservesMoreThanTheMachineHas) {
  const KvShape large{.layers = std::vector<KvLayer>(80, {8, 128, 128}), .element = KvElement::i16};
  KvCache cache = make(1u << 16, large);  // 1.3 TiB of addresses
  const PageIndex page = *cache.acquire();
  *cache.data(79, page) = std::byte{1};
  EXPECT_EQ(*cache.data(79, page), std::byte{1});
}

TEST(KvCache, PagesPastTheWarmOnesGoBackToTheKernel) {
  const KvShape large{.layers = std::vector<KvLayer>(64, {8, 64, 64}), .element = KvElement::f32};
  const uint64_t n_warm = (64u << 20) / KvCache::page_bytes(large);  // 16 MiB each
  ASSERT_EQ(n_warm, 4u);
  KvCache cache = make(6, large);
  std::vector<PageIndex> pages;
  for (int i = 0; i < 6; ++i) {
    pages.push_back(*cache.acquire());
    *cache.data(0, pages.back()) = std::byte{7};
  }
  for (const PageIndex page : pages) cache.release(page);
  for (size_t i = 0; i < pages.size(); ++i)  // zeroes come from the kernel only
    EXPECT_EQ(*cache.data(0, pages[i]), i < n_warm ? std::byte{7} : std::byte{0}) << i;
  EXPECT_EQ(cache.acquire(), pages[n_warm - 1]) << "warm memory first, the newest of it";
}

TEST(KvCache, WindowPartsComeAndGoByThemselves) {
  const KvShape shape{.layers = {{1, 32, 32}, {1, 32, 32, 100}}, .element = KvElement::i16};
  KvCache cache = *KvCache::create(shape, 4, 1);
  const PageIndex first = *cache.acquire(), second = *cache.acquire();
  EXPECT_NE(cache.data(0, first), nullptr);
  EXPECT_EQ(cache.data(1, first), nullptr);
  EXPECT_TRUE(cache.hold_window(first));
  EXPECT_TRUE(cache.hold_window(first));
  EXPECT_NE(cache.data(1, first), nullptr);
  EXPECT_FALSE(cache.hold_window(second)) << "there is only one";
  cache.release_window(first);
  EXPECT_TRUE(cache.has_window(first)) << "held twice";
  cache.release_window(first);
  EXPECT_FALSE(cache.has_window(first));
  EXPECT_EQ(cache.references(first), 1u);
  EXPECT_TRUE(cache.hold_window(second));
}

TEST(KvCache, ACopyHoldsTheSameInEveryLayer) {
  KvShape shape = kShape;
  shape.layers.push_back({1, 32, 32, 100});
  KvCache cache = make(3, shape);
  const PageIndex from = *cache.acquire(), to = *cache.acquire(), other = *cache.acquire();
  const auto last_of = [&](uint32_t layer, PageIndex page) -> std::byte& {
    return cache.data(layer, page)[kv_layer_bytes(shape.layers[layer], shape.element) - 1];
  };
  for (const PageIndex page : {from, to, other}) {
    ASSERT_TRUE(cache.hold_window(page));
    for (uint32_t layer = 0; layer < 4; ++layer)
      last_of(layer, page) = static_cast<std::byte>(10 * page + layer);
  }
  cache.copy(from, to);
  for (uint32_t layer = 0; layer < 4; ++layer) {
    EXPECT_EQ(last_of(layer, to), static_cast<std::byte>(10 * from + layer));
    EXPECT_EQ(last_of(layer, other), static_cast<std::byte>(10 * other + layer));
  }
}

TEST(KvCache, WithoutWindowsEveryPageHasItsPart) {
  KvCache cache = make(1);
  EXPECT_EQ(KvCache::window_bytes(kShape), 0u);
  EXPECT_EQ(cache.n_windows(), 0u);
  const PageIndex page = *cache.acquire();
  EXPECT_TRUE(cache.hold_window(page));
  EXPECT_NE(cache.data(2, page), nullptr);
}

TEST(KvCache, AWindowReachesBackFromItsPosition) {
  EXPECT_EQ(first_page_of_window(100, 0), 0u);
  EXPECT_EQ(first_page_of_window(100, 162), 0u);  // sees 63 to 162
  EXPECT_EQ(first_page_of_window(100, 163), 1u);
  EXPECT_EQ(first_page_of_window(1, 64), 1u);
}

TEST(KvCache, RefusesShapesThatCannotBe) {
  EXPECT_EQ(KvCache::create(kShape, 0).error().code, Errc::invalid);
  const KvShape odd{.layers = {{1, 40, 40}}, .element = KvElement::i8};
  EXPECT_EQ(KvCache::create(odd, 4).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace hearth
