// A trial of a candidate model against what answers a class of requests now: from verdicts to a
// recommendation. The command runs requests and asks judges; this counts. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "router/money.h"
#include "router/policy.h"
#include "support/record.h"

namespace hearth::router {

// The candidate's answer beside the present one's.
enum class Verdict : uint8_t { win, tie, loss };

// One request, run on both; a line of the trial's file.
struct TrialPair {
  std::string decision;  // whose request it was
  Verdict verdict = Verdict::tie;
  double present_usd = 0, candidate_usd = 0;
  double judge_usd = 0;
  static void fields(auto& self, auto&& field) {
    field("decision", self.decision);
    field("verdict", self.verdict);
    field("presentUsd", self.present_usd);
    field("candidateUsd", self.candidate_usd);
    field("judgeUsd", self.judge_usd);
  }
};

struct Interval {
  double mean = 0, low = 0, high = 0;  // 95 %
  static void fields(auto& self, auto&& field) {
    field("mean", self.mean);
    field("low", self.low);
    field("high", self.high);
  }
};

struct TrialReport {
  uint64_t n = 0, n_wins = 0, n_ties = 0, n_losses = 0;
  Interval better;            // wins less losses, as a share of all
  Interval saving_per_month;  // USD
  double spent_usd = 0;       // on the trial
  bool is_no_worse = false;   // better.low is above what may be lost
  static void fields(auto& self, auto&& field) {
    field("pairs", self.n);
    field("wins", self.n_wins);
    field("ties", self.n_ties);
    field("losses", self.n_losses);
    field("better", self.better);
    field("savingPerMonthUsd", self.saving_per_month);
    field("spentUsd", self.spent_usd);
    field("noWorse", self.is_no_worse);
  }
};

// The project that a trial's own requests are of, so that they are no traffic to the next one.
inline constexpr std::string_view kTrialProject = "hearth-trial";

// A candidate that loses up to this share more than it wins is taken for as good.
inline constexpr double kMayLose = 0.05;

// `per_month`: requests of the class in 30 days. Bootstrap over pairs, the same for the same pairs.
TrialReport report_of(const std::vector<TrialPair>& pairs, double per_month);

// The most that a pair may cost: both answers, and two judgements where a judge compares them. Null
// or without a price: free. `n_prompt_bytes` of all messages; each answer at most `max_output`
// tokens, of which a judge is shown no more than so many bytes for each (kShownPerToken).
inline constexpr uint64_t kShownPerToken = 4;
inline constexpr uint32_t kJudgeTokens = 400;
PicoUsd most_of_pair(const Target* present, const Target* candidate, const Target* judge,
                     uint64_t n_prompt_bytes, uint32_t max_output, int64_t time_ms);

// What a judge is asked: which of two answers, called 1 and 2, is better.
std::string judge_prompt(std::string_view request, std::string_view first, std::string_view second);

// What it said: 1, 2, or 0 for neither; -1 when it is not understood.
int parse_judgement(std::string_view answer);

// From both orders, the candidate second and first: only who is better in both has won..
Verdict verdict_of(int candidate_second, int candidate_first);

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::Verdict> {
  using V = router::Verdict;
  static constexpr std::pair<V, std::string_view> names[] = {
      {V::win, "win"}, {V::tie, "tie"}, {V::loss, "loss"}};
};
}  // namespace hearth
