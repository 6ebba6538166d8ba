// `hearth route simulate`: the router over recorded outcomes, no daemon.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "router/policy_file.h"
#include "router/simulation.h"
#include "support/file.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string file;   // rows, one JSON object a line
  std::string train;  // rows seen whole beforehand
  std::optional<double> value_usd;
  std::string policy;  // a name or a file
};

Result<std::vector<router::RecordedRequest>> read_rows(const std::string& path) {
  auto text = file::read(path, size_t{1} << 30);
  if (!text) return text.error();
  return router::parse_recorded(*text, path);
}

// A kind of request (cheap, auto:cheap), the policy in force by its name, or a file.
Result<> take_policy(const Common& common, const std::string& name,
                     router::SimulationOptions& out) {
  for (std::string_view kind : {"auto", "auto:cheap", "auto:fast", "auto:best"})
    if (name == kind || "auto:" + name == kind) {
      out.model = kind;
      return {};
    }
  if (::access(name.c_str(), F_OK) == 0) {
    auto text = file::read(name, 1 << 20);
    if (!text) return text.error();
    auto policy = router::parse_policy(*text, name);
    if (!policy) return policy.error();
    out.policy = std::move(*policy);
    return {};
  }
  auto config = load_config(common.config_files);
  if (!config) return config.error();
  if (config->policy.name != name)
    return Error{Errc::not_found,
                 fmt::format("no policy \"{}\": neither a file nor one of auto, cheap, fast, best, "
                             "and {} has \"{}\"",
                             name, common.config_files.paths.back(), config->policy.name)};
  out.policy = config->policy;
  return {};
}

void print_row(std::string_view name, const router::Sums& sums, double share) {
  fmt::print("{:<28} {:>7} {:>9.4f} {:>13.6f} {:>13.6f}", name, sums.n_rows,
             sums.n_rows ? sums.quality / static_cast<double>(sums.n_rows) : 0, sums.cost_usd,
             sums.utility_usd);
  if (share >= 0) fmt::print(" {:>6.1f} %", 100 * share);
  fmt::print("\n");
}

void print_report(const router::SimulationReport& report) {
  fmt::print("{:<28} {:>7} {:>9} {:>13} {:>13} {:>8}\n", "", "ROWS", "QUALITY", "COST USD",
             "UTILITY USD", "CHOSEN");
  print_row("router", report.router, -1);
  print_row("best in hindsight", report.oracle, -1);
  print_row("random", report.random, -1);
  for (const auto& [name, sums] : report.fixed)
    print_row(printable(name), sums, report.share.at(name));
  const router::Advantage& advantage = report.advantage;
  fmt::print(
      "router less always {}: {:+.6f} USD (95 %: {:+.6f} to {:+.6f}), {:.1f} % of what "
      "hindsight would add\n",
      printable(advantage.best_fixed), advantage.utility_usd, advantage.low_usd, advantage.high_usd,
      100 * advantage.oracle_gap_closed);
  fmt::print("{} choices to learn, {} rows refused\n", report.n_explored, report.n_refused);
}

int run(const Common& common, const Options& options) {
  router::SimulationOptions how;
  if (!options.policy.empty())
    if (auto taken = take_policy(common, options.policy, how); !taken) return fail(taken.error());
  const double of_policy = how.policy.value.success_usd;
  how.success_usd = options.value_usd.value_or(of_policy > 0 ? of_policy : how.success_usd);
  auto rows = read_rows(options.file);
  if (!rows) return fail(rows.error());
  if (rows->empty()) return fail({Errc::invalid, options.file + ": it has no rows"});
  std::vector<router::RecordedRequest> training;
  if (!options.train.empty()) {
    auto read = read_rows(options.train);
    if (!read) return fail(read.error());
    training = std::move(*read);
  }
  const router::SimulationReport report = router::simulate(*rows, training, how);
  if (common.json)
    fmt::print("{}\n", json::encode(report));
  else
    print_report(report);
  return 0;
}

}  // namespace

Command route_simulate() {
  auto declare = [](Form& form, Options& options) {
    form.option("file", options.file, "Requests with what each target made of them").required();
    form.option("--value", options.value_usd, "What one unit of quality is worth, in USD")
        .between(0.0, 1e9);
    form.option("--policy", options.policy, "auto, cheap, fast, best, the policy's name or a file");
    form.option("--train", options.train, "Requests to learn from beforehand");
    form.json();
  };
  return command("simulate", "Route recorded outcomes (JSON Lines; needs no daemon)", run, declare);
}

}  // namespace hearth::cli
