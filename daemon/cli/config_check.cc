// `hearth config check`: what is in force, or what is wrong with the files.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"

namespace hearth::cli {

namespace {

int run(const Common& common) {
  auto config = load_config(common.config_files);
  if (!config) return fail(config.error());
  const std::vector<std::string> missing = missing_files(*config);
  for (const std::string& each : missing) fail({Errc::not_found, each});
  if (!missing.empty()) return kFailed;
  if (config->path.empty())
    fmt::print(stderr, "{} does not exist: the defaults are in force\n",
               common.config_files.paths.back());
  else
    fmt::print(stderr, "{} is good\n", config->path);
  fmt::print("{}", to_toml(*config));
  return 0;
}

}  // namespace

Command config_check() {
  return command("check", "Check hearth.toml and print what is in force", run);
}

}  // namespace hearth::cli
