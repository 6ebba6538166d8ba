// The effective configuration as TOML. Keys of providers are never part of a Config, only the names
// of the variables and files that hold them.
#include <fmt/format.h>

#include <sstream>

#include "config/config.h"
#include "config/reader.h"

namespace hearth {

namespace {

toml::array strings(const std::vector<std::string>& list) {
  toml::array array;
  for (const std::string& each : list) array.push_back(each);
  return array;
}

// Each string in one line with escapes: toml++ 3.3 loses a line feed at the start of one that it
// spreads over lines.
std::string text_of(const toml::table& table) {
  std::ostringstream out;
  constexpr auto kSpread =
      toml::format_flags::allow_multi_line_strings | toml::format_flags::allow_literal_strings;
  out << toml::toml_formatter(table, toml::toml_formatter::default_flags & ~kSpread) << '\n';
  return out.str();
}

template <class T>
int64_t number(T value) {
  return static_cast<int64_t>(value);
}

toml::table target_table(const router::Target& target) {
  bool is_api = target.kind == router::TargetKind::api;
  toml::table table;
  table.insert("kind", is_api ? fmt::format("api:{}", target.provider) : "engine");
  table.insert("model", target.model);
  if (!target.base_url.empty()) table.insert("base_url", target.base_url);
  if (!target.key_env.empty()) table.insert("key_env", target.key_env);
  if (!target.key_file.empty()) table.insert("key_file", target.key_file);
  table.insert("trust", enum_name(target.trust));
  table.insert("quality", target.quality);
  if (target.n_context) table.insert("context", number(target.n_context));
  if (target.n_max_output) table.insert("max_output", number(target.n_max_output));
  table.insert("tools", target.has_tools);
  table.insert("images", target.has_images);
  if (target.ttft_ms) table.insert("ttft_ms", *target.ttft_ms);
  if (target.tokens_per_s) table.insert("tokens_per_s", *target.tokens_per_s);
  table.insert("price", toml::table{{"input", target.price.input},
                                    {"cached", target.price.cached},
                                    {"output", target.price.output}});
  return table;
}

toml::table model_table(const ModelConfig& model) {
  toml::table table;
  if (!model.path.empty()) table.insert("path", model.path);
  if (!model.aliases.empty()) table.insert("alias", strings(model.aliases));
  table.insert("context", number(model.settings.n_context));
  table.insert("kv_type", enum_name(model.settings.kv_type));
  table.insert("threads", number(model.settings.n_threads));
  table.insert("memory", number(model.settings.memory_bytes));
  table.insert("keep_alive", number(model.keep_alive.count()));
  return table;
}

}  // namespace

std::string to_toml(const Config& config) {
  toml::table root;
  root.insert("server", toml::table{{"port", number(config.server.port)},
                                    {"allowed_origins", strings(config.server.allowed_origins)},
                                    {"max_body", number(config.server.max_body_bytes)},
                                    {"max_message", number(config.server.max_message_bytes)},
                                    {"max_connections", number(config.server.max_connections)}});
  root.insert("sessions", toml::table{{"quota", number(config.sessions.quota_bytes)}});
  root.insert("log", toml::table{{"level", enum_name(config.log.level)},
                                 {"max_size", number(config.log.max_bytes)},
                                 {"keep", number(config.log.keep)}});
  root.insert("policy", toml::table{{"name", config.policy.name},
                                    {"trust_floor", enum_name(config.policy.trust_floor)}});
  std::string out = text_of(root);
  // One by one, since their order means something and a table sorts.
  auto add = [&out](std::string_view group, std::string_view name, toml::table table) {
    out += "\n" + text_of(toml::table{{group, toml::table{{name, std::move(table)}}}});
  };
  for (const ModelConfig& model : config.models) add("model", model.name, model_table(model));
  for (const router::Target& target : config.policy.targets)
    add("target", target.name, target_table(target));
  for (const auto& [task, rule] : config.policy.tasks) {
    toml::table table{{"targets", strings(rule.targets)}, {"min_quality", rule.min_quality}};
    if (rule.deadline_ms) table.insert("deadline_ms", number(*rule.deadline_ms));
    add("class", enum_name(task), std::move(table));
  }
  for (const router::LabelRule& label : config.policy.labels) {
    toml::table table{
        {"name", label.name}, {"match", strings(label.match)}, {"trust", enum_name(label.trust)}};
    out += "\n" + text_of(toml::table{{"label", toml::array{std::move(table)}}});
  }
  return out;
}

}  // namespace hearth
