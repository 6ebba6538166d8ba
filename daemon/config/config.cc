#include "config/config.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

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
  key.bytes("max_body", server.max_body_bytes, 64u << 10);
  key.bytes("max_message", server.max_message_bytes, 64u << 10);
  key("max_connections", server.max_connections, 1, 100'000);
}

template <class Key>
void log_keys(auto& log, Key& key) {
  key("level", log.level);
  key.bytes("max_size", log.max_bytes, 64u << 10);
  key("keep", log.keep, 1, 100);
}

template <class Key>
void network_keys(auto& network, Key& key) {
  key.place("ca_file", network.ca_file);
}

template <class Key>
void session_keys(auto& sessions, Key& key) {
  key.bytes("quota", sessions.quota_bytes, 1u << 20);
}

template <class Key>
void model_keys(auto& model, Key& key) {
  key.place("path", model.path);
  key("alias", model.aliases);
  key("context", model.settings.n_context, 0, 1 << 24);
  key("kv_type", model.settings.kv_type);
  key("threads", model.settings.n_threads, 0, 1024);
  key.bytes("memory", model.settings.memory_bytes);
  key.duration("keep_alive", model.keep_alive);
  key("volatile_lines", model.volatile_lines);
}

void read_aliases(Section& root, std::vector<ModelAlias>& out) {
  const toml::table* table = root.table("alias");
  if (!table) return;
  for (auto&& [key, node] : *table) {
    auto model = node.value<std::string>();
    if (model && !model->empty())
      out.push_back({std::string(key.str()), std::move(*model)});
    else
      root.fault().fail(node, fmt::format("alias.\"{}\"", key.str()),
                        "the name of a model or target, or auto");
  }
}

bool fits(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == pattern.npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (size_t at = star; at <= name.size(); ++at)
    if (fits(rest, name.substr(at))) return true;
  return false;
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

Result<toml::table> parse(std::string_view text, const std::string& file_name) {
  toml::parse_result parsed = toml::parse(text, std::string_view(file_name));
  if (parsed) return std::move(parsed).table();
  return Error{Errc::invalid,
               fmt::format("{}:{}: {}", file_name, parsed.error().source().begin.line,
                           parsed.error().description())};
}

// Moves nodes, since only that keeps their place, which errors name.
void lay_over(toml::table& below, toml::table&& above) {
  for (auto&& [key, value] : above) {
    toml::node* old = below.get(key);
    if (old && old->is_table() && value.is_table()) {
      lay_over(*old->as_table(), std::move(*value.as_table()));
    } else if (old && old->is_array_of_tables() && value.is_array_of_tables()) {
      for (toml::node& each : *value.as_array())
        old->as_array()->push_back(std::move(*each.as_table()));
    } else {
      value.visit([&](auto& node) { below.insert_or_assign(key, std::move(node)); });
    }
  }
}

// The policy of another file; then there is none beside it.
router::Policy read_policy_file(Section& root) {
  std::string path;
  root.place("policy_file", path);
  for (std::string_view section : {"policy", "value", "target", "class", "label", "workspace"})
    if (root.has(section))
      root.refuse("policy_file",
                  fmt::format("no [{}] beside it: the policy is in that file", section));
  auto text = file::read(path, 1 << 20);
  auto policy = text ? router::parse_policy(*text, path) : Result<router::Policy>(text.error());
  if (policy) return std::move(*policy);
  if (!root.fault().error) root.fault().error = policy.error();
  return {};
}

Result<Config> read_config(const toml::table& table, const std::string& file_names) {
  settings::Fault fault{file_names, std::nullopt};
  Section root(table, "", fault);
  Config config;
  config.path = file_names;
  auto read = [&](std::string_view name, auto& out, auto keys) {
    const toml::table* keys_of = root.table(name);
    if (!keys_of) return;
    Section section(*keys_of, std::string(name), fault);
    keys(out, section);
    section.finish();
  };
  read("server", config.server, [](auto& out, auto& key) { server_keys(out, key); });
  read("network", config.network, [](auto& out, auto& key) { network_keys(out, key); });
  read("log", config.log, [](auto& out, auto& key) { log_keys(out, key); });
  read("sessions", config.sessions, [](auto& out, auto& key) { session_keys(out, key); });
  root.each("model", [&](Section section, std::string name) {
    ModelConfig& model = config.models.emplace_back();
    model.name = std::move(name);
    model_keys(model, section);
    section.finish();
  });
  read_aliases(root, config.aliases);
  if (root.has("policy_file"))
    config.policy = read_policy_file(root);
  else
    config.policy = router::read_policy(root);
  root.finish();
  check_aliases(config, table, fault);
  if (fault.error) return *fault.error;
  return config;
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& file_name) {
  auto table = parse(text, file_name);
  if (!table) return table.error();
  return read_config(*table, file_name);
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
  if (!config.network.ca_file.empty())
    add(printed(config.network, [](auto& r, auto& key) {
          network_keys(r, key);
        }).section("network"));
  add(printed(config.sessions, [](auto& r, auto& key) {
        session_keys(r, key);
      }).section("sessions"));
  add(printed(config.log, [](auto& r, auto& key) { log_keys(r, key); }).section("log"));
  for (const ModelConfig& model : config.models)
    add(printed(model, [](auto& r, auto& key) {
          model_keys(r, key);
        }).section("model", model.name));
  settings::Printer aliases;
  for (const ModelAlias& alias : config.aliases) aliases(alias.pattern, alias.model);
  if (!config.aliases.empty()) add(aliases.section("alias"));
  add(router::print_policy(config.policy));
  return out;
}

Result<Config> load_file(const std::string& path) {
  auto text = file::read(path, 1 << 20);
  if (!text) return text.error();
  return parse_config(*text, path);
}

Result<Config> load_config(const ConfigFiles& files) {
  toml::table whole;
  std::string names;
  for (const std::string& file : files.paths) {
    auto text = file::read(file, 1 << 20);
    if (!text && text.error().code == Errc::not_found && !files.must_exist) continue;
    if (!text) return text.error();
    auto table = parse(*text, file);
    if (!table) return table.error();
    lay_over(whole, std::move(*table));
    names += (names.empty() ? "" : ", ") + file;
  }
  return read_config(whole, names);
}

std::vector<std::string> missing_files(const Config& config) {
  std::vector<std::string> missing;
  auto look = [&](std::string key, const std::string& path) {
    if (!path.empty() && ::access(path.c_str(), R_OK) != 0)
      missing.push_back(fmt::format("{}: {}: {}", key, path, std::strerror(errno)));
  };
  look("network.ca_file", config.network.ca_file);
  for (const ModelConfig& model : config.models)
    look(fmt::format("model.{}.path", model.name), model.path);
  for (const router::Target& target : config.policy.targets)
    look(fmt::format("target.{}.key_file", target.name), target.key_file);
  for (const std::string& root : config.policy.roots) look("workspace.roots", root);
  return missing;
}

const ModelConfig* Config::find_model(std::string_view name_or_alias) const {
  for (const ModelConfig& model : models)
    if (model.name == name_or_alias || std::ranges::count(model.aliases, name_or_alias) > 0)
      return &model;
  return nullptr;
}

const ModelAlias* Config::find_alias(std::string_view name) const {
  const ModelAlias* best = nullptr;
  for (const ModelAlias& alias : aliases) {
    if (alias.pattern == name) return &alias;
    if (fits(alias.pattern, name) && (!best || alias.pattern.size() > best->pattern.size()))
      best = &alias;
  }
  return best;
}

}  // namespace hearth
