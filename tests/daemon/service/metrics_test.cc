// The page that Prometheus reads.
#include "service/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth {
namespace {

using ::testing::HasSubstr;

TEST(MetricsPage, NamesWithQuotesAndLineBreaksStayInTheirLabels) {
  Metrics metrics;
  Metrics::Gauges gauges;
  router::TargetStanding& standing = gauges.targets.emplace_back();
  standing.target = "a \"quoted\" \\ name";
  standing.endpoint = "http://one\ntwo";
  EXPECT_THAT(metrics.prometheus(gauges),
              HasSubstr("hearth_target_up{target=\"a \\\"quoted\\\" \\\\ name\","
                        "endpoint=\"http://one\\ntwo\"} 1\n"));
}

}  // namespace
}  // namespace hearth
