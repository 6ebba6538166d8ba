// How long answers were, thoughts included, by class, target and effort, for what a reservation
// must hold. Old ones fade. Lives on one thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "router/decision.h"

namespace hearth::router {

class OutputHistory {
 public:
  void add(TaskClass task, const std::string& target, std::optional<Effort> effort,
           uint32_t n_output);

  // No more than one answer in a hundred was longer, to 19 % (a bucket's width). Nothing until
  // enough have been seen.
  std::optional<uint32_t> p99(TaskClass task, const std::string& target,
                              std::optional<Effort> effort) const;

 private:
  static constexpr size_t kPerOctave = 4, kBuckets = 24 * kPerOctave;
  static constexpr uint32_t kEnough = 50, kFadeAt = 4096;
  struct Histogram {
    std::array<uint32_t, kBuckets> counts{};
    uint32_t n = 0;
  };
  std::map<std::tuple<TaskClass, std::string, std::optional<Effort>>, Histogram> histograms_;
};

}  // namespace hearth::router
