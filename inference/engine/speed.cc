#include "engine/speed.h"

namespace hearth::engine {

namespace {

constexpr double kNewestWeight = 0.2;
constexpr uint32_t kTellingRows = 16;  // fewer say more about the weights than about the rows

void blend(double& average, double sample) {
  average = average == 0 ? sample : average + kNewestWeight * (sample - average);
}

}  // namespace

void Speed::add(const StepWork& work, double seconds) {
  const auto n_prefill_rows = static_cast<uint32_t>(work.prefill_rows);
  const auto n_decode_rows = static_cast<uint32_t>(work.decode_rows);
  ++n_steps_;
  n_prefill_ += n_prefill_rows;
  n_decode_ += n_decode_rows;
  if (seconds <= 0) return;
  StepTerms terms;
  terms_of(work, terms);
  steps_.learn(terms, 1000 * seconds);
  if (n_prefill_rows == 0 && n_decode_rows > 0) {
    blend(decode_per_s_, n_decode_rows / seconds);
    blend(decode_step_s_, seconds);
  } else if (n_prefill_rows >= kTellingRows && n_prefill_rows > n_decode_rows) {
    // Reading dominates: charge it with all of the time.
    blend(prefill_per_s_, n_prefill_rows / seconds);
  }
}

StepModel Speed::steps() const {
  StepModel model;
  for (size_t i = 0; i < StepModel::kTerms; ++i) model.ms[i] = steps_.price(i);
  model.sd = steps_.sd();
  model.n_seen = steps_.n_seen();
  return model;
}

}  // namespace hearth::engine
