// The subcommands of `hearth`, one function each; main.cc parses their options.
// Each returns the exit status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/path.h"

namespace CLI {
class App;
}

namespace hearth::cli {

struct Common {
  path::Folders folders;
  std::vector<std::string> config_files;  // hearth.toml of machine and user; with --config that one
  bool json = false;                      // --json
};

struct ServeOptions {
  std::optional<uint16_t> port;
  bool detach = false;
};
int serve(const Common& common, const ServeOptions& options);

struct ChatOptions {
  std::string prompt;  // empty: stdin when piped, else interactive
  std::string model;   // empty: the router chooses
  std::optional<double> temperature;
  std::optional<uint64_t> seed;
  uint32_t max_tokens = 0;
  std::string session;  // continue this one
  bool stats = false;   // route and speed on stderr, also when not on a terminal
};
int chat(const Common& common, const ChatOptions& options);

struct CompleteOptions {
  std::string prompt;  // empty: stdin
  std::string model = "auto";
  uint32_t max_tokens = 64;
  std::optional<double> temperature;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;
};
int complete(const Common& common, const CompleteOptions& options);

int status(const Common& common);
int stop(const Common& common, bool drain);
int logs(const Common& common, bool follow, uint32_t n_lines);
int config_check(const Common& common);
// `model_memory_bytes`: what models may take on this machine.
int doctor(const Common& common, uint64_t model_memory_bytes);
int garbage_collect(const Common& common, uint32_t older_than_days, bool dry_run);
int rotate_token(const Common& common);
int shell_completion(const CLI::App& app, const std::string& shell);

struct PullOptions {
  std::string reference;  // empty: the default model; hf:ORG/REPO[:QUANT], hf:ORG/REPO/FILE, a path
  std::string name;       // --name: stored under this name
};
int pull(const Common& common, const PullOptions& options);
int list_models(const Common& common, uint64_t model_memory_bytes);
int remove_model(const Common& common, const std::string& name);

struct SimulateOptions {
  std::string file;   // rows, one JSON object a line
  std::string train;  // rows seen whole beforehand
  std::optional<double> value_usd;
  std::string policy;  // a name or a file
};
int route_simulate(const Common& common, const SimulateOptions& options);

// A model argument of `hearth dev`: a path, or the name of a stored model.
std::string model_path(const Common& common, const std::string& path_or_name);

}  // namespace hearth::cli
