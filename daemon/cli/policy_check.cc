// `hearth policy check [FILE]`: is a policy right, and what to mend in it.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "router/policy_words.h"
#include "support/file.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string file;
};

int run(const Common& common, const Options& options) {
  auto config = options.file.empty() ? load_config(common.config_files) : load_file(options.file);
  if (!config) return fail(config.error());
  const router::PolicyView view = router::view_of(config->policy);
  if (common.json) {
    fmt::print("{}\n", json::encode(view));
    return 0;
  }
  fmt::print("{} is good: policy \"{}\" with {} targets and {} labels\n",
             config->path.empty() ? "The default" : config->path, printable(view.name),
             view.targets.size(), view.labels.size());
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
