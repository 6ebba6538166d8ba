#include "backend/cpu/simd/attention.h"
#include "backend/cpu/simd/int_attention.h"

#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/elements.h"

namespace hearth::cpu::avx2 {
namespace {

struct V {
  using Floats = __m256;
  using Ints = __m256i;
  static constexpr size_t kLanes = 8;
  static constexpr int kSums = 12;  // of sixteen registers

  // Elements i.. of a row, of which the first n exist.
  static Floats load(const uint8_t* row, size_t i, size_t n = kLanes) {
    return n < kLanes ? load_tail<F32>(row, i, n) : F32::load(row, i);
  }
  static void store(float* to, Floats v, size_t n = kLanes) { store_first(to, v, n); }
  static Floats zero() { return _mm256_setzero_ps(); }
  static Floats all(const float& value) { return _mm256_broadcast_ss(&value); }
  static Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
  // The second where either is NaN.
  static Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  static Floats smaller(Floats a, Floats b) { return _mm256_min_ps(a, b); }
  static Floats if_less(Floats a, Floats b, Floats yes, Floats no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  // v in the lanes i of which first <= start + i < end, else other.
  static Floats within(Floats v, size_t start, size_t first, size_t end, Floats other) {
    const auto lanes_before = [&](size_t n) { return first_lanes(n > start ? n - start : 0); };
    const __m256i seen = _mm256_andnot_si256(lanes_before(first), lanes_before(end));
    return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(seen));
  }
  // p times 2^n, where n is what kMakesInts was added to.
  static Floats add_exponent(Floats p, Floats n) {
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(n), 23)));
  }
  // Lanes that kMakesInts was added to and that are not negative.
  static void store_words(int16_t* to, Floats v) {
    const __m256i ints = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0xffff));
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(to),
        _mm_packus_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256(ints, 1)));
  }
  static float first_of(Floats v) { return _mm256_cvtss_f32(v); }
  static float largest_of(Floats v) { return max_of(v); }

  static Ints no_ints() { return _mm256_setzero_si256(); }
  static Ints load_ints(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }
  static void store_ints(int32_t* to, Ints v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v);
  }
  static void store_ints(int16_t* to, Ints v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v);
  }
  // Eight of two bytes, each in both halves of a lane.
  static Ints load_twice(const uint8_t* from) {
    const Ints v = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    return _mm256_or_si256(v, _mm256_slli_epi32(v, 16));
  }
  // Bytes times 2^bits times ratio / 2^15.
  template <int bits>
  static Ints scaled_bytes(const uint8_t* from, Ints ratio) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_mulhrs_epi16(_mm256_slli_epi16(_mm256_cvtepi8_epi16(bytes), bits), ratio);
  }
  static Ints all_pairs(const void* pair) {
    int32_t word;
    __builtin_memcpy(&word, pair, sizeof word);
    return _mm256_set1_epi32(word);
  }
  static Ints add_pair_products(Ints sum, Ints a, Ints b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  }
  static Floats to_floats(Ints v) { return _mm256_cvtepi32_ps(v); }
};

}  // namespace

void score(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
           size_t n_queries, float* scores) {
  scores_of<V>(keys, first, end, k_dim, queries, n_queries, scores);
}

void weighted_sum(const float* p, size_t n_queries, const float* correction, const uint8_t* v,
                  size_t n, size_t head_dim, float* sums) {
  sums_of<V>({p, correction, v, n, head_dim, sums}, n_queries);
}

void pair_products(const PairProduct& product) { pair_products_of<V>(product); }

void softmax_ints(const PageSoftmax& page) { softmax_of<V>(page); }

void add_page(const int32_t* ints, const PageWeight* of, size_t n_queries, size_t width,
              float* sums) {
  add_page_of<V>(ints, of, n_queries, width, sums);
}

void keys_to_ints(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to) {
  keys_to_ints_of<V>(ratios, bytes, dim, to);
}
void values_to_ints(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to) {
  values_to_ints_of<V>(ratios, bytes, dim, to);
}

}  // namespace hearth::cpu::avx2
