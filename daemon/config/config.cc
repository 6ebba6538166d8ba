#include "config/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/reader.h"
#include "router/providers.h"
#include "support/file.h"

namespace hearth {

namespace {

using config::Failure;
using config::Section;

void read_server(Section section, ServerConfig& out) {
  section.read("port", out.port, 0, 65535);
  section.read("allowed_origins", out.allowed_origins);
  section.read_bytes("max_body", out.max_body_bytes);
  section.read_bytes("max_message", out.max_message_bytes);
  section.read("max_connections", out.max_connections, 1, 100'000);
  section.finish();
}

void read_log(Section section, LogConfig& out) {
  section.read("level", out.level);
  section.read_bytes("max_size", out.max_bytes);
  section.read("keep", out.keep, 1, 100);
  section.finish();
}

void read_model(Section section, ModelConfig& out) {
  section.read("path", out.path);
  section.read("alias", out.aliases);
  section.read("context", out.settings.n_context, 0, 1 << 24);
  section.read("kv_type", out.settings.kv_type);
  section.read("threads", out.settings.n_threads, 0, 1024);
  section.read_bytes("memory", out.settings.memory_bytes);
  section.read_duration("keep_alive", out.keep_alive);
  section.finish();
}

void read_price(Section section, router::Price& out) {
  constexpr double kMax = 1e6;
  section.read("input", out.input, 0, kMax);
  out.cached = out.input;
  section.read("cached", out.cached, 0, kMax);
  section.read("output", out.output, 0, kMax);
  section.finish();
}

// An address alone: what else an URL can hold would be printed and logged, or ends up in the middle
// of the one that is asked.
bool is_base_url(std::string_view url) {
  for (std::string_view scheme : {"https://", "http://"})
    if (url.starts_with(scheme))
      return url.size() > scheme.size() && url[scheme.size()] != '/' &&
             std::ranges::none_of(url, [](unsigned char c) {
               return c <= ' ' || c >= 0x7f || c == '@' || c == '?' || c == '#';
             });
  return false;
}

bool is_on_this_machine(std::string_view base_url) {
  std::string_view host = base_url.substr(std::min(base_url.size(), base_url.find("://") + 3));
  host = host.substr(0, host.find_first_of("/"));
  if (size_t colon = host.rfind(':'); colon != host.npos && !host.ends_with(']'))
    host = host.substr(0, colon);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

// Not the key itself, which would then be printed and logged.
bool is_variable_name(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::ranges::all_of(name, [](unsigned char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

// Fails at the key when it is there, else at the table.
void refuse(Section& section, std::string_view key, std::string_view expected) {
  const toml::node* at = section.find(key);
  section.failure().fail(at ? *at : static_cast<const toml::node&>(section.raw()),
                         section.path_of(key), expected);
}

// What no single key shows.
void check_target(Section& section, const router::Target& target) {
  const bool is_api = target.kind == router::TargetKind::api;
  const std::string_view address =
      target.base_url.empty() ? router::provider_address(target.provider) : target.base_url;
  if (target.name == "auto" || (is_api && target.name == "local"))
    section.failure().fail(section.raw(), section.path_of("name"),
                           "another name: \"auto\" is any target, \"local\" any engine");
  if (!is_api)
    for (std::string_view key : {"base_url", "key_env", "key_file"})
      if (section.find(key)) refuse(section, key, fmt::format("no {} for kind \"engine\"", key));
  if (is_api && target.model.empty()) refuse(section, "model", "the provider's model id");
  if (!target.base_url.empty() && !is_base_url(target.base_url))
    refuse(section, "base_url",
           "http:// or https://, a host and a path, without user, password or query");
  if (is_api && address.empty())
    refuse(
        section, "base_url",
        fmt::format("the address of provider \"{}\", which is not a known one", target.provider));
  if (!target.key_env.empty() && !is_variable_name(target.key_env))
    refuse(section, "key_env",
           "the name of an environment variable (a key itself does not belong in this file)");
  if (!target.key_file.empty() && !target.key_file.starts_with('/'))
    refuse(section, "key_file", "an absolute path");
  if (!target.key_env.empty() && !target.key_file.empty())
    refuse(section, "key_file", "either key_env or key_file");
  // Labels rely on it: "local" is what never leaves this machine.
  if (is_api && target.trust == router::Trust::local && !is_on_this_machine(address))
    refuse(section, "trust", "\"self\" or less: \"local\" is for this machine");
}

// kind = "engine" or "api:PROVIDER".
void read_kind(Section& section, router::Target& out) {
  std::string kind;
  section.read("kind", kind);
  if (kind == "engine") {
    out.kind = router::TargetKind::engine;
  } else if (kind.starts_with("api:") && kind.size() > 4) {
    out.kind = router::TargetKind::api;
    out.provider = kind.substr(4);
    out.trust = router::Trust::retained;  // until the user says better
  } else {
    refuse(section, "kind", "\"engine\" or \"api:PROVIDER\", for example \"api:openai\"");
  }
}

void read_target(Section section, router::Target& out) {
  read_kind(section, out);
  section.read("model", out.model);
  section.read("base_url", out.base_url);
  section.read("key_env", out.key_env);
  section.read("key_file", out.key_file);
  section.read("trust", out.trust);
  section.read("quality", out.quality, 0, 1);
  section.read("context", out.n_context, 0, 1 << 24);
  section.read("max_output", out.n_max_output, 0, 1 << 24);
  section.read("tools", out.has_tools);
  section.read("images", out.has_images);
  section.read("ttft_ms", out.ttft_ms, 0, 1e9);
  section.read("tokens_per_s", out.tokens_per_s, 0.001, 1e9);
  if (const toml::table* price = section.table("price"))
    read_price(Section(*price, section.path_of("price"), section.failure()), out.price);
  check_target(section, out);
  section.finish();
}

void read_policy(Section section, router::Policy& out) {
  section.read("name", out.name);
  section.read("trust_floor", out.trust_floor);
  section.finish();
}

void read_task(Section section, router::TaskRule& out) {
  section.read("targets", out.targets);
  section.read("min_quality", out.min_quality, 0, 1);
  uint32_t deadline_ms = 0;
  section.read("deadline_ms", deadline_ms, 1, 86'400'000);
  if (deadline_ms) out.deadline_ms = deadline_ms;
  section.finish();
}

void read_label(Section section, router::LabelRule& out) {
  section.read("name", out.name);
  section.read("match", out.match);
  section.read("trust", out.trust);
  if (out.name.empty()) refuse(section, "name", "the label's name");
  section.finish();
}

// Calls read(section, name) for every table of [group.NAME], in the order of the file: the policy
// prefers what stands first, and a TOML table forgets its order.
template <class Read>
void each(Section& root, std::string_view group, Read read) {
  const toml::table* tables = root.table(group);
  if (!tables) return;
  std::vector<std::pair<std::string, const toml::node*>> found;
  for (const auto& [key, node] : *tables) found.emplace_back(key.str(), &node);
  auto position = [](const auto& entry) {
    const toml::source_position& begin = entry.second->source().begin;
    return std::pair(begin.line, begin.column);
  };
  std::ranges::sort(found, {}, position);
  for (const auto& [name, node] : found) {
    std::string path = fmt::format("{}.{}", group, name);
    if (!node->is_table())
      root.failure().fail(*node, path, "a table");
    else
      read(Section(*node->as_table(), path, root.failure()), name);
  }
}

void check_references(const Config& config, const toml::table& root, Failure& failure) {
  for (const auto& [task, rule] : config.policy.tasks)
    for (const std::string& name : rule.targets) {
      bool is_target = std::ranges::find(config.policy.targets, name, &router::Target::name) !=
                       config.policy.targets.end();
      if (is_target || name == "local") continue;
      std::string path = fmt::format("class.{}.targets", enum_name(task));
      failure.fail(*root.at_path(path).node(), path,
                   fmt::format("names of [target.*]; there is no target \"{}\"", name));
    }
}

// A name that means two models would mean whichever comes first.
void check_aliases(const Config& config, const toml::table& root, Failure& failure) {
  for (const ModelConfig& model : config.models)
    for (const std::string& alias : model.aliases)
      for (const ModelConfig& other : config.models)
        if (&other != &model &&
            (other.name == alias || std::ranges::count(other.aliases, alias) > 0))
          failure.fail(
              *root["model"][model.name]["alias"].node(), fmt::format("model.{}.alias", model.name),
              fmt::format("a name of its own; \"{}\" is also model {}", alias, other.name));
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& file_name) {
  toml::parse_result parsed = toml::parse(text, std::string_view(file_name));
  if (!parsed)
    return Error{Errc::invalid,
                 fmt::format("{}:{}: {}", file_name, parsed.error().source().begin.line,
                             parsed.error().description())};
  const toml::table& table = parsed.table();
  Failure failure{file_name, std::nullopt};
  Section root(table, "", failure);
  Config config;
  config.path = file_name;
  if (auto* server = root.table("server"))
    read_server(Section(*server, "server", failure), config.server);
  if (auto* logs = root.table("log")) read_log(Section(*logs, "log", failure), config.log);
  if (auto* policy = root.table("policy"))
    read_policy(Section(*policy, "policy", failure), config.policy);
  if (auto* sessions = root.table("sessions")) {
    Section section(*sessions, "sessions", failure);
    section.read_bytes("quota", config.sessions.quota_bytes);
    section.finish();
  }
  each(root, "model", [&](Section section, std::string name) {
    ModelConfig& model = config.models.emplace_back();
    model.name = std::move(name);
    read_model(std::move(section), model);
  });
  each(root, "target", [&](Section section, std::string name) {
    router::Target& target = config.policy.targets.emplace_back();
    target.name = std::move(name);
    read_target(std::move(section), target);
    if (target.kind == router::TargetKind::engine && target.model.empty())
      target.model = target.name;
  });
  each(root, "class", [&](Section section, std::string name) {
    auto task = enum_from_name<router::TaskClass>(name);
    router::TaskRule rule;
    if (!task) {
      std::string names;
      for (const auto& [value, known] : EnumNames<router::TaskClass>::names)
        (names += " ") += known;
      failure.fail(section.raw(), fmt::format("class.{}", name),
                   fmt::format("one of the classes{}", names));
    }
    read_task(std::move(section), rule);
    if (task) config.policy.tasks[*task] = std::move(rule);
  });
  if (const toml::array* labels = root.array("label"))
    for (const toml::node& node : *labels) {
      if (!node.is_table()) {
        failure.fail(node, "label", "tables: [[label]]");
        continue;
      }
      read_label(Section(*node.as_table(), "label", failure), config.policy.labels.emplace_back());
    }
  root.finish();
  check_references(config, table, failure);
  check_aliases(config, table, failure);
  if (failure.error) return *failure.error;
  return config;
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
