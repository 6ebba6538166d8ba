// Hearth's configuration: defaults, then the machine's hearth.toml, then the user's, then flags.
// Every field states its default.
//
// hearth.toml lies in hearth/ of $XDG_CONFIG_DIRS and $XDG_CONFIG_HOME. A later file replaces
// single keys of an earlier one; lists of tables ([[label]]) grow. Unknown keys are errors with a
// suggestion; every error names file, line and what was expected. A path may begin with ~/; one
// that is not absolute counts from its file's folder. A snapshot is immutable; reload makes a new
// one and keeps the old when the file is wrong.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config_files.h"
#include "inference/engine_client.h"
#include "router/policy.h"
#include "support/log.h"
#include "support/result.h"

namespace hearth {

template <>
struct EnumNames<log::Level> {
  static constexpr std::pair<log::Level, std::string_view> names[] = {
      {log::Level::error, "error"}, {log::Level::warn, "warn"},   {log::Level::info, "info"},
      {log::Level::debug, "debug"}, {log::Level::trace, "trace"},
  };
};

struct ServerConfig {                        // [server]
  uint16_t port = 48620;                     // loopback TCP; another free one when taken
  std::vector<std::string> allowed_origins;  // exact Origin values; none by default
  uint64_t max_body_bytes = 32u << 20;       // "32MiB": HTTP request body
  uint64_t max_message_bytes = 4u << 20;     // WebSocket message
  uint32_t max_connections = 1024;
};

struct ModelConfig {  // [model.NAME]
  std::string name;
  std::string path;                         // default: the model of that name in the store
  std::vector<std::string> aliases;         // alias = "x" or ["x", "y"]
  engine::ModelSettings settings;           // context, kv_type, threads, memory = "4GiB"
  std::chrono::seconds keep_alive{300};     // keep_alive = "5m", "0" for ever
  std::vector<std::string> volatile_lines;  // volatile_lines = ["x-billing-header:"]: moved
};

struct ModelAlias {     // one line of [alias]: "claude-*" = "auto"
  std::string pattern;  // of names that clients ask for; '*' stands for any text
  std::string model;    // what is meant: auto, auto:cheap, local, a target, a model
};

struct NetworkConfig {  // [network]
  std::string ca_file;  // PEM: authorities beside the system's, for all that is asked of others
};

struct SessionConfig {                // [sessions]
  uint64_t quota_bytes = 2ull << 30;  // of the event log on disk
};

struct LogConfig {  // [log]
  log::Level level = log::Level::info;
  uint64_t max_bytes = 8u << 20;
  uint32_t keep = 3;
};

struct Config {
  std::string path;  // the files it was read from, ", " between them; empty: defaults only
  ServerConfig server;
  NetworkConfig network;
  SessionConfig sessions;
  LogConfig log;
  std::vector<ModelConfig> models;
  std::vector<ModelAlias> aliases;
  // [policy], [target.*], [class.*], [[label]], ... here, or in the file that policy_file names.
  router::Policy policy;

  // Null when no [model.NAME] has that name or alias.
  const ModelConfig* find_model(std::string_view name_or_alias) const;
  // The line of [alias] for a name: itself, else the longest pattern that fits it.
  const ModelAlias* find_alias(std::string_view name) const;
};

// Reads the files; of the usual ones those that are missing leave the defaults. The `text` variant
// is for tests and fuzzing.
Result<Config> load_config(const ConfigFiles& files);
// One file alone, which has to be there: a hearth.toml, or a policy.
Result<Config> load_file(const std::string& path);
Result<Config> parse_config(std::string_view text, const std::string& file_name);

// Files and folders that it names and that cannot be read now, each with its key and why. The
// daemon goes without: they may come later.
std::vector<std::string> missing_files(const Config& config);

// The effective configuration as TOML, keys never shown: what config/get and `config check` print.
// Reading it gives the same configuration.
std::string to_toml(const Config& config);

}  // namespace hearth
