// What has an exponential in it.
#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/vector.h"

namespace hearth::cpu::avx2 {
namespace {

// tanh within about 3e-7 relative: its series near zero, where (e^2x - 1) / (e^2x + 1) cancels.
__m256 tanh_of(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 x2 = _mm256_mul_ps(x, x);
  __m256 series = _mm256_set1_ps(62.0f / 2835);
  series = _mm256_fmadd_ps(series, x2, _mm256_set1_ps(-17.0f / 315));
  series = _mm256_fmadd_ps(series, x2, _mm256_set1_ps(2.0f / 15));
  series = _mm256_fmadd_ps(series, x2, _mm256_set1_ps(-1.0f / 3));
  series = _mm256_fmadd_ps(_mm256_mul_ps(series, x2), x, x);
  const __m256 e = exp_of(_mm256_add_ps(x, x));
  const __m256 far = _mm256_sub_ps(one, _mm256_div_ps(_mm256_set1_ps(2.0f), _mm256_add_ps(e, one)));
  const __m256 is_near = _mm256_cmp_ps(x2, _mm256_set1_ps(0.25f * 0.25f), _CMP_LT_OQ);
  return _mm256_blendv_ps(far, series, is_near);
}

}  // namespace

void silu_mul(const float* gate, const float* up, size_t n, float* act) {
  const __m256 one = _mm256_set1_ps(1.0f);
  for (size_t i = 0; i < n; i += kLanes) {
    const __m256 g = load_first(gate + i, n - i);
    const __m256 e = exp_of(_mm256_sub_ps(_mm256_setzero_ps(), g));
    __m256 out = _mm256_div_ps(g, _mm256_add_ps(one, e));
    if (up != nullptr) out = _mm256_mul_ps(out, load_first(up + i, n - i));
    store_first(act + i, out, n - i);
  }
}

void gelu_mul(const float* gate, const float* up, size_t n, float* act) {
  const __m256 scale = _mm256_set1_ps(0.79788456f);  // sqrt(2 / pi)
  const __m256 cubic = _mm256_set1_ps(0.044715f);
  const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
  for (size_t i = 0; i < n; i += kLanes) {
    const __m256 g = load_first(gate + i, n - i);
    const __m256 g3 = _mm256_mul_ps(g, _mm256_mul_ps(g, g));
    const __m256 inner = _mm256_mul_ps(scale, _mm256_fmadd_ps(cubic, g3, g));
    __m256 out = _mm256_mul_ps(_mm256_mul_ps(half, g), _mm256_add_ps(one, tanh_of(inner)));
    if (up != nullptr) out = _mm256_mul_ps(out, load_first(up + i, n - i));
    store_first(act + i, out, n - i);
  }
}

// The bound is the first operand of min and max: NaN survives.
void gpt_oss_mul(const float* gate, const float* up, size_t n, float* act) {
  const __m256 high = _mm256_set1_ps(7.0f), low = _mm256_set1_ps(-7.0f);
  const __m256 one = _mm256_set1_ps(1.0f), slope = _mm256_set1_ps(1.702f);
  for (size_t i = 0; i < n; i += kLanes) {
    const __m256 g = _mm256_min_ps(high, load_first(gate + i, n - i));
    const __m256 e = exp_of(_mm256_sub_ps(_mm256_setzero_ps(), _mm256_mul_ps(slope, g)));
    const __m256 swish = _mm256_div_ps(g, _mm256_add_ps(one, e));
    __m256 u = _mm256_setzero_ps();
    if (up != nullptr) {
      u = _mm256_max_ps(low, _mm256_min_ps(high, load_first(up + i, n - i)));
    }
    store_first(act + i, _mm256_mul_ps(swish, _mm256_add_ps(u, one)), n - i);
  }
}

float softmax_tile(float* scores, size_t n, float scale, float softcap, SoftmaxState& state) {
  const __m256 factor = _mm256_set1_ps(scale);
  const __m256 cap = _mm256_set1_ps(softcap);
  __m256 max = _mm256_set1_ps(state.max);
  for (size_t j = 0; j < n; j += kLanes) {
    __m256 s = _mm256_mul_ps(load_first(scores + j, n - j), factor);
    if (softcap != 0) s = _mm256_mul_ps(cap, tanh_of(_mm256_div_ps(s, cap)));
    store_first(scores + j, s, n - j);
    if (n - j < kLanes) {  // lanes beyond the end must not count
      s = _mm256_blendv_ps(max, s, _mm256_castsi256_ps(first_lanes(n - j)));
    }
    max = _mm256_max_ps(max, s);
  }
  const float new_max = max_of(max);
  const __m256 shift = _mm256_set1_ps(new_max);
  const __m256 correction = exp_of(_mm256_sub_ps(_mm256_set1_ps(state.max), shift));
  __m256 sum = _mm256_setzero_ps();
  for (size_t j = 0; j < n; j += kLanes) {
    __m256 p = exp_of(_mm256_sub_ps(load_first(scores + j, n - j), shift));
    store_first(scores + j, p, n - j);
    if (n - j < kLanes) p = _mm256_and_ps(p, _mm256_castsi256_ps(first_lanes(n - j)));
    sum = _mm256_add_ps(sum, p);
  }
  const float old = _mm256_cvtss_f32(correction);
  state = {new_max, state.sum * old + sum_of(sum)};
  return old;
}

}  // namespace hearth::cpu::avx2
