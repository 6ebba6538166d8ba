#include "money/output_history.h"

#include <algorithm>
#include <cmath>

namespace hearth::router {

void OutputHistory::add(TaskClass task, const std::string& target, std::optional<Effort> effort,
                        uint32_t n_output) {
  Histogram& histogram = histograms_[{task, target, effort}];
  const double octaves = std::log2(static_cast<double>(n_output) + 1);
  const auto bucket = static_cast<size_t>(octaves * kPerOctave);
  ++histogram.counts[std::min(bucket, kBuckets - 1)];
  if (++histogram.n < kFadeAt) return;
  histogram.n = 0;
  for (uint32_t& count : histogram.counts) histogram.n += count /= 2;
}

std::optional<uint32_t> OutputHistory::p99(TaskClass task, const std::string& target,
                                           std::optional<Effort> effort) const {
  auto found = histograms_.find({task, target, effort});
  if (found == histograms_.end() || found->second.n < kEnough) return std::nullopt;
  const Histogram& histogram = found->second;
  uint32_t n_longer = 0;
  for (size_t bucket = kBuckets; bucket-- > 0;) {
    n_longer += histogram.counts[bucket];
    if (n_longer * 100 <= histogram.n) continue;
    const double end = std::exp2(static_cast<double>(bucket + 1) / kPerOctave);
    return static_cast<uint32_t>(std::ceil(end)) - 1;
  }
  return 0;
}

}  // namespace hearth::router
