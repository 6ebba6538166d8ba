// How a subcommand of `hearth` declares itself: its name, what it says of itself, its options and
// what runs. commands.h lists them, the table in main.cc puts them in order, command_line.cc reads
// the line (CLI11 is behind it).
//
//   struct Options { bool drain = false; };
//   int run(const Common& common, const Options& options) { ... }
//
//   Command stop() {
//     return command("stop", "Stop the daemon", run, [](Form& form, Options& options) {
//       form.flag("--drain", options.drain, "Let running answers end first");
//     });
//   }
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/config_files.h"
#include "support/path.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace hearth::cli {

// What every command is given.
struct Common {
  path::Folders folders;     // empty for commands that work anywhere, without a home
  ConfigFiles config_files;  // hearth.toml of machine and user; with --config that one
  bool json = false;         // --json, for commands that declare it
};

// Returns the exit status (terminal.h).
using Run = std::function<int(const Common&)>;

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}
  const Option& required() const;
  const Option& between(int least, int most) const;
  const Option& between(double least, double most) const;
  const Option& one_of(const std::vector<std::string>& words) const;
  const Option& separated_by(char delimiter) const;  // lists: 1,2,3

 private:
  CLI::Option* option_;
};

// What a command takes, while it is being declared. Values are written when the line is read.
class Form {
 public:
  Form(CLI::App& app, bool& json) : app_(app), json_(json) {}

  // `names`: "-m,--model", or "prompt" for a word without dashes. T is one that command_line.cc
  // lists at its end.
  template <class T>
  Option option(const std::string& names, T& into, const std::string& help) const;
  Option flag(const std::string& names, bool& into, const std::string& help) const;
  Option json() const { return flag("--json", json_, "Machine-readable output"); }

 private:
  CLI::App& app_;
  bool& json_;
};

struct Command {
  std::string name, summary;
  std::function<Run(Form&)> declare;  // empty: a group, which needs one of its commands
  std::vector<Command> commands;      // `models rm`
  bool needs_home = true;             // false: works where there are no folders, too

  Command with(std::vector<Command> below) && {
    commands = std::move(below);
    return std::move(*this);
  }
  Command anywhere() && {
    needs_home = false;
    return std::move(*this);
  }
};

template <class Options>
Command command(std::string name, std::string summary, int (*run)(const Common&, const Options&),
                void (*declare)(Form&, std::type_identity_t<Options>&)) {
  auto fill = [run, declare](Form& form) -> Run {
    auto options = std::make_shared<Options>();
    declare(form, *options);
    return [run, options](const Common& common) { return run(common, *options); };
  };
  return {std::move(name), std::move(summary), std::move(fill), {}};
}

inline Command command(
    std::string name, std::string summary, int (*run)(const Common&),
    void (*declare)(Form&) = [](Form&) {}) {
  auto fill = [run, declare](Form& form) -> Run {
    declare(form);
    return run;
  };
  return {std::move(name), std::move(summary), std::move(fill), {}};
}

// Commands under one word: `config check`.
inline Command group(std::string name, std::string summary, std::vector<Command> commands) {
  return {std::move(name), std::move(summary), {}, std::move(commands)};
}

// Reads the line and runs what it names; returns the exit status. `version` is asked only when
// --version is.
int run_command_line(const std::vector<std::string>& arguments,
                     const std::vector<Command>& commands,
                     std::string (*version)(const Common& common));

}  // namespace hearth::cli
