// hearth: one binary. `serve` is the daemon; `engine` is its child process; `dev` is for people who
// work on models; everything else is a client of the daemon or works on files.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "daemon/version.h"
#include "inference/entry_points.h"
#include "support/file.h"
#include "support/path.h"

namespace {

using namespace hearth;

// With a word about the daemon when it is of another version.
std::string version_text(const cli::Common& common) {
  std::string text = fmt::format(
      "hearth {}\ncommit: {}\nbackends: cpu (scalar, avx2, avxvnni, avx512, chosen at run time)\nbuild: {}",
      HEARTH_VERSION, HEARTH_COMMIT, HEARTH_BUILD);
  auto daemon = cli::find_daemon(common.folders);
  std::string note = daemon ? cli::version_note(*daemon) : "";
  return note.empty() ? text : text + "\nnote: " + note;
}

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
    bool is_word = n_named < arguments.size() && !arguments[n_named].starts_with("-");
    what = fmt::format(
        "{}; commands are: {}",
        is_word ? fmt::format("unknown command \"{}\"", arguments[n_named]) : "expected a command",
        names_of(*at));
  }
  return fmt::format("{}: {}\n(`{} --help` says more)\n", path, what, path);
}

// `hearth bench engine`, with the options of the other engines' bench.
void declare_bench_engine(CLI::App& bench, cli::Common& common, std::function<int()>& chosen) {
  static engine::BenchOptions options;
  CLI::App* sub = bench.add_subcommand("engine", "How fast the engine computes a model");
  sub->add_option("model", options.model, "A path or a stored model's name")->required();
  const CLI::Range sizes(0, 1 << 20);
  sub->add_option("-p", options.n_prompt, "Sizes of prompts to read")->delimiter(',')->check(sizes);
  sub->add_option("-n", options.n_generated, "Tokens to generate")->delimiter(',')->check(sizes);
  sub->add_option("-d", options.depths, "Tokens that lie before")->delimiter(',')->check(sizes);
  sub->add_option("-t", options.n_threads, "Threads (default: the engine's)")
      ->check(CLI::Range(1, 1024));
  sub->add_option("-r", options.n_repetitions, "Repetitions of each")->check(CLI::Range(1, 1000));
  sub->add_flag("--json", options.json, "Machine-readable output");
  sub->callback([&] {
    chosen = [&] {
      options.model = cli::model_path(common, options.model);
      return engine::bench_main(options);
    };
  });
}

// Every subcommand with its options; each leaves its call in `chosen`.
void declare(CLI::App& app, cli::Common& common, std::string& config_path,
             std::function<int()>& chosen) {
  auto command = [&](const char* name, const char* summary, std::function<int()> run) {
    CLI::App* sub = app.add_subcommand(name, summary);
    // CLI11 calls a parent after its own subcommand, whose choice stands.
    sub->callback([&chosen, sub, run = std::move(run)] {
      if (sub->get_subcommands().empty()) chosen = run;
    });
    sub->add_option("--config", config_path, "Configuration file");
    return sub;
  };
  auto json = [&](CLI::App* sub) {
    return sub->add_flag("--json", common.json, "Machine-readable output");
  };

  static cli::ServeOptions serve;
  CLI::App* sub = command("serve", "Run the daemon in the foreground",
                          [&] { return cli::serve(common, serve); });
  sub->add_option("--port", serve.port, "Loopback TCP port (default 48620; 0: any free one)")
      ->check(CLI::Range(0, 65535));
  sub->add_flag("--detach", serve.detach, "Start it in the background and return when it is ready");

  static cli::ChatOptions chat;
  sub = command("chat", "Ask something; without a prompt a conversation",
                [&] { return cli::chat(common, chat); });
  sub->add_option("prompt", chat.prompt, "What to say; text piped in is added");
  sub->add_option("-m,--model", chat.model,
                  "auto, local, a target or a model (default: the router chooses)");
  sub->add_option("--session", chat.session, "Continue this session");
  sub->add_option("--temperature", chat.temperature, "0 is greedy");
  sub->add_option("--seed", chat.seed, "Makes the answer repeatable");
  sub->add_option("-n,--max-tokens", chat.max_tokens, "Longest answer");
  sub->add_flag("--stats", chat.stats, "Print route and speed on stderr");
  json(sub);

  static cli::CompleteOptions complete;
  sub = command("complete", "Continue a text (no chat template)",
                [&] { return cli::complete(common, complete); });
  sub->add_option("prompt", complete.prompt, "The text; default: stdin");
  sub->add_option("-m,--model", complete.model, "auto, local, a target or a model");
  sub->add_option("-n,--max-tokens", complete.max_tokens, "Longest continuation");
  sub->add_option("--temperature", complete.temperature, "0 is greedy");
  sub->add_option("--seed", complete.seed, "Makes the answer repeatable");
  sub->add_option("--stop", complete.stop, "Ends the text; may be given several times");
  json(sub);

  json(command("status", "Is the daemon running, and how is it",
               [&] { return cli::status(common); }));

  static bool drain = false;
  sub = command("stop", "Stop the daemon", [&] { return cli::stop(common, drain); });
  sub->add_flag("--drain", drain, "Let running answers end first");

  static cli::PullOptions pull;
  sub = command("pull", "Get a model (needs no daemon)", [&] { return cli::pull(common, pull); });
  sub->add_option("model", pull.reference,
                  "hf:ORG/REPO[:QUANT], hf:ORG/REPO/FILE or a path to a GGUF; default: the "
                  "demonstration model");
  sub->add_option("--name", pull.name, "Store it under this name");

  sub = command("models", "List models, or remove one",
                [&] { return cli::list_models(common, engine::model_memory_bytes()); });
  json(sub);
  static std::string removed;
  CLI::App* remove = sub->add_subcommand("rm", "Remove a model from the disk");
  remove->add_option("name", removed)->required();
  remove->callback([&] { chosen = [&] { return cli::remove_model(common, removed); }; });

  sub = command("config", "Work on the configuration", [] { return 0; });
  sub->require_subcommand(1);
  CLI::App* check = sub->add_subcommand("check", "Check hearth.toml and print what is in force");
  check->add_option("--config", config_path, "Configuration file");
  check->callback([&] { chosen = [&] { return cli::config_check(common); }; });

  json(command("doctor", "Check this machine and installation",
               [&] { return cli::doctor(common, engine::model_memory_bytes()); }));

  static bool follow = false;
  static uint32_t n_lines = 50;
  sub =
      command("logs", "Show the daemon's log", [&] { return cli::logs(common, follow, n_lines); });
  sub->add_flag("-f,--follow", follow, "Wait for more");
  sub->add_option("-n,--lines", n_lines, "How many lines");

  static uint32_t older_than_days = 30;
  static bool dry_run = false;
  sub = command("gc",
                "Free disk space: old sessions, unfinished downloads, old logs, damaged databases",
                [&] { return cli::garbage_collect(common, older_than_days, dry_run); });
  sub->add_option("--older-than", older_than_days, "Sessions untouched for so many days");
  sub->add_flag("--dry-run", dry_run, "Say what would go, remove nothing");

  sub = command("token", "Work on the access token", [] { return 0; });
  sub->require_subcommand(1);
  sub->add_subcommand("rotate", "Replace it; clients must read daemon.json again")->callback([&] {
    chosen = [&] { return cli::rotate_token(common); };
  });

  sub = command("bench", "Measure speed on this machine", [] { return 0; });
  sub->require_subcommand(1);
  declare_bench_engine(*sub, common, chosen);

  sub = command("route", "Work on where requests go", [] { return 0; });
  sub->require_subcommand(1);
  static cli::SimulateOptions simulate;
  CLI::App* simulation =
      sub->add_subcommand("simulate", "Route recorded outcomes (JSON Lines; needs no daemon)");
  simulation->add_option("file", simulate.file, "Requests with what each target made of them")
      ->required();
  simulation->add_option("--value", simulate.value_usd, "What one unit of quality is worth, in USD")
      ->check(CLI::Range(0.0, 1e9));
  simulation->add_option("--policy", simulate.policy,
                         "auto, cheap, fast, best, the policy's name or a file");
  simulation->add_option("--train", simulate.train, "Requests to learn from beforehand");
  json(simulation);
  simulation->add_option("--config", config_path, "Configuration file");
  simulation->callback([&] { chosen = [&] { return cli::route_simulate(common, simulate); }; });

  static std::string shell;
  sub = command("completion", "Print a shell completion script",
                [&] { return cli::shell_completion(app, shell); });
  sub->add_option("shell", shell, "bash, zsh or fish")->required();

  static engine::QuantizeOptions quantize;
  sub = command("quantize", "Write a model in another type (needs no daemon)", [&] {
    quantize.in = cli::model_path(common, quantize.in);
    auto done = engine::quantize(quantize);
    return done ? 0 : cli::fail(done.error());
  });
  sub->add_option("in", quantize.in, "The model: a GGUF, best in F16, BF16 or F32")->required();
  sub->add_option("out", quantize.out, "The file to write")->required();
  sub->add_option("type", quantize.type, "One of " + engine::quantize_types())->required();
  sub->add_option("-t,--threads", quantize.n_threads, "Default: all cores");
  sub->add_flag("-q,--quiet", quantize.is_quiet, "No progress");

  sub = app.add_subcommand("dev", "For people who work on models");  // see run_dev()
  for (std::string_view name : engine::dev_commands()) sub->add_subcommand(std::string(name));
}

// `hearth dev COMMAND MODEL ...`: a stored model's name may stand for its path.
int run_dev(const cli::Common& common, std::vector<std::string> arguments) {
  if (arguments.size() > 1 && !arguments[1].starts_with("-") && arguments[0] != "template" &&
      arguments[0] != "synth")
    arguments[1] = cli::model_path(common, arguments[1]);
  return engine::dev_main(arguments);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "engine")
    return engine::engine_main(std::span(arguments).subspan(1));

  cli::Common common;
  auto folders = path::folders();
  if (folders) common.folders = *folders;
  if (!arguments.empty() && arguments[0] == "dev")
    return run_dev(common, {arguments.begin() + 1, arguments.end()});

  std::function<int()> chosen;
  CLI::App app("One background service for everything an editor asks of a language model");
  app.set_version_flag("--version", [&] { return version_text(common); });
  app.failure_message([&](const CLI::App* failed, const CLI::Error& error) {
    return usage_error(failed, error, arguments);
  });
  app.require_subcommand(1);
  std::string config_path;
  declare(app, common, config_path, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int status = app.exit(error);
    return status == 0 ? 0 : cli::kUsage;
  }
  if (!folders) return cli::fail(folders.error());
  // Without the usual files the defaults are in force; one that was asked for has to be there.
  if (!config_path.empty()) {
    if (::access(config_path.c_str(), F_OK) != 0)
      return cli::fail(file::io_error("open", config_path, errno));
    common.config_files = {config_path};
  } else {
    common.config_files = path::system_config_files("hearth.toml");
    common.config_files.push_back(path::join(common.folders.config, "hearth.toml"));
  }
  return chosen();
}
