#include "config/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "router/policy_file.h"
#include "settings/printer.h"
#include "settings/section.h"
#include "support/file.h"

namespace hearth {

namespace {

using settings::Section;

template <class Key>
void server_keys(auto& server, Key& key) {
  key("port", server.port, 0, 65535);
  key("allowed_origins", server.allowed_origins);
  key.bytes("max_body", server.max_body_bytes);
  key.bytes("max_message", server.max_message_bytes);
  key("max_connections", server.max_connections, 1, 100'000);
}

template <class Key>
void log_keys(auto& log, Key& key) {
  key("level", log.level);
  key.bytes("max_size", log.max_bytes);
  key("keep", log.keep, 1, 100);
}

template <class Key>
void session_keys(auto& sessions, Key& key) {
  key.bytes("quota", sessions.quota_bytes);
}

template <class Key>
void model_keys(auto& model, Key& key) {
  key("path", model.path);
  key("alias", model.aliases);
  key("context", model.settings.n_context, 0, 1 << 24);
  key("kv_type", model.settings.kv_type);
  key("threads", model.settings.n_threads, 0, 1024);
  key.bytes("memory", model.settings.memory_bytes);
  key.duration("keep_alive", model.keep_alive);
}

// A name that means two models would mean whichever comes first.
void check_aliases(const Config& config, const toml::table& root, settings::Fault& fault) {
  for (const ModelConfig& model : config.models)
    for (const std::string& alias : model.aliases)
      for (const ModelConfig& other : config.models)
        if (&other != &model &&
            (other.name == alias || std::ranges::count(other.aliases, alias) > 0))
          fault.fail(*root["model"][model.name]["alias"].node(),
                     fmt::format("model.{}.alias", model.name),
                     fmt::format("a name of its own; \"{}\" is also model {}", alias, other.name));
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& file_name) {
  toml::parse_result parsed = toml::parse(text, std::string_view(file_name));
  if (!parsed)
    return Error{Errc::invalid,
                 fmt::format("{}:{}: {}", file_name, parsed.error().source().begin.line,
                             parsed.error().description())};
  settings::Fault fault{file_name, std::nullopt};
  Section root(parsed.table(), "", fault);
  Config config;
  config.path = file_name;
  auto read = [&](std::string_view name, auto& out, auto keys) {
    const toml::table* table = root.table(name);
    if (!table) return;
    Section section(*table, std::string(name), fault);
    keys(out, section);
    section.finish();
  };
  read("server", config.server, [](auto& out, auto& key) { server_keys(out, key); });
  read("log", config.log, [](auto& out, auto& key) { log_keys(out, key); });
  read("sessions", config.sessions, [](auto& out, auto& key) { session_keys(out, key); });
  root.each("model", [&](Section section, std::string name) {
    ModelConfig& model = config.models.emplace_back();
    model.name = std::move(name);
    model_keys(model, section);
    section.finish();
  });
  config.policy = router::read_policy(root);
  root.finish();
  check_aliases(config, parsed.table(), fault);
  if (fault.error) return *fault.error;
  return config;
}

std::string to_toml(const Config& config) {
  auto printed = [](const auto& record, auto keys) {
    settings::Printer printer;
    keys(record, printer);
    return printer;
  };
  std::string out;
  auto add = [&](std::string section) { out += (out.empty() ? "" : "\n") + section; };
  add(printed(config.server, [](auto& r, auto& key) { server_keys(r, key); }).section("server"));
  add(printed(config.sessions, [](auto& r, auto& key) {
        session_keys(r, key);
      }).section("sessions"));
  add(printed(config.log, [](auto& r, auto& key) { log_keys(r, key); }).section("log"));
  for (const ModelConfig& model : config.models)
    add(printed(model, [](auto& r, auto& key) {
          model_keys(r, key);
        }).section("model", model.name));
  add(router::print_policy(config.policy));
  return out;
}

Result<Config> load_config(const std::string& path) {
  auto text = file::read(path, 1 << 20);
  if (!text && text.error().code == Errc::not_found) return Config{};
  if (!text) return text.error();
  return parse_config(*text, path);
}

const ModelConfig* Config::find_model(std::string_view name_or_alias) const {
  for (const ModelConfig& model : models)
    if (model.name == name_or_alias || std::ranges::count(model.aliases, name_or_alias) > 0)
      return &model;
  return nullptr;
}

}  // namespace hearth
