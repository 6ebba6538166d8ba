// `hearth bench engine`, with the options of the other engines' benches.
#include "cli/commands.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "inference/entry_points.h"

namespace hearth::cli {

namespace {

using Options = engine::BenchOptions;

int run(const Common& common, const Options& options) {
  Options with_path = options;
  auto path = model_path(common, options.model);
  if (!path) return fail(path.error());
  with_path.model = std::move(*path);
  with_path.json = common.json;
  return engine::bench_main(with_path);
}

}  // namespace

Command bench_engine() {
  auto declare = [](Form& form, Options& options) {
    form.option("model", options.model, "A path or a stored model's name").required();
    constexpr int kMost = 1 << 20;
    auto sizes = [&](const char* name, std::vector<uint32_t>& into, const char* help) {
      form.option(name, into, help).separated_by(',').between(0, kMost);
    };
    sizes("-p", options.n_prompt, "Sizes of prompts to read");
    sizes("-n", options.n_generated, "Tokens to generate");
    sizes("-d", options.depths, "Tokens that lie before");
    form.option("-t", options.n_threads, "Threads (default: the engine's)").between(1, 1024);
    form.option("-r", options.n_repetitions, "Repetitions of each").between(1, 1000);
    form.json();
  };
  return command("engine", "How fast the engine computes a model", run, declare).anywhere();
}

}  // namespace hearth::cli
