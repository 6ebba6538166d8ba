// What OpenTelemetry's conventions for generative AI name, as Prometheus writes it: histograms of
// tokens, durations and times to first and later pieces, of every attempt at a model.
//
// The conventions are still in development; their names and bucket borders are in one table of the
// source. Lives on the loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "router/attempt.h"
#include "router/decision.h"

namespace hearth {

class GenAiMetrics {
 public:
  void attempted(router::Origin origin, const router::AttemptRecord& attempt);

  // Appends the families; those that nothing was seen of are left out.
  void write(std::string& page) const;

 private:
  struct Histogram {
    std::vector<uint64_t> counts;  // by bucket; the last one is beyond every border
    double sum = 0;
  };
  void add(size_t metric, const std::string& labels, double value);

  // By metric (a row of the table) and the text of its labels.
  std::map<std::pair<size_t, std::string>, Histogram> histograms_;
};

}  // namespace hearth
