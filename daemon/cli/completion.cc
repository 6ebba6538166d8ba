// `hearth completion bash|zsh|fish`: scripts made from the declared commands, so that a new command
// or option is offered without a line here.
#include <fmt/format.h>

#include <vector>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace hearth::cli {

namespace {

// What may follow the words `path`; the first is the program itself, with an empty path.
struct Place {
  std::string path;  // " models rm": each word with a space before it
  std::string summary;
  std::vector<std::string> commands;
  struct Option {
    std::string name;  // without the dashes
    std::string summary;
  };
  std::vector<Option> options;  // long ones

  std::string words() const {
    std::vector<std::string> all = commands;
    for (const Option& option : options) all.push_back("--" + option.name);
    return fmt::format("{}", fmt::join(all, " "));
  }
};

void collect(const CLI::App& app, const std::string& path, std::vector<Place>& places) {
  Place place{path, app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      place.options.push_back({name, option->get_description()});
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* command : commands) place.commands.push_back(command->get_name());
  places.push_back(std::move(place));
  for (const CLI::App* command : commands)
    collect(*command, path + " " + command->get_name(), places);
}

// The part that bash and zsh share: from the words before the cursor to the place, then to what is
// offered there.
std::string shell_cases(const std::vector<Place>& places, std::string_view nth_word) {
  std::string paths, words;
  for (const Place& place : places) {
    if (!place.path.empty()) paths += fmt::format("{}\"{}\"", paths.empty() ? "" : "|", place.path);
    words += fmt::format("    \"{}\") offered=\"{}\" ;;\n", place.path, place.words());
  }
  return fmt::format(
      "    case \"$at {0}\" in {1}) at=\"$at {0}\" ;; esac\n  done\n  case $at in\n{2}  esac\n",
      nth_word, paths, words);
}

std::string bash(const std::vector<Place>& places) {
  return fmt::format(R"(_hearth() {{
  local at= offered= i
  for ((i = 1; i < COMP_CWORD; i++)); do
{}  COMPREPLY=($(compgen -W "$offered" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _hearth hearth
)",
                     shell_cases(places, "${COMP_WORDS[i]}"));
}

// Works sourced, and as the file _hearth of a folder in $fpath.
std::string zsh(const std::vector<Place>& places) {
  return fmt::format(R"(#compdef hearth
_hearth() {{
  local at= offered= i
  for ((i = 2; i < CURRENT; i++)); do
{}  compadd -- ${{=offered}}
  [[ ${{words[CURRENT]}} == -* ]] || _files
}}
if [ "$funcstack[1]" = "_hearth" ]; then _hearth "$@"; else compdef _hearth hearth; fi
)",
                     shell_cases(places, "${words[i]}"));
}

std::string in_fish_quotes(std::string_view text) {
  std::string out = "'";
  for (const char each : text)
    out += each == '\'' || each == '\\' ? fmt::format("\\{}", each) : std::string(1, each);
  return out + "'";
}

std::string fish(const std::vector<Place>& places) {
  std::string script;
  for (const Place& place : places) {
    std::string condition = "__fish_use_subcommand";
    if (!place.path.empty()) {
      condition = place.path;
      for (size_t at = 0; (at = condition.find(' ', at)) != std::string::npos;) {
        const std::string_view joint =
            at == 0 ? "__fish_seen_subcommand_from " : "; and __fish_seen_subcommand_from ";
        condition.replace(at, 1, joint);
        at += joint.size();
      }
    }
    const std::string line = fmt::format("complete -c hearth -n {}", in_fish_quotes(condition));
    for (const Place& below : places)
      for (const std::string& command : place.commands)
        if (below.path == place.path + " " + command)
          script +=
              fmt::format("{} -f -a {} -d {}\n", line, command, in_fish_quotes(below.summary));
    for (const Place::Option& option : place.options)
      script += fmt::format("{} -l {} -d {}\n", line, option.name, in_fish_quotes(option.summary));
  }
  return script;
}

int run(const std::vector<Command>& commands, const std::string& shell) {
  std::vector<Place> places;
  collect(CommandLine(commands).app, "", places);
  if (shell == "bash")
    fmt::print("{}", bash(places));
  else if (shell == "zsh")
    fmt::print("{}", zsh(places));
  else if (shell == "fish")
    fmt::print("{}", fish(places));
  else
    return fail({Errc::invalid, fmt::format("shell \"{}\": expected bash, zsh or fish", shell)});
  return 0;
}

}  // namespace

Command completion(std::vector<Command> (*commands)()) {
  auto declare = [commands](Form& form) -> Run {
    auto shell = std::make_shared<std::string>();
    form.option("shell", *shell, "bash, zsh or fish").required();
    return [commands, shell](const Common&) { return run(commands(), *shell); };
  };
  return Command{"completion", "Print a shell completion script", declare, {}}.anywhere();
}

}  // namespace hearth::cli
