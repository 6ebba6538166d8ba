// `hearth policy check [FILE]`: is a policy right, and what to mend in it.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "router/policy_words.h"
#include "service/model_catalog.h"
#include "support/file.h"
#include "support/json.h"
#include "support/path.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string file;
};

int run(const Common& common, const Options& options) {
  auto config = options.file.empty() ? load_config(common.config_files) : load_file(options.file);
  if (!config) return fail(config.error());
  const std::string path = config->path;
  // The daemon makes a target of every pulled model.
  ModelCatalog catalog(models::Store(path::join(common.folders.data, "models")),
                       std::make_shared<const Config>(std::move(*config)));
  const router::PolicyView view = router::view_of(*catalog.policy());
  if (common.json) {
    fmt::print("{}\n", json::encode(view));
    return 0;
  }
  fmt::print("{} is good: policy \"{}\" with {} targets and {} labels\n",
             path.empty() ? "The default" : path, printable(view.name), view.targets.size(),
             view.labels.size());
  for (const std::string& note : view.notes) fmt::print("note: {}\n", printable(note));
  return 0;
}

}  // namespace

Command policy_check() {
  auto declare = [](Form& form, Options& options) {
    form.option("file", options.file,
                "A policy, or a whole hearth.toml; default: what is in force");
    form.json();
  };
  return command("check", "Check a policy; names file and line of a mistake", run, declare);
}

}  // namespace hearth::cli
