#include "cli/command_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "cli/terminal.h"
#include "support/file.h"

namespace hearth::cli {

namespace {

std::string names_of(const CLI::App& app) {
  std::string names;
  for (const CLI::App* sub : app.get_subcommands(nullptr))
    names += (names.empty() ? "" : ", ") + sub->get_name();
  return names;
}

// CLI11 says "A subcommand is required" for a misspelt one too.
std::string usage_error(const CLI::App* app, const CLI::Error& error,
                        const std::vector<std::string>& arguments) {
  const CLI::App* at = app;  // the innermost command that was named
  std::string path = "hearth";
  size_t n_named = 0;
  for (; n_named < arguments.size(); ++n_named) {
    auto named = at->get_subcommands(
        [&](const CLI::App* sub) { return sub->get_name() == arguments[n_named]; });
    if (named.empty()) break;
    at = named.front();
    path += " " + arguments[n_named];
  }
  std::string what = error.what();
  if (at->get_require_subcommand_min() > 0) {
    what = "expected a command";
    if (n_named < arguments.size())
      what = fmt::format("unknown {} \"{}\"",
                         arguments[n_named].starts_with("-") ? "option" : "command",
                         arguments[n_named]);
    what += "; commands are: " + names_of(*at);
  }
  return fmt::format("{}: {}\n(`{} --help` says more)\n", path, what, path);
}

// What was printed has to have arrived: a full disk, say, is no success.
int with_output(int status) {
  errno = 0;
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return status;
  return fail({Errc::io, fmt::format("standard output cannot be written{}{}", errno ? ": " : "",
                                     errno ? std::strerror(errno) : "")});
}

int run_chosen(const Run& run, const Common& common) {
  try {
    return with_output(run(common));
  } catch (const std::system_error& error) {  // fmt::print(), where it cannot write
    return fail({Errc::io, error.what()});
  }
}

}  // namespace

CommandLine::CommandLine(const std::vector<Command>& commands)
    : app("One background service for everything an editor asks of a language model", "hearth") {
  app.require_subcommand(1);
  for (const Command& command : commands) add(app, command, true);
}

void CommandLine::add(CLI::App& parent, const Command& command, bool needs_home) {
  CLI::App* sub = parent.add_subcommand(command.name, command.summary);
  sub->add_option("--config", config_path, "Configuration file");
  needs_home = needs_home && command.needs_home;
  if (command.declare) {
    Form form(*sub, json);
    choices[sub] = {command.declare(form), needs_home};
  } else {
    sub->require_subcommand(1);
  }
  for (const Command& below : command.commands) add(*sub, below, needs_home);
}

const CommandLine::Choice& CommandLine::chosen() const {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return choices.at(at);
}

int run_command_line(const std::vector<std::string>& arguments,
                     const std::vector<Command>& commands,
                     std::string (*version)(const Common& common)) {
  Common common;
  auto folders = path::folders();
  if (folders) common.folders = *folders;

  CommandLine line(commands);
  line.app.set_version_flag("--version", [&] { return version(common); });
  std::vector<std::string> words = arguments;
  if (!words.empty() && words[0] == "help") {  // `hearth help models` is `hearth models --help`
    words.erase(words.begin());
    words.push_back("--help");
  }
  try {
    line.app.parse(std::vector(words.rbegin(), words.rend()));  // it takes from the back
  } catch (const CLI::Success& asked) {                         // --help, --version
    return with_output(line.app.exit(asked));
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}", usage_error(&line.app, error, words));
    return kUsage;
  }
  const CommandLine::Choice& chosen = line.chosen();
  if (!folders && chosen.needs_home) return fail(folders.error());
  common.json = line.json;
  // Without the usual files the defaults are in force; one that was asked for has to be there.
  if (!line.config_path.empty()) {
    // Absolute, since a detached daemon leaves this folder.
    std::error_code failed;
    const std::string path = std::filesystem::absolute(line.config_path, failed);
    if (failed || ::access(path.c_str(), F_OK) != 0)
      return fail(file::io_error("open", line.config_path, failed ? failed.value() : errno));
    common.config_files = {{path}, true};
  } else {
    std::vector<std::string> usual = path::system_config_files("hearth.toml");
    usual.push_back(path::join(common.folders.config, "hearth.toml"));
    common.config_files = {std::move(usual)};
  }
  return run_chosen(chosen.run, common);
}

const Option& Option::required() const {
  option_->required();
  return *this;
}

const Option& Option::between(int least, int most) const {
  option_->check(CLI::Range(least, most));
  return *this;
}

const Option& Option::between(double least, double most) const {
  option_->check(CLI::Range(least, most));
  // No bound keeps out what is no number.
  option_->check([](const std::string& text) {
    return std::isnan(std::strtod(text.c_str(), nullptr)) ? "expected a number" : "";
  });
  return *this;
}

const Option& Option::one_of(const std::vector<std::string>& words) const {
  option_->check(CLI::IsMember(words));
  return *this;
}

const Option& Option::separated_by(char delimiter) const {
  option_->delimiter(delimiter);
  return *this;
}

Option Form::flag(const std::string& names, bool& into, const std::string& help) const {
  return Option(app_.add_flag(names, into, help));
}

template <class T>
Option Form::option(const std::string& names, T& into, const std::string& help) const {
  return Option(app_.add_option(names, into, help));
}

// The types that an option may have.
#define HEARTH_OPTION_TYPE(...) \
  template Option Form::option(const std::string&, __VA_ARGS__&, const std::string&) const;
HEARTH_OPTION_TYPE(std::string)
HEARTH_OPTION_TYPE(std::vector<std::string>)
HEARTH_OPTION_TYPE(std::optional<std::string>)
HEARTH_OPTION_TYPE(uint32_t)
HEARTH_OPTION_TYPE(uint64_t)
HEARTH_OPTION_TYPE(double)
HEARTH_OPTION_TYPE(std::optional<uint16_t>)
HEARTH_OPTION_TYPE(std::optional<uint32_t>)
HEARTH_OPTION_TYPE(std::optional<uint64_t>)
HEARTH_OPTION_TYPE(std::optional<double>)
HEARTH_OPTION_TYPE(std::vector<uint32_t>)
#undef HEARTH_OPTION_TYPE

}  // namespace hearth::cli
