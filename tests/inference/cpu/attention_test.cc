#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "inference/cpu/kv_pages.h"
#include "inference/cpu/paths.h"
#include "inference/cpu/tensors.h"

namespace hearth::cpu {
namespace {

class Attention : public EveryPath {
 protected:
  Machine machine() { return {one_thread_, path()}; }
  Machine threaded() { return {three_threads_, path()}; }

  // Queries are (rows, n_heads, head_dim).
  static std::vector<float> attend(const Machine& machine, const AttentionShape& shape,
                                   const std::vector<AttentionRow>& rows, const float* q) {
    const size_t width = shape.n_heads * shape.k_dim, out_width = shape.n_heads * shape.v_dim;
    std::vector<float> out(rows.size() * out_width);
    attention(machine, shape, rows, q, width, out.data(), out_width);
    return out;
  }

  ThreadPool one_thread_{1};
  ThreadPool three_threads_{3};
};

// One token's attention in double precision over the unrounded keys and values.
std::vector<double> reference(const AttentionShape& shape, const KvPages& kv, uint32_t position,
                              const float* q) {
  std::vector<double> out(shape.n_heads * shape.v_dim);
  for (size_t head = 0; head < shape.n_heads; head++) {
    const size_t kv_head = head / (shape.n_heads / shape.n_kv_heads);
    double denominator = shape.sinks != nullptr ? std::exp(double{shape.sinks[head]}) : 0;
    for (uint32_t p = 0; p <= position; p++) {
      if (shape.window != 0 && position - p >= shape.window) continue;
      double score = 0;
      for (size_t d = 0; d < shape.k_dim; d++) {
        score += double{q[head * shape.k_dim + d]} * kv.key(p, kv_head, d);
      }
      score *= shape.scale;
      if (shape.softcap != 0) score = shape.softcap * std::tanh(score / shape.softcap);
      const double weight = std::exp(score);
      denominator += weight;
      for (size_t d = 0; d < shape.v_dim; d++) {
        out[head * shape.v_dim + d] += weight * kv.value(p, kv_head, d);
      }
    }
    for (size_t d = 0; d < shape.v_dim; d++) out[head * shape.v_dim + d] /= denominator;
  }
  return out;
}

struct Case {
  const char* what;
  AttentionShape shape;
};

AttentionShape shape_of(uint32_t n_heads, uint32_t n_kv_heads, uint32_t head_dim) {
  return {.n_heads = n_heads,
          .n_kv_heads = n_kv_heads,
          .k_dim = head_dim,
          .v_dim = head_dim,
          .scale = 1 / std::sqrt(static_cast<float>(head_dim)),
          .element = KvElement::f32};
}

std::vector<Case> shapes() {
  std::vector<Case> cases = {{"one query head per kv head", shape_of(2, 2, 64)},
                             {"three query heads per kv head", shape_of(9, 3, 64)},
                             {"seven query heads per kv head", shape_of(7, 1, 96)},
                             {"more queries than a block", shape_of(40, 1, 32)},
                             {"a head size that no vector divides", shape_of(4, 2, 20)},
                             {"window within a page", shape_of(4, 2, 32)},
                             {"window over pages", shape_of(4, 2, 32)},
                             {"small softcap", shape_of(4, 2, 32)},
                             {"large softcap", shape_of(4, 2, 32)},
                             {"values narrower than keys", shape_of(4, 2, 64)},
                             {"values wider than keys", shape_of(4, 2, 32)},
                             {"sinks", shape_of(4, 2, 32)},
                             {"sinks and a window", shape_of(4, 2, 32)}};
  static constexpr float kSinks[] = {-3, 0.5f, 40, 2};
  cases[5].shape.window = 10;
  cases[6].shape.window = 100;
  cases[7].shape.softcap = 0.5f;
  cases[8].shape.softcap = 50;
  cases[9].shape.v_dim = 32;
  cases[10].shape.v_dim = 96;
  cases[11].shape.sinks = kSinks;
  cases[12].shape.sinks = kSinks;
  cases[12].shape.window = 70;
  return cases;
}

bool fits(KvElement element, const AttentionShape& shape) {
  return element != KvElement::i8 || (shape.k_dim % 32 == 0 && shape.v_dim % 32 == 0);
}

constexpr uint32_t kLength = 200;
constexpr uint32_t kPositions[] = {0, 1, 7, 62, 63, 64, 65, 127, 128, 199};

TEST_P(Attention, MatchesTheDoubleReference) {
  for (const Case& c : shapes()) {
    SCOPED_TRACE(c.what);
    const KvPages kv(machine(), c.shape, kLength, 1);
    const size_t width = c.shape.n_heads * c.shape.k_dim;
    for (uint32_t position : kPositions) {
      const std::vector<float> q = random_floats(width, position, 2);
      const std::vector<double> expected = reference(c.shape, kv, position, q.data());
      const std::vector<float> actual = attend(machine(), c.shape, {kv.row_at(position)}, q.data());
      EXPECT_LT(normalised_error(actual, expected), 1e-11) << "position " << position;
    }
  }
}

TEST_P(Attention, RoundedCachesStayNearTheReference) {
  struct Rounded {
    KvElement element;
    double error;
  };
  for (Rounded r : {Rounded{KvElement::i16, 2e-7}, Rounded{KvElement::i8, 5e-4}}) {
    AttentionShape shape = shape_of(6, 2, 64);
    shape.element = r.element;
    const KvPages kv(machine(), shape, kLength, 2);
    for (uint32_t position : kPositions) {
      const std::vector<float> q = random_floats(6 * 64, position);
      EXPECT_LT(normalised_error(attend(machine(), shape, {kv.row_at(position)}, q.data()),
                                 reference(shape, kv, position, q.data())),
                r.error)
          << "position " << position;
    }
  }
}

// The scalar path is the definition: integers and their softmax are the same on all.
TEST_P(Attention, OverIntegersGivesTheScalarPathsBits) {
  for (Case c : shapes()) {
    for (KvElement element : {KvElement::i16, KvElement::i8}) {
      if (!fits(element, c.shape)) continue;
      c.shape.element = element;
      SCOPED_TRACE(c.what);
      const KvPages kv(machine(), c.shape, kLength, 16);
      const std::vector<float> q = random_floats(kLength * c.shape.n_heads * c.shape.k_dim, 17, 3);
      std::vector<AttentionRow> rows;
      for (uint32_t p = 0; p < kLength; p++) rows.push_back(kv.row_at(p));
      EXPECT_EQ(attend(machine(), c.shape, rows, q.data()),
                attend({one_thread_, Path::scalar}, c.shape, rows, q.data()));
    }
  }
}

// Norms at their bound and all elements alike: the largest sums there are.
TEST_P(Attention, SumsOfIntegersDoNotOverflow) {
  for (KvElement element : {KvElement::i16, KvElement::i8}) {
    for (uint32_t dim : {32u, 64u, 1024u}) {
      AttentionShape shape = shape_of(1, 1, dim);
      shape.element = element;
      const KvPages kv(machine(), shape, std::vector<float>(kLength * dim, -1e4f));
      const std::vector<float> q(dim, 1e4f);
      for (float y : attend(machine(), shape, {kv.row_at(kLength - 1)}, q.data()))
        EXPECT_NEAR(y, -1e4f, 10);
    }
  }
}

// A prompt read in one piece, in pieces of any size, and token by token.
TEST_P(Attention, GivesTheSameBitsForAnyBatchAndThreadCount) {
  for (Case c : shapes()) {
    for (KvElement element : {KvElement::f32, KvElement::i16, KvElement::i8}) {
      if (!fits(element, c.shape)) continue;
      c.shape.element = element;
      SCOPED_TRACE(c.what);
      const KvPages kv(machine(), c.shape, kLength, 3);
      const size_t width = c.shape.n_heads * c.shape.k_dim;
      const size_t out_width = c.shape.n_heads * c.shape.v_dim;
      const std::vector<float> q = random_floats(kLength * width, 4);
      std::vector<AttentionRow> rows;
      for (uint32_t p = 0; p < kLength; p++) rows.push_back(kv.row_at(p));
      const std::vector<float> all = attend(machine(), c.shape, rows, q.data());
      EXPECT_EQ(attend(threaded(), c.shape, rows, q.data()), all);
      for (size_t piece : {size_t{1}, size_t{7}, size_t{33}}) {
        for (size_t first = 0; first < kLength; first += piece) {
          const size_t n = std::min<size_t>(piece, kLength - first);
          const std::vector<AttentionRow> some(rows.begin() + static_cast<ptrdiff_t>(first),
                                               rows.begin() + static_cast<ptrdiff_t>(first + n));
          const std::vector<float> part =
              attend(threaded(), c.shape, some, q.data() + first * width);
          ASSERT_TRUE(are_same(part.data(), all.data() + first * out_width, n * out_width))
              << n << " rows from " << first;
        }
      }
    }
  }
}

TEST_P(Attention, SequencesInOneBatchDoNotMix) {
  const AttentionShape shape = shape_of(6, 2, 32);
  const size_t width = 6 * 32;
  const KvPages a(machine(), shape, 100, 5), b(machine(), shape, 150, 6);
  // b continues a's positions, so only the pages tell them apart.
  const std::vector<AttentionRow> rows = {a.row_at(98), a.row_at(99), b.row_at(100), b.row_at(101),
                                          a.row_at(50)};
  const std::vector<float> q = random_floats(rows.size() * width, 7);
  const std::vector<float> together = attend(threaded(), shape, rows, q.data());
  for (size_t i = 0; i < rows.size(); i++) {
    const std::vector<float> alone = attend(machine(), shape, {rows[i]}, q.data() + i * width);
    EXPECT_TRUE(are_same(alone.data(), together.data() + i * width, width)) << "row " << i;
  }
}

TEST_P(Attention, PagesBeforeTheWindowAreNotTouched) {
  AttentionShape shape = shape_of(4, 2, 32);
  shape.window = 40;
  KvPages kv(machine(), shape, kLength, 8);
  const std::vector<float> q = random_floats(2 * 4 * 32, 9);
  const std::vector<AttentionRow> rows = {kv.row_at(170), kv.row_at(171)};
  const std::vector<float> before = attend(machine(), shape, rows, q.data());
  kv.forget_pages_before(2);  // 171 - 40 is in page 2
  EXPECT_EQ(attend(machine(), shape, rows, q.data()), before);
}

TEST_P(Attention, WritesOnlyItsHeadsOfStridedRows) {
  const AttentionShape shape = shape_of(2, 1, 32);
  const KvPages kv(machine(), shape, 3, 10);
  const std::vector<AttentionRow> rows = {kv.row_at(1), kv.row_at(2)};
  const std::vector<float> q = random_floats(2 * 100, 11);
  std::vector<float> out(2 * 80, 12345);
  attention(machine(), shape, rows, q.data(), 100, out.data(), 80);
  for (size_t row = 0; row < 2; row++) {
    const std::vector<float> alone = attend(machine(), shape, {rows[row]}, q.data() + row * 100);
    EXPECT_TRUE(are_same(alone.data(), out.data() + row * 80, 64));
    for (size_t i = 64; i < 80; i++) EXPECT_EQ(out[row * 80 + i], 12345);
  }
}

TEST_P(Attention, HugeScoresDoNotOverflow) {
  const AttentionShape shape = shape_of(2, 1, 32);
  const KvPages kv(machine(), shape, 100, 12);
  const std::vector<float> q = random_floats(2 * 32, 13, 1e6f);
  for (float y : attend(machine(), shape, {kv.row_at(99)}, q.data())) {
    EXPECT_TRUE(std::isfinite(y));
  }
}

TEST_P(Attention, NonFiniteQueriesGiveNonFiniteResults) {
  for (Case c : shapes()) {
    for (KvElement element : {KvElement::f32, KvElement::i16, KvElement::i8}) {
      if (!fits(element, c.shape)) continue;
      c.shape.element = element;
      const KvPages kv(machine(), c.shape, 100, 14);
      for (float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY}) {
        std::vector<float> q = random_floats(c.shape.n_heads * c.shape.k_dim, 15);
        q[0] = bad;
        const std::vector<float> out = attend(machine(), c.shape, {kv.row_at(99)}, q.data());
        // A softcap turns an infinite score into a finite one.
        if (c.shape.softcap == 0 || std::isnan(bad)) {
          EXPECT_FALSE(std::isfinite(out[0])) << c.what;
        }
        EXPECT_TRUE(c.shape.n_heads == 1 || std::isfinite(out[c.shape.v_dim])) << c.what;
      }
    }
  }
}

TEST_P(Attention, NonFiniteKeysAndValuesShow) {
  for (KvElement element : {KvElement::f32, KvElement::i16, KvElement::i8}) {
    AttentionShape shape = shape_of(2, 1, 32);
    shape.element = element;
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY}) {
      std::vector<float> rows(100 * 32, 0.5f);
      rows[70 * 32 + 3] = bad;
      const KvPages kv(machine(), shape, rows);
      const std::vector<float> q(2 * 32, 1);
      EXPECT_TRUE(std::isfinite(attend(machine(), shape, {kv.row_at(69)}, q.data())[3]));
      EXPECT_FALSE(std::isfinite(attend(machine(), shape, {kv.row_at(99)}, q.data())[3]));
    }
  }
}

HEARTH_FOR_EVERY_PATH(Attention);

TEST(KvStore, RowBytesFollowTheElement) {
  EXPECT_EQ(kv_row_bytes(KvElement::f32, 64), 256u);
  EXPECT_EQ(kv_row_bytes(KvElement::i16, 64), 132u);
  EXPECT_EQ(kv_row_bytes(KvElement::i16, 20), 68u);
  EXPECT_EQ(kv_row_bytes(KvElement::i8, 64), 72u);
}

}  // namespace
}  // namespace hearth::cpu
