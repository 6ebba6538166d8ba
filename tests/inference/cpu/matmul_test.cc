#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "gguf/types.h"
#include "inference/cpu/paths.h"
#include "inference/cpu/tensors.h"

namespace hearth::cpu {
namespace {

using gguf::Type;

constexpr Type kFloats[] = {Type::f32, Type::f16, Type::bf16};
constexpr Type kQuantized[] = {Type::q4_0, Type::q4_1, Type::q5_0, Type::q5_1, Type::q8_0,
                               Type::q4_k, Type::q5_k, Type::q6_k, Type::mxfp4};

std::vector<Type> all_types() {
  std::vector<Type> types(std::begin(kFloats), std::end(kFloats));
  types.insert(types.end(), std::begin(kQuantized), std::end(kQuantized));
  return types;
}

class Matmul : public EveryPath {
 protected:
  std::vector<float> product(const Weights& w, const std::vector<float>& x, size_t n_tokens,
                             bool exact = false) {
    return product_on(path(), one_thread_, w, x, n_tokens, exact);
  }

  static std::vector<float> product_on(Path path, ThreadPool& pool, const Weights& w,
                                       const std::vector<float>& x, size_t n_tokens,
                                       bool exact = false) {
    std::vector<float> y(n_tokens * w.rows);
    const Packed packed(w, path);
    matmul({pool, path}, exact ? w.matrix() : packed.matrix, x.data(), n_tokens, y.data(), w.rows);
    return y;
  }

  ThreadPool one_thread_{1};
  ThreadPool three_threads_{3};
};

// Token t of the batch is computed alone, among 7 and among all, by one thread and by three. 37
// rows leave a part of a strip; 130 tokens leave a part of a chunk.
TEST_P(Matmul, GivesTheSameBitsForAnyBatchAndThreadCount) {
  constexpr size_t kCols = 512, kRows = 37, kTokens = 130;
  const std::vector<float> x = random_floats(kTokens * kCols, 1);
  for (Type type : all_types()) {
    for (bool exact : {false, true}) {
      SCOPED_TRACE(testing::Message() << gguf::name_of(type) << (exact ? " exact" : ""));
      const Weights w = random_weights(type, kCols, kRows, 2);
      const std::vector<float> all = product(w, x, kTokens, exact);
      EXPECT_EQ(product_on(path(), three_threads_, w, x, kTokens, exact), all);
      for (size_t n : {size_t{1}, size_t{2}, size_t{7}, size_t{33}}) {
        for (size_t first : {size_t{0}, size_t{5}, kTokens - n}) {
          const std::vector<float> some_x(x.begin() + static_cast<ptrdiff_t>(first * kCols),
                                          x.begin() + static_cast<ptrdiff_t>((first + n) * kCols));
          const std::vector<float> some = product_on(path(), three_threads_, w, some_x, n, exact);
          EXPECT_TRUE(are_same(some.data(), all.data() + first * kRows, n * kRows))
              << n << " tokens from " << first;
        }
      }
    }
  }
}

TEST_P(Matmul, QuantizedProductsStayNearTheDoubleReference) {
  constexpr size_t kCols = 1536, kRows = 40, kTokens = 9;
  const std::vector<float> x = random_floats(kTokens * kCols, 3);
  for (Type type : kQuantized) {
    const Weights w = random_weights(type, kCols, kRows, 4);
    const double error = normalised_error(product(w, x, kTokens), reference_product(w, x, kTokens));
    EXPECT_LT(error, 1e-4) << gguf::name_of(type);
  }
}

TEST_P(Matmul, FloatAndExactProductsMatchTheDoubleReference) {
  constexpr size_t kCols = 1536, kRows = 40, kTokens = 9;
  const std::vector<float> x = random_floats(kTokens * kCols, 5);
  for (Type type : all_types()) {
    const Weights w = random_weights(type, kCols, kRows, 6);
    const double error =
        normalised_error(product(w, x, kTokens, true), reference_product(w, x, kTokens));
    EXPECT_LT(error, 1e-12) << gguf::name_of(type);
  }
}

TEST_P(Matmul, QuantizedProductsHaveTheBitsOfTheScalarPath) {
  constexpr size_t kCols = 768, kRows = 37, kTokens = 45;  // two tiles and a part of one
  const std::vector<float> x = random_floats(kTokens * kCols, 7);
  for (Type type : kQuantized) {
    const Weights w = random_weights(type, kCols, kRows, 8);
    const std::vector<float> scalar = product_on(Path::scalar, one_thread_, w, x, kTokens);
    EXPECT_EQ(product(w, x, kTokens), scalar) << gguf::name_of(type);
    EXPECT_EQ(product(w, x, 1), std::vector<float>(scalar.begin(), scalar.begin() + kRows))
        << gguf::name_of(type);
  }
}

// The largest quants times the largest activations: where an int16 sum would overflow first.
TEST_P(Matmul, ExtremeQuantsDoNotSaturate) {
  constexpr size_t kCols = 512, kRows = 16, kTokens = 29;
  std::vector<float> x(kTokens * kCols, 1);
  std::fill(x.begin() + kCols, x.begin() + 2 * kCols, -1.0f);
  for (Type type : kQuantized) {
    for (int fill : {0x00, 0x7f, 0x80, 0xff}) {
      SCOPED_TRACE(testing::Message() << gguf::name_of(type) << " filled with " << fill);
      const Weights w = filled_weights(type, kCols, kRows, static_cast<uint8_t>(fill));
      const std::vector<double> expected = reference_product(w, x, kTokens);
      for (size_t n : {size_t{1}, size_t{5}, kTokens}) {
        const std::vector<float> y = product(w, x, n);
        for (size_t i = 0; i < y.size(); i++) {
          EXPECT_NEAR(y[i], expected[i], 1e-5 * std::abs(expected[i]) + 1e-3) << i;
        }
      }
    }
  }
}

TEST_P(Matmul, HostileBlocksAreHandledAlikeInAnyBatch) {
  constexpr size_t kCols = 512, kRows = 24, kTokens = 9;
  const std::vector<float> x = random_floats(kTokens * kCols, 9);
  for (Type type : all_types()) {
    const Weights w = random_bytes(type, kCols, kRows, 10);
    const std::vector<float> all = product(w, x, kTokens);
    const std::vector<float> one = product(w, x, 1);
    EXPECT_TRUE(are_same(all.data(), one.data(), kRows)) << gguf::name_of(type);
  }
}

TEST_P(Matmul, NonFiniteActivationsShowInTheirOwnTokenOnly) {
  constexpr size_t kCols = 256, kRows = 16, kTokens = 6;
  const std::vector<float> clean = random_floats(kTokens * kCols, 11);
  for (Type type : all_types()) {
    SCOPED_TRACE(gguf::name_of(type));
    const Weights w = random_weights(type, kCols, kRows, 12);
    const std::vector<float> expected = product(w, clean, kTokens);
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}) {
      std::vector<float> x = clean;
      x[2 * kCols + 100] = bad;
      const std::vector<float> y = product(w, x, kTokens);
      for (size_t t = 0; t < kTokens; t++) {
        const float* row = y.data() + t * kRows;
        if (t == 2) {
          EXPECT_FALSE(std::isfinite(row[0]));
        } else {
          EXPECT_TRUE(are_same(row, expected.data() + t * kRows, kRows)) << t;
        }
      }
    }
  }
}

TEST_P(Matmul, TinyAndZeroActivationsGiveZero) {
  constexpr size_t kCols = 256, kRows = 8;
  for (float value : {0.0f, 1e-38f, 1e-44f}) {
    const std::vector<float> x(5 * kCols, value);
    for (Type type : kQuantized) {
      for (float y : product(random_weights(type, kCols, kRows, 13), x, 5)) {
        EXPECT_NEAR(y, 0, 1e-30) << gguf::name_of(type) << " of " << value;
      }
    }
  }
}

TEST_P(Matmul, SeveralMatricesOfMixedTypesEqualEachAlone) {
  constexpr size_t kCols = 256, kTokens = 10;
  const std::vector<float> x = random_floats(kTokens * kCols, 14);
  const Weights weights[] = {
      random_weights(Type::q4_k, kCols, 48, 15), random_weights(Type::q8_0, kCols, 5, 16),
      random_weights(Type::q6_k, kCols, 17, 17), random_weights(Type::f16, kCols, 3, 18)};
  std::vector<Packed> matrices;
  std::vector<std::vector<float>> results;
  for (const Weights& w : weights) {
    matrices.emplace_back(w, path());
    results.emplace_back(kTokens * w.rows);
  }
  std::vector<MatmulOut> outs;
  for (size_t i = 0; i < 4; i++)
    outs.push_back({&matrices[i].matrix, results[i].data(), weights[i].rows});
  matmul_many({three_threads_, path()}, outs, x.data(), kTokens);
  for (size_t i = 0; i < 4; i++) EXPECT_EQ(results[i], product(weights[i], x, kTokens)) << i;
}

TEST_P(Matmul, WritesOnlyItsOwnPartOfStridedRows) {
  constexpr size_t kCols = 256, kRows = 19, kStride = 24, kTokens = 9;
  constexpr float kUntouched = 12345;
  const std::vector<float> x = random_floats(kTokens * kCols, 19);
  for (Type type : all_types()) {
    const Weights w = random_weights(type, kCols, kRows, 20);
    const std::vector<float> expected = product(w, x, kTokens);
    for (size_t n : {size_t{1}, kTokens}) {
      std::vector<float> y(kTokens * kStride, kUntouched);
      const Packed packed(w, path());
      matmul({three_threads_, path()}, packed.matrix, x.data(), n, y.data(), kStride);
      for (size_t t = 0; t < kTokens; t++) {
        for (size_t r = 0; r < kStride; r++) {
          const float want = t < n && r < kRows ? expected[t * kRows + r] : kUntouched;
          EXPECT_EQ(y[t * kStride + r], want) << gguf::name_of(type) << " " << t << " " << r;
        }
      }
    }
  }
}

TEST_P(Matmul, FormatsWithoutKernelsAreDequantized) {
  constexpr size_t kCols = 512, kRows = 6, kTokens = 5;
  const std::vector<float> x = random_floats(kTokens * kCols, 21);
  for (Type type : {Type::q2_k, Type::q3_k, Type::iq4_nl}) {
    if (!gguf::traits_of(type).is_computable) continue;
    Weights w = random_bytes(type, kCols, kRows, 22);
    const std::vector<double> expected = reference_product(w, x, kTokens);
    const std::vector<float> y = product(w, x, kTokens);
    for (size_t i = 0; i < y.size(); i++) {
      if (!std::isfinite(expected[i]) || std::abs(expected[i]) > 1e30) continue;
      EXPECT_NEAR(y[i], expected[i], 1e-3 * std::abs(expected[i]) + 1) << gguf::name_of(type);
    }
  }
}

TEST_P(Matmul, AnEmptyBatchDoesNothing) {
  const Weights w = random_weights(Type::q8_0, 32, 4, 23);
  EXPECT_THAT(product(w, {}, 0), testing::IsEmpty());
}

HEARTH_FOR_EVERY_PATH(Matmul);

}  // namespace
}  // namespace hearth::cpu
