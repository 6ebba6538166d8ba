#include "backend/cpu/simd/attention.h"
#include "backend/cpu/simd/int_attention.h"

#include "backend/cpu/avx2/vector.h"
#include "backend/cpu/avx512/avx512.h"
#include "backend/cpu/avx512/int8_vector.h"

namespace hearth::cpu::avx512 {
namespace {

struct V {
  using Floats = __m512;
  using Ints = __m512i;
  static constexpr size_t kLanes = 16;
  static constexpr int kSums = 24;  // of thirty-two registers

  // Elements i.. of a row, of which the first n exist.
  static Floats load(const uint8_t* row, size_t i, size_t n = kLanes) {
    const uint8_t* from = row + i * sizeof(float);
    uint8_t copy[kLanes * sizeof(float)];
    if (n < kLanes) {
      __builtin_memset(copy, 0, sizeof copy);
      __builtin_memcpy(copy, from, n * sizeof(float));
      from = copy;
    }
    return _mm512_loadu_ps(from);
  }
  static void store(float* to, Floats v, size_t n = kLanes) {
    if (n == kLanes) return Avx512::store(to, v);
    float copy[kLanes];
    Avx512::store(copy, v);
    __builtin_memcpy(to, copy, n * sizeof(float));
  }
  static Floats zero() { return Avx512::floats(0); }
  static Floats all(float value) { return Avx512::floats(value); }
  static Floats multiply(Floats a, Floats b) { return Avx512::multiply(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return Avx512::fma(a, b, c); }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
  // The second where either is NaN.
  static Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  static Floats smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }
  static Floats if_less(Floats a, Floats b, Floats yes, Floats no) {
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), yes);
  }
  // v in the lanes i of which first <= start + i < end, else other.
  static Floats within(Floats v, size_t start, size_t first, size_t end, Floats other) {
    const uint64_t seen = (~uint64_t{0} >> (kPageTokens - end)) & (~uint64_t{0} << first);
    return _mm512_mask_mov_ps(other, static_cast<__mmask16>(seen >> start), v);
  }
  // p times 2^n, where n is what kMakesInts was added to.
  static Floats add_exponent(Floats p, Floats n) {
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(n), 23)));
  }
  static void store_words(int16_t* to, Floats v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm512_cvtepi32_epi16(_mm512_castps_si512(v)));
  }
  static float first_of(Floats v) { return _mm_cvtss_f32(_mm512_castps512_ps128(v)); }
  static float largest_of(Floats v) {
    const __m256 second = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
    return max_of(_mm256_max_ps(_mm512_castps512_ps256(v), second));
  }
  static Ints no_ints() { return _mm512_castps_si512(Avx512::zeros()); }
  static Ints load_ints(const void* from) { return _mm512_loadu_si512(from); }
  static void store_ints(int32_t* to, Ints v) { _mm512_storeu_si512(to, v); }
  static void store_ints(int16_t* to, Ints v) { _mm512_storeu_si512(to, v); }
  static Ints all_pairs(const void* pair) {
    return Avx512::broadcast_4(static_cast<const uint8_t*>(pair));
  }
  // Sixteen of two bytes, each in both halves of a lane.
  static Ints load_twice(const uint8_t* from) {
    const Ints v = _mm512_cvtepu16_epi32(load_32(from));
    return _mm512_or_si512(v, _mm512_slli_epi32(v, 16));
  }
  // Bytes times 2^bits times ratio / 2^15.
  template <int bits>
  static Ints scaled_bytes(const uint8_t* from, Ints ratio) {
    return _mm512_mulhrs_epi16(_mm512_slli_epi16(_mm512_cvtepi8_epi16(load_32(from)), bits), ratio);
  }
  static Ints add_pair_products(Ints sum, Ints a, Ints b) {
    return Avx512::add_pair_products(sum, a, b);
  }
  static Floats to_floats(Ints v) { return Avx512::to_floats(v); }
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

}  // namespace hearth::cpu::avx512
