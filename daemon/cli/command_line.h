// The commands as CLI11 knows them, for reading a line and for writing completion scripts.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

namespace hearth::cli {

struct CommandLine {
  struct Choice {
    Run run;
    bool needs_home;
  };

  explicit CommandLine(const std::vector<Command>& commands);
  // The innermost command that the line named; after app.parse().
  const Choice& chosen() const;

  CLI::App app;
  std::string config_path;  // --config
  bool json = false;
  std::map<const CLI::App*, Choice> choices;

 private:
  void add(CLI::App& parent, const Command& command, bool needs_home);
};

}  // namespace hearth::cli
