#include "router/policy_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "money/price_keys.h"
#include "privacy/rules.h"
#include "router/catalogue.h"
#include "router/effort.h"
#include "router/providers.h"
#include "settings/printer.h"
#include "settings/section.h"

namespace hearth::router {

namespace {

using settings::Printer;
using settings::Section;

// ---- the keys, for reading and printing ----

template <class Key>
void fact_keys(auto& rules, Key& key) {
  for (const auto& [name, member] : kFactRules) key(name, rules.*member);
}

template <class Key>
void policy_keys(auto& policy, Key& key) {
  key("name", policy.name);
  key("trust_floor", policy.trust_floor);
  key("on_no_target", policy.on_no_target);
  key.nested("allow", policy.allow, [](auto& rules, auto& inner) { fact_keys(rules, inner); });
  key.nested("deny", policy.deny, [](auto& rules, auto& inner) { fact_keys(rules, inner); });
}

std::string kind_of(const Target& target) {
  if (target.kind == TargetKind::engine) return "engine";
  return (target.is_pool ? "pool:" : "api:") + target.provider;
}

std::string set_kind(Target& target, std::string_view text) {
  constexpr std::string_view kApi = "api:", kPool = "pool:";
  if (text == "engine") {
    target.kind = TargetKind::engine;
    return "";
  }
  if (text == "pool" || (text.starts_with(kPool) && text != kPool)) {
    target.kind = TargetKind::api;
    target.is_pool = true;
    target.provider = text == "pool" ? "vllm" : text.substr(kPool.size());
    target.trust = Trust::self_hosted;
    return "";
  }
  if (!text.starts_with(kApi) || text == kApi)
    return "\"engine\", \"api:PROVIDER\", for example \"api:openai\", or \"pool\"";
  target.kind = TargetKind::api;
  target.provider = text.substr(kApi.size());
  target.trust = Trust::retained;  // until the user says better
  return "";
}

template <class Key>
void effort_key(auto& effort, Key& key) {
  key.text(
      "effort", effort, [](Effort value) { return std::string(enum_name(value)); },
      [](std::string_view text) { return enum_from_name<Effort>(text); },
      "none, minimal, low, medium, high, xhigh or max");
}

// A list of names, and of tables where more is said of one: {effort = "high", quality = 0.9}.
void efforts_key(const std::vector<EffortChoice>& efforts, Printer& key) {
  auto says_more = [](const EffortChoice& each) { return each.quality || each.n_output; };
  std::vector<std::string> names;
  for (const EffortChoice& each : efforts) names.emplace_back(enum_name(each.effort));
  if (std::ranges::none_of(efforts, says_more)) return key("efforts", names);
  key.list("efforts", efforts, [](const EffortChoice& each, Printer& inner) {
    inner("effort", each.effort);
    inner("quality", each.quality);
    inner("output_tokens", each.n_output);
  });
}

void efforts_key(std::vector<EffortChoice>& efforts, Section& key) {
  const toml::array* list = key.array("efforts");
  if (!list) return;
  for (const toml::node& node : *list) {
    EffortChoice& each = efforts.emplace_back();
    if (node.is_table()) {
      Section inner(*node.as_table(), key.path_of("efforts"), key.fault());
      if (!inner.has("effort")) inner.refuse("effort", "the effort that this is of");
      inner("effort", each.effort);
      inner("quality", each.quality, 0.0, 1.0);
      inner("output_tokens", each.n_output, 1, 1 << 24);
      inner.finish();
      continue;
    }
    const auto effort = enum_from_name<Effort>(node.value<std::string_view>().value_or(""));
    if (!effort)
      return key.fault().fail(node, key.path_of("efforts"),
                              "none, minimal, low, medium, high, xhigh or max; or tables, as "
                              "{effort = \"high\", quality = 0.9}");
    each.effort = *effort;
  }
  std::ranges::sort(efforts, {}, &EffortChoice::effort);
  if (std::ranges::adjacent_find(efforts, {}, &EffortChoice::effort) != efforts.end())
    key.refuse("efforts", "each effort once");
}

// What is as usual is not printed.
template <class Key>
void timeout_keys(auto& timeouts, Key& key) {
  constexpr Timeouts kUsual;
  constexpr int64_t kDayMs = 86'400'000;
  auto part = [&](std::string_view name, uint32_t Timeouts::* member) {
    if constexpr (std::is_same_v<Key, Printer>)
      if (timeouts.*member == kUsual.*member) return;
    key(name, timeouts.*member, 1, kDayMs);
  };
  part("connect_ms", &Timeouts::connect_ms);
  part("first_byte_ms", &Timeouts::first_byte_ms);
  part("stall_ms", &Timeouts::stall_ms);
  part("total_ms", &Timeouts::total_ms);
}

template <class Key>
void target_keys(auto& target, Key& key) {
  key.required(
      "kind", [&] { return kind_of(target); }, [&](auto text) { return set_kind(target, text); });
  key("model", target.model);
  key("base_url", target.base_url);
  key("endpoints", target.endpoints);
  key("wire", target.wire);
  key("key_env", target.key_env);
  key.place("key_file", target.key_file);
  key("key_secret", target.key_secret);
  key("trust", target.trust);
  for (const auto& [name, fact] : kFactNames) key(name, target.facts.*fact);
  key.nested("price", target.price, [](auto& price, auto& inner) { price_keys(price, inner); });
  key("quality", target.quality, 0.0, 1.0);
  key("context", target.n_context, 0, 1 << 24);
  key("max_output", target.n_max_output, 0, 1 << 24);
  key("tools", target.has_tools);
  key("images", target.has_images);
  key("ttft_ms", target.ttft_ms, 0.0, 1e9);
  key("tokens_per_s", target.tokens_per_s, 0.001, 1e9);
  key("cache_life_s", target.cache_life_s, 1, 86'400);
  effort_key(target.effort, key);
  efforts_key(target.efforts, key);
  key.nested("timeouts", target.timeouts,
             [](auto& each, auto& inner) { timeout_keys(each, inner); });
  key("watts", target.watts, 0.0, 1e6);
}

template <class Key>
void rate_keys(auto& rule, Key& key) {
  key("reserve_pct", rule.reserve_pct, 0, 100);
}

std::string after_text(uint32_t after_ms) {
  return after_ms ? fmt::format("{}ms", after_ms) : "p95";
}
std::optional<uint32_t> after_of(std::string_view text) {
  uint32_t ms = 0;
  if (text == "p95") return 0;
  const char* end = text.data() + text.size();
  auto [rest, failed] = std::from_chars(text.data(), end, ms);
  if (failed != std::errc() || std::string_view(rest, end) != "ms" || ms == 0) return std::nullopt;
  return ms;
}

template <class Key>
void hedge_keys(auto& hedge, Key& key) {
  key.text("after", hedge.after_ms, after_text, after_of, "\"p95\" or milliseconds, as \"800ms\"");
  key("to", hedge.to);
  key("max_pct", hedge.max_pct, 0, 5);
}

template <class Key>
void task_keys(auto& rule, Key& key) {
  key("targets", rule.targets);
  key("min_quality", rule.min_quality, 0.0, 1.0);
  key("deadline_ms", rule.deadline_ms, 1, 86'400'000);
  key("ttft_ms", rule.ttft_ms, 1.0, 86'400'000.0);
  key("minute_usd", rule.minute_usd, 0.0, kMaxUsd);
  key("success_usd", rule.success_usd, 0.0, kMaxUsd);
  effort_key(rule.effort, key);
  key("cascade", rule.cascade);
  key("verify", rule.verify);
  key("max_escalations", rule.max_escalations, 0, 8);
  key.nested("hedge", rule.hedge, [](auto& hedge, auto& inner) { hedge_keys(hedge, inner); });
}

template <class Key>
void value_keys(auto& value, Key& key) {
  key("minute_usd", value.minute_usd, 0.0, kMaxUsd);
  key("success_usd", value.success_usd, 0.0, kMaxUsd);
  key("risk", value.risk, 0.0, 10.0);
  key("kwh_usd", value.kwh_usd, 0.0, kMaxUsd);
}

template <class Key>
void switch_keys(auto& switching, Key& key) {
  key("margin_usd", switching.margin_usd, 0.0, kMaxUsd);
  key("hold_turns", switching.hold_turns, 0, 1000);
  key("max_spend_pct", switching.max_spend_pct, 0.0, 1000.0);
}

template <class Key>
void explore_keys(auto& explore, Key& key) {
  key("classes", explore.classes);
  key("usd_per_day", explore.usd_per_day, 0.0, kMaxUsd);
  key("share", explore.share, 0.0, 1.0);
}

template <class Key>
void budget_keys(auto& budget, Key& key) {
  key("usd", budget.usd, 0.0, kMaxUsd);
  key("per", budget.per);
  key("hard", budget.is_hard);
}

template <class Key>
void limit_keys(auto& limits, Key& key) {
  key("repeated_calls", limits.n_repeats, 0, 1 << 20);
  key("tool_rounds", limits.n_rounds, 0, 1 << 20);
  key("run_tokens", limits.n_tokens, 0, int64_t{1} << 40);
  key("run_minutes", limits.minutes, 0, 1 << 20);
}

template <class Key>
void ledger_keys(auto& ledger, Key& key) {
  key("bodies", ledger.bodies);
  key("keep_days", ledger.keep_days, 1, 36'500);
  key.bytes("quota", ledger.quota_bytes);
}

template <class Key>
void label_keys(auto& label, Key& key) {
  key("name", label.name);
  key("match", label.match);
  key("trust", label.trust);
}

template <class Key>
void workspace_keys(auto& roots, Key& key) {
  key.place("roots", roots);
}

// ---- what no single key shows ----

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

// Not the key itself, which would then be printed and logged.
bool is_variable_name(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::ranges::all_of(name, [](unsigned char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

// What the file leaves open and the catalogue knows.
void take_known_facts(Section& section, Target& target) {
  const CatalogueEntry* known = Catalogue::built_in().find(target.provider, target.model);
  if (!known) return;
  if (!target.price) target.price = known->price;
  if (target.n_context == 0) target.n_context = known->n_context;
  if (target.n_max_output == 0) target.n_max_output = known->n_max_output;
  if (!section.has("images")) target.has_images = known->has_images;
  if (!section.has("tools")) target.has_tools = known->has_tools;
}

void check_price(Section& section, Target& target) {
  bool is_free = false;
  section("free", is_free);
  if (is_free && target.price) section.refuse("free", "either price or free = true");
  if (is_free) target.price = Price{};
  if (target.kind == TargetKind::api) take_known_facts(section, target);
  // A price that nobody stated would be taken for none, and every request would go there.
  if (target.kind == TargetKind::api && !target.price)
    section.refuse("price",
                   fmt::format("{{input = USD, output = USD}} for a million tokens, or free = true "
                               "beside it: `hearth prices` does not know \"{}\" of {}",
                               target.model, target.provider));
  const toml::table* price = section.table("price");
  if (price && !price->contains("cached")) target.price->cached = target.price->input;
  if (!target.price || section.fault().error) return;
  if (auto amount = check_price(*target.price))
    section.refuse("price", fmt::format("dollars for a million tokens with at most six decimals; "
                                        "{} has more",
                                        *amount));
}

void check_endpoints(Section& section, const Target& target) {
  if (target.is_pool != !target.endpoints.empty())
    section.refuse("endpoints", target.is_pool ? "the base URLs of the pool's servers"
                                               : "none: they are for kind = \"pool\"");
  if (target.is_pool && !target.base_url.empty())
    section.refuse("base_url", "none beside endpoints");
  for (const std::string& endpoint : target.endpoints)
    if (!is_base_url(endpoint))
      section.refuse("endpoints",
                     "http:// or https://, a host and a path, without user, password or query");
}

bool are_on_this_machine(const Target& target) {
  if (!target.is_pool) return is_on_this_machine(target);
  return std::ranges::all_of(target.endpoints, [&](const std::string& endpoint) {
    Target server = target;
    server.base_url = endpoint;
    return is_on_this_machine(server);
  });
}

void check_target(Section& section, const Target& target) {
  const bool is_api = target.kind == TargetKind::api;
  const std::string_view address =
      target.base_url.empty() ? provider_address(target.provider) : target.base_url;
  if (target.name == "auto" || (is_api && target.name == "local"))
    section.fault().fail(section.raw(), section.path_of("name"),
                         "another name: \"auto\" is any target, \"local\" any engine");
  if (!is_api)
    for (std::string_view key :
         {"base_url", "endpoints", "wire", "key_env", "key_file", "key_secret", "timeouts"})
      if (section.has(key)) section.refuse(key, fmt::format("no {} for kind \"engine\"", key));
  if (is_api && target.model.empty()) section.refuse("model", "the provider's model id");
  if (!target.base_url.empty() && !is_base_url(target.base_url))
    section.refuse("base_url",
                   "http:// or https://, a host and a path, without user, password or query");
  check_endpoints(section, target);
  if (!target.wire.empty() && !is_wire_name(target.wire))
    section.refuse("wire", "\"chat\", \"responses\", \"messages\" or \"gemini\"");
  if (is_api && address.empty())
    section.refuse("base_url", fmt::format("the address of provider \"{}\", which is not a known "
                                           "one",
                                           target.provider));
  if (!target.key_env.empty() && !is_variable_name(target.key_env))
    section.refuse("key_env",
                   "the name of an environment variable (a key itself does not belong in this "
                   "file)");
  if (!target.key_env.empty() + !target.key_file.empty() + !target.key_secret.empty() > 1)
    section.refuse(target.key_file.empty() ? "key_secret" : "key_file",
                   "one of key_env, key_file and key_secret");
  // Labels rely on it: "local" is what never leaves this machine.
  if (is_api && target.trust == Trust::local && !are_on_this_machine(target))
    section.refuse("trust", "\"self\" or less: \"local\" is for this machine");
}

void check_efforts(Section& section, const Target& target) {
  if (target.efforts.empty()) return;
  if (target.effort)
    section.refuse("effort", "none beside efforts: the router chooses one of them");
  // Two that are the same there would be learned apart, each from a part of what is seen.
  const auto same = std::ranges::adjacent_find(target.efforts, [&](auto& one, auto& other) {
    return !tells_apart(target, one.effort, other.effort);
  });
  if (same != target.efforts.end())
    section.refuse(
        "efforts",
        fmt::format("one of \"{}\" and \"{}\": in the words of {} they are the same",
                    enum_name(same->effort), enum_name(std::next(same)->effort), target.provider));
}

Target read_target(Section section, std::string name) {
  Target target;
  target.name = std::move(name);
  if (named_level(target.name).effort)
    section.fault().fail(section.raw(), fmt::format("target.{}", target.name),
                         "a name without an effort behind an @, which says at what effort to ask");
  target_keys(target, section);
  check_target(section, target);
  check_efforts(section, target);
  if (!section.fault().error) check_price(section, target);
  (void)section.find("free");
  section.finish();
  if (target.kind == TargetKind::engine && target.model.empty()) target.model = target.name;
  return target;
}

void read_rate(Section section, const std::string& name, Policy& out) {
  RateRule rule;
  rate_keys(rule, section);
  if (!name.starts_with("api:") && !name.starts_with("pool:"))
    section.fault().fail(section.raw(), fmt::format("rate.{}", name),
                         "the kind of a target, for example [rate.\"api:anthropic\"]");
  section.finish();
  out.rates[name] = rule;
}

std::string class_names() {
  std::string names;
  for (const auto& [value, known] : EnumNames<TaskClass>::names) (names += " ") += known;
  return names;
}

void check_classes(Section& section, const std::vector<std::string>& classes) {
  for (const std::string& name : classes)
    if (name != "all" && !enum_from_name<TaskClass>(name))
      section.refuse("classes", fmt::format("\"all\" or some of the classes{}", class_names()));
}

void read_task(Section section, const std::string& name, Policy& out) {
  auto task = enum_from_name<TaskClass>(name);
  if (!task)
    section.fault().fail(section.raw(), fmt::format("class.{}", name),
                         fmt::format("one of the classes{}", class_names()));
  TaskRule rule;
  task_keys(rule, section);
  section.finish();
  if (task) out.tasks[*task] = std::move(rule);
}

void read_label(Section section, Policy& out) {
  LabelRule label;
  label_keys(label, section);
  if (label.name.empty()) section.refuse("name", "the label's name");
  for (const std::string& pattern : label.match)
    if (std::string expected = pattern_fault(pattern); !expected.empty())
      section.refuse("match", expected);
  for (const LabelRule& other : out.labels)
    if (other.name == label.name && other.trust != label.trust)
      section.refuse("trust", fmt::format("\"{}\", as another [[label]] of the name \"{}\" has it",
                                          enum_name(other.trust), label.name));
  section.finish();
  out.labels.push_back(std::move(label));
}

void read_budget(Section section, std::string name, Policy& out) {
  Budget budget;
  budget.scope = std::move(name);
  const std::optional<Per> per = period_of(budget.scope);
  if (!per)
    section.fault().fail(section.raw(), fmt::format("budget.{}", budget.scope),
                         "one of hour, day, week, month, all, session, \"project:NAME\", "
                         "\"class:NAME\", \"token:NAME\", \"target:NAME\"");
  budget.per = per.value_or(Per::ever);
  budget_keys(budget, section);
  if (!section.has("usd")) section.refuse("usd", "the most that may be spent, in dollars");
  const bool names_period = enum_from_name<Per>(budget.scope).has_value();
  if (per && names_period && budget.per != *per)
    section.refuse("per",
                   fmt::format("no other period than the {} that its name says", enum_name(*per)));
  section.finish();
  out.budgets.push_back(std::move(budget));
}

// A step at an effort that its target lists is of that target; another one stays what it is.
std::vector<std::string> targets_of(const Policy& policy, std::vector<std::string> steps) {
  for (std::string& step : steps) {
    const auto [name, effort] = named_level(step);
    auto target = std::ranges::find(policy.targets, name, &Target::name);
    if (effort && target != policy.targets.end() &&
        std::ranges::count(target->efforts, *effort, &EffortChoice::effort) > 0)
      step = target->name;
  }
  return steps;
}

void check_references(const Policy& policy, Section& root) {
  auto check = [&](TaskClass task, std::string_view key, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      bool is_target = std::ranges::count(policy.targets, name, &Target::name) > 0;
      if (is_target || name == "local") continue;
      std::string path = fmt::format("class.{}.{}", enum_name(task), key);
      root.fault().fail(*root.raw().at_path(path).node(), path,
                        fmt::format("names of [target.*]; there is no target \"{}\"", name));
    }
  };
  for (const auto& [task, rule] : policy.tasks) {
    check(task, "targets", rule.targets);
    check(task, "cascade", targets_of(policy, rule.cascade));
    if (rule.hedge) check(task, "hedge.to", rule.hedge->to);
  }
}

}  // namespace

Policy read_policy(Section& root) {
  Policy policy;
  auto read = [&](std::string_view name, auto keys) {
    const toml::table* table = root.table(name);
    if (!table) return;
    Section section(*table, std::string(name), root.fault());
    keys(section);
    section.finish();
  };
  read("policy", [&](Section& section) { policy_keys(policy, section); });
  read("value", [&](Section& section) { value_keys(policy.value, section); });
  read("cache", [&](Section& section) { section("keepalive", policy.keep_alive); });
  read("switch", [&](Section& section) { switch_keys(policy.switching, section); });
  read("explore", [&](Section& section) {
    explore_keys(policy.explore, section);
    check_classes(section, policy.explore.classes);
  });
  root.each("target", [&](Section section, std::string name) {
    policy.targets.push_back(read_target(std::move(section), std::move(name)));
  });
  root.each("rate", [&](Section section, std::string name) {
    read_rate(std::move(section), name, policy);
  });
  root.each("class", [&](Section section, std::string name) {
    read_task(std::move(section), name, policy);
  });
  read("workspace", [&](Section& section) { workspace_keys(policy.roots, section); });
  read("limits", [&](Section& section) { limit_keys(policy.limits, section); });
  read("ledger", [&](Section& section) { ledger_keys(policy.ledger, section); });
  root.each("budget", [&](Section section, std::string name) {
    read_budget(std::move(section), std::move(name), policy);
  });
  if (const toml::array* labels = root.array("label"))
    for (const toml::node& node : *labels) {
      if (node.is_table())
        read_label(Section(*node.as_table(), "label", root.fault()), policy);
      else
        root.fault().fail(node, "label", "tables: [[label]]");
    }
  check_references(policy, root);
  return policy;
}

Result<Policy> parse_policy(std::string_view text, const std::string& file_name) {
  toml::parse_result parsed = toml::parse(text, std::string_view(file_name));
  if (!parsed)
    return Error{Errc::invalid,
                 fmt::format("{}:{}: {}", file_name, parsed.error().source().begin.line,
                             parsed.error().description())};
  settings::Fault fault{file_name, std::nullopt};
  Section root(parsed.table(), "", fault);
  Policy policy = read_policy(root);
  root.finish();
  if (fault.error) return *fault.error;
  return policy;
}

std::string print_policy(const Policy& policy) {
  auto printed = [](std::string_view name, auto keys) {
    Printer printer;
    keys(printer);
    return printer.section(name);
  };
  std::string out = printed("policy", [&](Printer& key) { policy_keys(policy, key); });
  out += "\n" + printed("value", [&](Printer& key) { value_keys(policy.value, key); });
  if (policy.switching != Switching{})
    out += "\n" + printed("switch", [&](Printer& key) { switch_keys(policy.switching, key); });
  if (policy.keep_alive != KeepWarm::never)
    out += "\n" + printed("cache", [&](Printer& key) { key("keepalive", policy.keep_alive); });
  if (!policy.explore.classes.empty())
    out += "\n" + printed("explore", [&](Printer& key) { explore_keys(policy.explore, key); });
  // One by one, since their order means something and a table sorts.
  for (const Target& target : policy.targets) {
    Printer printer;
    target_keys(target, printer);
    out += "\n" + printer.section("target", target.name);
  }
  for (const auto& [name, rule] : policy.rates) {
    Printer printer;
    rate_keys(rule, printer);
    out += "\n" + printer.section("rate", name);
  }
  for (const auto& [task, rule] : policy.tasks) {
    Printer printer;
    task_keys(rule, printer);
    out += "\n" + printer.section("class", enum_name(task));
  }
  if (!policy.roots.empty())
    out += "\n" + printed("workspace", [&](Printer& key) { workspace_keys(policy.roots, key); });
  for (const Budget& budget : policy.budgets) {
    Printer printer;
    budget_keys(budget, printer);
    out += "\n" + printer.section("budget", budget.scope);
  }
  out += "\n" + printed("limits", [&](Printer& key) { limit_keys(policy.limits, key); });
  out += "\n" + printed("ledger", [&](Printer& key) { ledger_keys(policy.ledger, key); });
  for (const LabelRule& label : policy.labels) {
    Printer printer;
    label_keys(label, printer);
    out += "\n" + printer.item("label");
  }
  return out;
}

std::string policy_hash(const Policy& policy) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: nobody gains by forging a policy's hash
  for (unsigned char c : print_policy(policy)) hash = (hash ^ c) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

}  // namespace hearth::router
