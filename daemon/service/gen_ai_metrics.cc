#include "service/gen_ai_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "service/prometheus.h"

namespace hearth {

namespace {

enum Metric : size_t { kTokens, kDuration, kFirstChunk, kOutputChunk };

constexpr double kTokenBorders[] = {1,     4,     16,     64,      256,     1024,     4096,
                                    16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};
constexpr double kDurationBorders[] = {0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                                       1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
constexpr double kFirstBorders[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                    0.25,  0.5,   0.75, 1,    2.5,  5,    7.5,  10};
constexpr double kChunkBorders[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                    0.3,  0.4,   0.5,  0.75,  1,   2.5};

struct Row {
  std::string_view name, help;
  std::span<const double> borders;
};
constexpr Row kRows[] = {
    {"gen_ai_client_token_usage", "Tokens of an attempt, by type.", kTokenBorders},
    {"gen_ai_client_operation_duration_seconds", "Time that an attempt took.", kDurationBorders},
    {"gen_ai_client_operation_time_to_first_chunk_seconds",
     "Time from an attempt's begin to the first piece of its answer.", kFirstBorders},
    {"gen_ai_client_operation_time_per_output_chunk_seconds",
     "Time for each token of an answer after the first piece.", kChunkBorders},
};

// More models than a policy has are renamed ones.
constexpr size_t kMostSeries = 1024;

}  // namespace

void GenAiMetrics::add(size_t metric, const std::string& labels, double value) {
  auto key = std::pair(metric, labels);
  if (histograms_.size() >= kMostSeries && !histograms_.contains(key)) return;
  const std::span<const double> borders = kRows[metric].borders;
  Histogram& histogram = histograms_[std::move(key)];
  histogram.counts.resize(borders.size() + 1);
  const auto bucket = std::ranges::lower_bound(borders, value) - borders.begin();
  ++histogram.counts[static_cast<size_t>(bucket)];
  histogram.sum += value;
}

void GenAiMetrics::attempted(router::Origin origin, const router::AttemptRecord& attempt) {
  const std::string labels = fmt::format(
      "gen_ai_operation_name=\"{}\",gen_ai_provider_name=\"{}\",gen_ai_request_model=\"{}\"",
      origin == router::Origin::completions ? "text_completion" : "chat",
      prometheus::escaped(attempt.provider), prometheus::escaped(attempt.model));
  const std::string ending =
      attempt.failed_as ? fmt::format(",error_type=\"{}\"", enum_name(*attempt.failed_as)) : "";
  add(kDuration, labels + ending, attempt.total_ms / 1000);
  if (attempt.first_word_ms) add(kFirstChunk, labels, *attempt.first_word_ms / 1000);
  if (attempt.failed_as) return;
  const Usage& usage = attempt.usage;
  add(kTokens, labels + ",gen_ai_token_type=\"input\"", usage.n_prompt);
  add(kTokens, labels + ",gen_ai_token_type=\"output\"", usage.n_completion);
  if (attempt.first_word_ms && usage.n_completion > 1)
    add(kOutputChunk, labels,
        (attempt.total_ms - *attempt.first_word_ms) / 1000 / (usage.n_completion - 1));
}

void GenAiMetrics::write(std::string& page) const {
  auto out = std::back_inserter(page);
  const Row* row = nullptr;
  for (const auto& [key, histogram] : histograms_) {
    const auto& [metric, labels] = key;
    if (row != &kRows[metric]) {
      row = &kRows[metric];
      fmt::format_to(out, "# HELP {0} {1}\n# TYPE {0} histogram\n", row->name, row->help);
    }
    uint64_t n = 0;
    for (size_t i = 0; i < histogram.counts.size(); ++i) {
      n += histogram.counts[i];
      const std::string border =
          i < row->borders.size() ? fmt::format("{}", row->borders[i]) : "+Inf";
      fmt::format_to(out, "{}_bucket{{{},le=\"{}\"}} {}\n", row->name, labels, border, n);
    }
    fmt::format_to(out, "{0}_sum{{{1}}} {2}\n{0}_count{{{1}}} {3}\n", row->name, labels,
                   histogram.sum, n);
  }
}

}  // namespace hearth
