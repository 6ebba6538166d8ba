// How often the router, learning online, stays within 2 % of the best fixed target in hindsight:
// over seeded sets of many shapes, numbers of targets, sizes and worths of a right answer, and over
// recorded outcomes in shuffled orders. Prints one JSON object a group.
//
//   never_worse_bench [--runs N] [--most-rows N] [--seed N] [--verbose] [--folds] [FILE.jsonl...]
//
// FILE: rows of `hearth route simulate`; with --folds four fifths of them are seen beforehand.
//
// "informed" always takes the target whose expected utility is highest, which nobody knows
// beforehand: what even that one loses to hindsight is luck, and no router can do better where
// words tell nothing.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "router/simulation.h"

namespace hearth::router {
namespace {

using Rows = std::vector<RecordedRequest>;

// noise: a chance for each target. ladder: one hardness for all, dearer is better. topics: words
// tell who is good. alike: nearly equal chances. graded: quality is no coin but a figure. sparse:
// rows lack targets. sorted: topics one after the other. tails: some requests cost a hundred times
// as much.
constexpr const char* kShapes[] = {"noise",  "ladder", "topics", "alike",
                                   "graded", "sparse", "sorted", "tails"};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  double unit() { return std::uniform_real_distribution<double>()(random_); }
  double between(double low, double high) { return low + (high - low) * unit(); }
  double log_between(double low, double high) {
    return std::exp(between(std::log(low), std::log(high)));
  }
  size_t below(size_t n) {
    return std::min(static_cast<size_t>(unit() * static_cast<double>(n)), n - 1);
  }

  struct Set {
    Rows rows;
    std::map<std::string, double> chance;  // expected quality, by target
  };

  Set make(std::string_view shape, size_t n_targets, size_t n_rows) {
    constexpr size_t kTopics = 4;
    struct Arm {
      std::string name;
      double cost = 0;
      double skill[kTopics] = {};
    };
    std::vector<Arm> arms(n_targets);
    const double spread = log_between(1.5, 300), cheapest = log_between(1e-6, 1e-3);
    const double middle = between(0.4, 0.9);
    for (size_t i = 0; i < n_targets; ++i) {
      arms[i].name = fmt::format("t{:02}", (i * 7 + 3) % 11);
      const double rank = unit();
      arms[i].cost = cheapest * std::pow(spread, rank);
      double skill = between(0.15, 0.98);
      if (shape == "ladder")
        skill = std::clamp(0.4 + 0.5 * rank + between(-0.08, 0.08), 0.02, 0.98);
      if (shape == "alike") skill = middle + between(-0.02, 0.02);
      for (double& of_topic : arms[i].skill)
        of_topic = shape == "topics" || shape == "sorted" ? between(0.15, 0.98) : skill;
    }
    Set set;
    const double hard_share = between(0.2, 0.6);
    for (size_t n = 0; n < n_rows; ++n) {
      const size_t topic = shape == "sorted" ? n * kTopics / n_rows : below(kTopics);
      const bool is_hard = shape == "ladder" && unit() < hard_share;
      const double size = log_between(0.4, 2.5) * (shape == "tails" && unit() < 0.02 ? 100 : 1);
      RecordedRequest& row = set.rows.emplace_back();
      row.prompt = prompt(topic, is_hard);
      row.n_input_tokens = static_cast<uint64_t>(400 * size);
      for (const Arm& arm : arms) {
        const double p = is_hard ? 0.55 * arm.skill[topic] : arm.skill[topic];
        const double quality = shape == "graded" ? std::clamp(p + between(-0.15, 0.15), 0.0, 1.0)
                                                 : static_cast<double>(unit() < p);
        if (shape == "sparse" && unit() < 0.2 && row.targets.size() > 0) continue;
        row.targets[arm.name] = {quality, arm.cost * size * log_between(0.7, 1.4), {}};
        set.chance[arm.name] += p / static_cast<double>(n_rows);
      }
    }
    return set;
  }

 private:
  std::string prompt(size_t topic, bool is_hard) {
    static constexpr const char* kWords[][4] = {{"function", "compile", "pointer", "loop"},
                                                {"poem", "verse", "rhyme", "metaphor"},
                                                {"integral", "prove", "theorem", "matrix"},
                                                {"contract", "clause", "liability", "tenant"}};
    std::string text;
    for (size_t i = 0, n = 8 + below(20); i < n; ++i) {
      text += unit() < 0.25 ? kWords[topic][below(4)] : fmt::format("w{}", below(400));
      text += is_hard && unit() < 0.1 ? " carefully " : " ";
    }
    return text;
  }
  std::mt19937_64 random_;
};

struct Tally {
  int n = 0, n_below = 0, n_luck = 0;
  double gap = 0, worst = INFINITY, ratio = 0;
  std::vector<double> gaps;

  void add(const SimulationReport& report, const std::map<std::string, double>& chance,
           double value) {
    const double best = report.fixed.at(report.advantage.best_fixed).utility_usd;
    const double ratio_now = 1 + report.advantage.utility_usd / std::max(std::abs(best), 1e-12);
    ++n;
    n_below += ratio_now < 0.98;
    ratio += std::clamp(ratio_now, -1.0, 2.0);
    worst = std::min(worst, ratio_now);
    gaps.push_back(report.advantage.oracle_gap_closed);
    gap += std::clamp(report.advantage.oracle_gap_closed, -1.0, 1.0);
    double informed = -INFINITY, of_informed = 0;
    for (const auto& [name, p] : chance) {
      const Sums& sums = report.fixed.at(name);
      if (sums.n_rows < report.router.n_rows) return;
      const double expected = value * p * static_cast<double>(sums.n_rows) - sums.cost_usd;
      if (expected <= informed) continue;
      informed = expected;
      of_informed = sums.utility_usd;
    }
    n_luck += !chance.empty() && of_informed < best - 0.02 * std::abs(best);
  }
  std::string line(std::string_view name) {
    std::ranges::sort(gaps);
    return fmt::format(
        "{{\"group\":\"{}\",\"runs\":{},\"below_0.98\":{},\"informed_below\":{},\"mean_ratio\":{:."
        "4f},"
        "\"worst\":{:.3f},\"mean_gap\":{:.4f},\"median_gap\":{:.4f}}}\n",
        name, n, n_below, n_luck, ratio / std::max(n, 1), worst, gap / std::max(n, 1),
        gaps.empty() ? 0 : gaps[gaps.size() / 2]);
  }
};

void shuffle(Rows& rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random() % i]);
}

struct Options {
  int n_runs = 24;
  size_t most_rows = 3000;
  uint64_t seed = 1;
  bool is_verbose = false, is_taught = false;
  std::vector<std::string> files;
};

// Where what is unknown costs most: in money, or in wrong answers; and how long there is to win it
// back.
std::string worth_of(const SimulationReport& report, double value) {
  double least = INFINITY, most = 0;
  for (const auto& [name, sums] : report.fixed) {
    const double mean = sums.cost_usd / static_cast<double>(sums.n_rows);
    least = std::min(least, mean);
    most = std::max(most, mean);
  }
  const std::string_view size = report.router.n_rows < 300 ? "under 300 rows" : "300 rows and more";
  const std::string_view worth = value < 2 * least ? "worth less than answers cost"
                                 : value < most    ? "worth less than the dearest costs"
                                                   : "worth more than the dearest costs";
  return fmt::format("{}, {}", worth, size);
}

void over_shapes(const Options& options) {
  Tally all;
  std::map<std::string, Tally> by_worth;
  for (const char* shape : kShapes) {
    Tally tally;
    for (int run = 0; run < options.n_runs; ++run) {
      Generator generator(options.seed * 1'000'003 + static_cast<uint64_t>(run) * 97 +
                          static_cast<uint64_t>(std::string_view(shape).size()) * 7919);
      const size_t n_targets = 2 + generator.below(9);
      const auto n_rows =
          static_cast<size_t>(generator.log_between(50, static_cast<double>(options.most_rows)));
      const double value = generator.log_between(1e-4, 10);
      const auto set = generator.make(shape, n_targets, n_rows);
      SimulationOptions how{.success_usd = value, .policy = {}};
      how.n_resamples = 0;
      how.seed = static_cast<uint64_t>(run) + 1;
      const SimulationReport report = simulate(set.rows, {}, how);
      tally.add(report, set.chance, value);
      all.add(report, set.chance, value);
      by_worth[worth_of(report, value)].add(report, set.chance, value);
      if (options.is_verbose) {
        const double best = report.fixed.at(report.advantage.best_fixed).utility_usd;
        fmt::print(stderr, "{} run {} targets {} rows {} value {:.4g} ratio {:.4f} explored {}\n",
                   shape, run, n_targets, n_rows, value,
                   1 + report.advantage.utility_usd / std::abs(best), report.n_explored);
      }
    }
    fmt::print("{}", tally.line(shape));
    std::fflush(stdout);
  }
  for (auto& [worth, tally] : by_worth) fmt::print("{}", tally.line(worth));
  fmt::print("{}", all.line("all shapes"));
}

// Five times: four fifths seen whole beforehand, the router over the rest.
void over_folds(const Options& options, const std::string& name, Rows rows) {
  shuffle(rows, options.seed);
  rows.resize(std::min(rows.size(), options.most_rows));
  Tally tally;
  for (const double value : {0.003, 0.01, 0.015, 0.03, 0.1, 1.0})
    for (size_t fold = 0; fold < 5; ++fold) {
      Rows seen, rest;
      for (size_t i = 0; i < rows.size(); ++i) (i % 5 == fold ? rest : seen).push_back(rows[i]);
      SimulationOptions how{.success_usd = value, .policy = {}};
      how.n_resamples = 0;
      tally.add(simulate(rest, seen, how), {}, value);
    }
  fmt::print("{}", tally.line(fmt::format("{}, {} rows, 5 folds", name, rows.size())));
}

void over_file(const Options& options, const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto rows = parse_recorded(text, path);
  if (!rows) {
    fmt::print(stderr, "{}\n", rows.error().message);
    std::exit(1);
  }
  const std::string name = path.substr(path.rfind('/') + 1);
  if (options.is_taught) return over_folds(options, name, std::move(*rows));
  for (const size_t n_rows : {rows->size(), rows->size() / 4, size_t{100}}) {
    Tally tally;
    for (const double value : {0.0001, 0.001, 0.003, 0.01, 0.015, 0.03, 0.1, 0.3, 1.0, 10.0})
      for (int run = 0; run < std::max(1, options.n_runs / 4); ++run) {
        Rows part = *rows;
        shuffle(part, options.seed + static_cast<uint64_t>(run));
        part.resize(std::min(n_rows, options.most_rows));
        SimulationOptions how{.success_usd = value, .policy = {}};
        how.n_resamples = 0;
        how.seed = static_cast<uint64_t>(run) + 1;
        const SimulationReport report = simulate(part, {}, how);
        tally.add(report, {}, value);
        if (options.is_verbose) {
          const double best = report.fixed.at(report.advantage.best_fixed).utility_usd;
          fmt::print(stderr, "{} rows {} run {} value {:.4g} ratio {:.4f} explored {}\n", name,
                     part.size(), run, value, 1 + report.advantage.utility_usd / std::abs(best),
                     report.n_explored);
        }
      }
    fmt::print("{}",
               tally.line(fmt::format("{}, {} rows", name, std::min(n_rows, options.most_rows))));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace hearth::router

int main(int argc, char** argv) {
  hearth::router::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (word == "--runs")
      options.n_runs = static_cast<int>(number());
    else if (word == "--most-rows")
      options.most_rows = number();
    else if (word == "--seed")
      options.seed = number();
    else if (word == "--verbose")
      options.is_verbose = true;
    else if (word == "--folds")
      options.is_taught = true;
    else
      options.files.push_back(word);
  }
  if (options.files.empty()) hearth::router::over_shapes(options);
  for (const std::string& file : options.files) hearth::router::over_file(options, file);
}
