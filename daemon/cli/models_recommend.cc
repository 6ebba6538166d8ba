// `hearth models recommend`: measures this machine for half a second; no daemon, no network.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "inference/entry_points.h"
#include "models/recommend.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

int recommend(const Common& common) {
  const engine::MachineSpeed speed = engine::machine_speed();
  const models::MachineFigures machine{.memory_bytes = engine::model_memory_bytes(),
                                       .read_bytes_per_s = speed.read_bytes_per_s,
                                       .int8_ops_per_s = speed.int8_ops_per_s};
  const std::vector<models::Recommendation> all = models::recommend(machine);
  const models::Recommendation* best = models::best_of(all);
  if (common.json) {
    json::Array rows;
    for (const models::Recommendation& one : all)
      rows.push_back(json::Object{{"name", one.model->name},
                                  {"source", one.model->source},
                                  {"neededBytes", one.needed_bytes},
                                  {"fits", one.fits},
                                  {"promptTokensPerS", one.prompt_tok_s},
                                  {"answerTokensPerS", one.answer_tok_s},
                                  {"recommended", &one == best}});
    json::Object body{{"models", std::move(rows)},
                      {"memoryBytes", machine.memory_bytes},
                      {"readBytesPerS", machine.read_bytes_per_s},
                      {"int8OpsPerS", machine.int8_ops_per_s},
                      {"path", speed.path},
                      {"threads", speed.n_threads}};
    fmt::print("{}\n", boost::json::serialize(body));
    return 0;
  }
  fmt::print("{}, {} threads: reads {:.1f} GB/s, int8 {:.0f} GOP/s; models may take {}\n\n",
             speed.path, speed.n_threads, machine.read_bytes_per_s / 1e9,
             machine.int8_ops_per_s / 1e9, size_text(machine.memory_bytes));
  fmt::print("  {:<21} {:<18} {:>10}  {:>13} {:>13}\n", "NAME", "GOOD FOR", "MEMORY",
             "PROMPT tok/s", "ANSWER tok/s");
  for (const models::Recommendation& one : all) {
    const std::string needed = size_text(one.needed_bytes);
    if (one.fits)
      fmt::print("{} {:<21} {:<18} {:>10}  {:>13.0f} {:>13.1f}\n", &one == best ? '*' : ' ',
                 one.model->name, one.model->good_for, needed, one.prompt_tok_s, one.answer_tok_s);
    else
      fmt::print("  {:<21} {:<18} {:>10}  does not fit\n", one.model->name, one.model->good_for,
                 needed);
  }
  fmt::print(
      "\nwith {} tokens of context; speeds are estimates from what this machine reads and "
      "multiplies at best\n",
      models::kRecommendedContext);
  if (best && !best->model->source.empty())
    fmt::print("get the one with the star: hearth pull {}\n", best->model->source);
  return 0;
}

}  // namespace

Command models_recommend() {
  return command("recommend", "What fits this machine, and how fast it would be", recommend,
                 [](Form& form) { form.json(); })
      .anywhere();
}

}  // namespace hearth::cli
