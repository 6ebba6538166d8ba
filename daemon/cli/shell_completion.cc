// `hearth completion bash|zsh|fish`: the words that a shell may offer.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/terminal.h"

namespace hearth::cli {

namespace {

constexpr std::string_view kCommands =
    "serve chat complete status stop pull models config doctor logs gc token completion dev";

constexpr std::string_view kBash = R"(_hearth() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{0} --version --help" -- "$word"))
    return
  fi
  case $command in
    models) COMPREPLY=($(compgen -W "rm --json" -- "$word")) ;;
    config) COMPREPLY=($(compgen -W "check" -- "$word")) ;;
    token) COMPREPLY=($(compgen -W "rotate" -- "$word")) ;;
    dev) COMPREPLY=($(compgen -W "logits tokenize detokenize template inspect" -f -- "$word")) ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")) ;;
    serve) COMPREPLY=($(compgen -W "--port --detach --config" -- "$word")) ;;
    chat) COMPREPLY=($(compgen -W "--model --session --temperature --seed --max-tokens --stats --json" -- "$word")) ;;
    complete) COMPREPLY=($(compgen -W "--model --temperature --seed --max-tokens --stop --json" -- "$word")) ;;
    pull) COMPREPLY=($(compgen -W "--name hf:" -f -- "$word")) ;;
    logs) COMPREPLY=($(compgen -W "--follow --lines" -- "$word")) ;;
    gc) COMPREPLY=($(compgen -W "--older-than --dry-run" -- "$word")) ;;
    stop) COMPREPLY=($(compgen -W "--drain" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "--json" -- "$word")) ;;
  esac
}}
complete -F _hearth hearth
)";

constexpr std::string_view kZsh = R"(#compdef hearth
_arguments '1:command:({0})' '*::argument:_files'
)";

constexpr std::string_view kFish = R"(complete -c hearth -n __fish_use_subcommand -f -a "{0}"
complete -c hearth -n "__fish_seen_subcommand_from models" -f -a "rm"
complete -c hearth -n "__fish_seen_subcommand_from config" -f -a "check"
complete -c hearth -n "__fish_seen_subcommand_from token" -f -a "rotate"
complete -c hearth -n "__fish_seen_subcommand_from dev" -a "logits tokenize detokenize template inspect"
complete -c hearth -n "__fish_seen_subcommand_from completion" -f -a "bash zsh fish"
)";

}  // namespace

int shell_completion(const std::string& shell) {
  if (shell == "bash")
    fmt::print(kBash, kCommands);
  else if (shell == "zsh")
    fmt::print(kZsh, kCommands);
  else if (shell == "fish")
    fmt::print(kFish, kCommands);
  else
    return fail({Errc::invalid, fmt::format("shell \"{}\": expected bash, zsh or fish", shell)});
  return 0;
}

}  // namespace hearth::cli
