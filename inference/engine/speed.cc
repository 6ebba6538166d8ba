#include "engine/speed.h"

namespace hearth::engine {

namespace {

constexpr double kNewestWeight = 0.2;
constexpr uint32_t kTellingRows = 16;  // fewer say more about the weights than about the rows

void blend(double& average, double sample) {
  average = average == 0 ? sample : average + kNewestWeight * (sample - average);
}

}  // namespace

void Speed::add(uint32_t n_prefill_rows, uint32_t n_decode_rows, double seconds) {
  ++n_steps_;
  n_prefill_ += n_prefill_rows;
  n_decode_ += n_decode_rows;
  if (seconds <= 0) return;
  if (n_prefill_rows == 0 && n_decode_rows > 0) {
    blend(decode_per_s_, n_decode_rows / seconds);
    blend(decode_step_s_, seconds);
  } else if (n_prefill_rows >= kTellingRows && n_prefill_rows > n_decode_rows) {
    // Reading dominates: charge it with all of the time.
    blend(prefill_per_s_, n_prefill_rows / seconds);
  }
}

}  // namespace hearth::engine
