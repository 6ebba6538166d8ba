// Attention's products and softmax over a page of integers, as int_kernels.h defines them. Nothing
// is summed across lanes, and the sums are exact: tiles may be cut as they run fastest.
// In an anonymous namespace, as all that these folders include (strip_formats.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd/strip_formats.h"

namespace hearth::cpu {
namespace {

template <class V>
typename V::Floats load_floats(const float* from) {
  return V::load(reinterpret_cast<const uint8_t*>(from), 0);
}

// The columns of n_vectors vectors from `column` on.
template <class V, int n_rows, int n_vectors>
void pair_tile(const PairProduct& p, size_t column) {
  typename V::Ints sum[n_rows][n_vectors];
  each<n_rows>(
      [&]<int j>(Int<j>) { each<n_vectors>([&]<int v>(Int<v>) { sum[j][v] = V::no_ints(); }); });
  const uint8_t* pairs = p.pairs + 4 * column;
  for (size_t i = 0; i < p.n_pairs; i++, pairs += 4 * p.n_columns) {
    typename V::Ints line[n_vectors];
    each<n_vectors>([&]<int v>(Int<v>) { line[v] = V::load_ints(pairs + 4 * V::kLanes * v); });
    each<n_rows>([&]<int j>(Int<j>) {
      const typename V::Ints pair = V::all_pairs(p.rows + j * p.row_stride + 2 * i);
      each<n_vectors>(
          [&]<int v>(Int<v>) { sum[j][v] = V::add_pair_products(sum[j][v], line[v], pair); });
    });
  }
  each<n_rows>([&]<int j>(Int<j>) {
    each<n_vectors>([&]<int v>(Int<v>) {
      V::store_ints(p.sums + j * p.n_columns + column + V::kLanes * v, sum[j][v]);
    });
  });
}

template <class V, int n_rows>
void pair_tiles(const PairProduct& p) {
  constexpr size_t kOne = V::kLanes;
  constexpr int kVectors = V::kSums / kTileQueries;
  size_t c = p.first / kOne * kOne;
  for (; c + kVectors * kOne <= (p.end + kOne - 1) / kOne * kOne; c += kVectors * kOne)
    pair_tile<V, n_rows, kVectors>(p, c);
  for (; c < p.end; c += kOne) pair_tile<V, n_rows, 1>(p, c);
}

template <class V>
void pair_products_of(const PairProduct& p) {
  switch (p.n_rows) {
    case 1: return pair_tiles<V, 1>(p);
    case 2: return pair_tiles<V, 2>(p);
    case 3: return pair_tiles<V, 3>(p);
    case 4: return pair_tiles<V, 4>(p);
    case 5: return pair_tiles<V, 5>(p);
    default: return pair_tiles<V, 6>(p);
  }
}

template <class V>
void add_page_of(const int32_t* ints, const PageWeight* of, size_t n_queries, size_t width,
                 float* sums) {
  for (size_t q = 0; q < n_queries; q++, ints += width, sums += width) {
    const typename V::Floats scale = V::all(of[q].scale), correction = V::all(of[q].correction);
    for (size_t d = 0; d < width; d += V::kLanes) {
      const typename V::Floats before = V::multiply(load_floats<V>(sums + d), correction);
      V::store(sums + d, V::fma(V::to_floats(V::load_ints(ints + d)), scale, before));
    }
  }
}

// x = 2^x of n vectors, x within [-60, 60]; NaN for NaN (in this order of operands it survives the
// bound). Step by step for all, so that they run side by side.
template <class V, int n>
[[gnu::always_inline]] inline void powers_of_two(typename V::Floats (&x)[n]) {
  using Floats = typename V::Floats;
  Floats moved[n], p[n];
  each<n>([&]<int i>(Int<i>) { x[i] = V::larger(V::all(-kMostBits), x[i]); });
  each<n>([&]<int i>(Int<i>) { moved[i] = V::add(x[i], V::all(kMakesInts)); });
  each<n>([&]<int i>(Int<i>) { p[i] = V::subtract(moved[i], V::all(kMakesInts)); });
  each<n>([&]<int i>(Int<i>) { x[i] = V::subtract(x[i], p[i]); });
  each<n>([&]<int i>(Int<i>) { p[i] = V::fma(V::all(kPowers[3]), x[i], V::all(kPowers[2])); });
  each<n>([&]<int i>(Int<i>) { p[i] = V::fma(p[i], x[i], V::all(kPowers[1])); });
  each<n>([&]<int i>(Int<i>) { p[i] = V::fma(p[i], x[i], V::all(kPowers[0])); });
  each<n>([&]<int i>(Int<i>) { p[i] = V::fma(p[i], x[i], V::all(1)); });
  each<n>([&]<int i>(Int<i>) { x[i] = V::add_exponent(p[i], moved[i]); });
}

template <class V>
[[gnu::always_inline]] inline typename V::Floats power_of_two(typename V::Floats x) {
  typename V::Floats one[] = {x};
  powers_of_two<V>(one);
  return one[0];
}

// tanh within 2e-6: its series near zero, where 1 - 2 / (e^2x + 1) cancels.
template <class V>
[[gnu::always_inline]] inline typename V::Floats bounded_tanh(typename V::Floats x) {
  using Floats = typename V::Floats;
  const Floats x2 = V::multiply(x, x);
  Floats series = V::all(kTanh[3]);
  for (int i = 2; i >= 0; i--) series = V::fma(series, x2, V::all(kTanh[i]));
  series = V::fma(V::multiply(series, x2), x, x);
  const Floats bounded = V::smaller(V::all(kMostBits), V::multiply(x, V::all(2 * kLog2E)));
  const Floats e = power_of_two<V>(bounded);
  const Floats far = V::subtract(V::all(1), V::divide(V::all(2), V::add(e, V::all(1))));
  return V::if_less(x2, V::all(0.0625f), series, far);
}

template <class V>
constexpr int kPageVectors = kPageTokens / V::kLanes;

// A query's scores, and what becomes of its largest. Returns the correction.
template <class V, bool is_whole>
float scores_of_query(const PageSoftmax& page, size_t q, float* scores) {
  using Floats = typename V::Floats;
  const SeenPart seen = page.seen[q];
  const Floats factor = V::all(page.factors[q]), nothing = V::all(-__builtin_inff());
  Floats largest = nothing;
  for (int i = 0; i < kPageVectors<V>; i++) {
    const size_t at = V::kLanes * i;
    const Floats isum = V::to_floats(V::load_ints(page.scores + q * kPageTokens + at));
    Floats score = V::multiply(V::multiply(isum, V::load(page.key_scales, at)), factor);
    if (page.softcap != 0)
      score = V::multiply(V::all(page.softcap * kLog2E), bounded_tanh<V>(score));
    if constexpr (!is_whole) score = V::within(score, at, seen.first, seen.end, nothing);
    largest = V::larger(largest, score);
    V::store(scores + at, score);
  }
  const float before = page.max[q], now = V::largest_of(largest);
  if (!(now > before)) return 1;
  page.max[q] = now;
  return V::first_of(power_of_two<V>(V::all(before - now)));
}

// Its weights, and what they take their integers times.
template <class V, bool is_whole>
float weights_of_query(const PageSoftmax& page, size_t q, float correction, float* scores) {
  using Floats = typename V::Floats;
  constexpr int kLaneVectors = kSumLanes / V::kLanes;
  const SeenPart seen = page.seen[q];
  const Floats max = V::all(page.max[q]), nothing = V::all(0);
  Floats weight[kPageVectors<V>], largest = nothing;
  for (int i = 0; i < kPageVectors<V>; i++)
    weight[i] = V::subtract(load_floats<V>(scores + V::kLanes * i), max);
  powers_of_two<V>(weight);
  for (int i = 0; i < kPageVectors<V>; i++) {
    const size_t at = V::kLanes * i;
    Floats of_value = V::multiply(weight[i], V::load(page.value_scales, at));
    if constexpr (!is_whole) {
      weight[i] = V::within(weight[i], at, seen.first, seen.end, nothing);
      of_value = V::within(of_value, at, seen.first, seen.end, nothing);
    }
    largest = V::larger(largest, of_value);
    V::store(scores + at, of_value);
  }
  for (int i = 0; i < kLaneVectors; i++) {
    float* lanes = page.lanes + kSumLanes * q + V::kLanes * i;
    const Floats sum = V::add(V::add(weight[i], weight[i + kLaneVectors]),
                              V::add(weight[i + 2 * kLaneVectors], weight[i + 3 * kLaneVectors]));
    V::store(lanes, V::fma(load_floats<V>(lanes), V::all(correction), sum));
  }
  return V::largest_of(largest) + kLeastWeight;
}

// In three rounds over the queries: each waits long for what is joined across lanes.
template <class V>
void softmax_of(const PageSoftmax& page) {
  alignas(64) float scores[kTileQueries][kPageTokens];
  float most[kTileQueries];
  const auto each_seeing = [&](const auto& f) {
    for (size_t q = 0; q < page.n_queries; q++)
      if (page.seen[q].first < page.seen[q].end) f(q);
  };
  const auto is_whole = [&](size_t q) {
    return page.seen[q].first == 0 && page.seen[q].end == kPageTokens;
  };
  for (size_t q = 0; q < page.n_queries; q++) {
    page.of[q] = {.correction = 1, .scale = 0};
    most[q] = 1;
  }
  each_seeing([&](size_t q) {
    page.of[q].correction = is_whole(q) ? scores_of_query<V, true>(page, q, scores[q])
                                        : scores_of_query<V, false>(page, q, scores[q]);
  });
  each_seeing([&](size_t q) {
    const float correction = page.of[q].correction;
    most[q] = is_whole(q) ? weights_of_query<V, true>(page, q, correction, scores[q])
                          : weights_of_query<V, false>(page, q, correction, scores[q]);
    page.of[q].scale = most[q] * (1 / kMostWeight);
  });
  for (size_t q = 0; q < page.n_queries; q++) {
    const bool is_seen = page.seen[q].first < page.seen[q].end;
    const typename V::Floats factor = V::all(kMostWeight / most[q]);
    for (int i = 0; i < kPageVectors<V>; i++) {
      const typename V::Floats weight =
          is_seen ? load_floats<V>(scores[q] + V::kLanes * i) : V::all(0);
      V::store_words(page.weights + q * kPageTokens + V::kLanes * i,
                     V::fma(weight, factor, V::all(kMakesInts)));
    }
  }
}

template <class V>
void keys_to_ints_of(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to) {
  for (size_t p = 0; p < kPageTokens; p += V::kLanes) {
    for (size_t b = 0; b < dim / 32; b++) {
      const typename V::Ints ratio = V::load_twice(ratios + 2 * (b * kPageTokens + p));
      for (size_t line = 16 * b; line < 16 * (b + 1); line++) {
        const size_t at = 2 * (line * kPageTokens + p);
        V::store_ints(to + at, V::template scaled_bytes<kKeyBits>(bytes + at, ratio));
      }
    }
  }
}

template <class V>
void values_to_ints_of(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to) {
  for (size_t b = 0; b < dim / 32; b++) {
    for (size_t p = 0; p < kPageTokens; p += 2) {
      const typename V::Ints ratio = V::all_pairs(ratios + 2 * (b * kPageTokens + p));
      for (size_t d = 32 * b; d < 32 * (b + 1); d += V::kLanes) {
        const size_t at = p * dim + 2 * d;
        V::store_ints(to + at, V::template scaled_bytes<kValueBits>(bytes + at, ratio));
      }
    }
  }
}

}  // namespace
}  // namespace hearth::cpu
