#include "service/model_catalog.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

namespace hearth {

namespace {

router::Target engine_target(std::string name, std::string model) {
  router::Target target;
  target.name = std::move(name);
  target.kind = router::TargetKind::engine;
  target.model = std::move(model);
  target.trust = router::Trust::local;
  target.quality = 0.3;
  return target;
}

bool has_target(const router::Policy& policy, std::string_view name) {
  return std::ranges::any_of(policy.targets, [&](const router::Target& t) {
    return t.name == name || (t.kind == router::TargetKind::engine && t.model == name);
  });
}

}  // namespace

ModelCatalog::ModelCatalog(models::Store store, std::shared_ptr<const Config> config)
    : store_(std::move(store)), config_(std::move(config)) {}

void ModelCatalog::set_config(std::shared_ptr<const Config> config) {
  config_ = std::move(config);
  store_time_ns_ = -1;
}

void ModelCatalog::set_token_budgets(const transport::ClientTokens::List& clients) {
  token_budgets_.clear();
  for (const auto& client : clients) {
    if (!client->budget_usd) continue;
    router::Budget& budget = token_budgets_.emplace_back();
    budget.scope = "token:" + client->name;
    budget.usd = *client->budget_usd;
    budget.per = enum_from_name<router::Per>(client->budget_per).value_or(router::Per::month);
  }
  store_time_ns_ = -1;
}

void ModelCatalog::refresh() {
  struct stat info{};
  int64_t time_ns = 0;
  if (::stat(store_.folder().c_str(), &info) == 0)
    time_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
  if (time_ns == store_time_ns_) return;
  store_time_ns_ = time_ns;
  stored_ = store_.list();

  auto policy = std::make_shared<router::Policy>(config_->policy);
  policy->budgets.insert(policy->budgets.end(), token_budgets_.begin(), token_budgets_.end());
  std::vector<std::string> names;
  for (const ModelConfig& model : config_->models)
    if (!model.path.empty() || store_.find(model.name)) names.push_back(model.name);
  for (const models::StoredModel& model : stored_)
    if (std::ranges::count(names, model.name) == 0) names.push_back(model.name);
  bool has_local =
      std::ranges::any_of(policy->targets, [](const auto& t) { return t.name == "local"; });
  bool has_engine = std::ranges::any_of(
      policy->targets, [](const auto& t) { return t.kind == router::TargetKind::engine; });
  if (!names.empty() && !has_local && !has_engine) {
    auto preferred = std::ranges::find(names, models::kDefaultModel);
    std::string model = preferred == names.end() ? names.front() : *preferred;
    policy->targets.insert(policy->targets.begin(), engine_target("local", model));
  }
  for (const std::string& name : names)
    if (!has_target(*policy, name)) policy->targets.push_back(engine_target(name, name));
  for (const ModelConfig& model : config_->models)
    for (const std::string& alias : model.aliases)
      if (!has_target(*policy, alias)) policy->targets.push_back(engine_target(alias, model.name));
  // What a file says of itself, where the policy does not say it.
  for (router::Target& target : policy->targets) {
    auto model = std::ranges::find(stored_, target.model, &models::StoredModel::name);
    if (target.kind != router::TargetKind::engine || model == stored_.end()) continue;
    if (target.facts.licence.empty()) target.facts.licence = model->licence;
    if (target.facts.publisher.empty()) target.facts.publisher = model->publisher;
  }
  policy_ = std::move(policy);
}

std::shared_ptr<const router::Policy> ModelCatalog::policy() {
  refresh();
  return policy_;
}

std::string ModelCatalog::resolve(const std::string& model) {
  refresh();
  const ModelAlias* alias = config_->find_alias(model);
  const bool is_target = std::ranges::count(policy_->targets, model, &router::Target::name) > 0;
  return alias && !is_target ? alias->model : model;
}

Result<std::string> ModelCatalog::resolve_known(const std::string& model) {
  router::RequestFacts facts;
  facts.model = resolve(model);
  const std::vector<router::TargetState> states(policy_->targets.size());
  const router::Decision decision = router::decide(facts, *policy_, states);
  if (decision.refused_as == Errc::not_found) return Error{Errc::not_found, decision.reason};
  return std::move(facts.model);
}

std::vector<std::string> ModelCatalog::aliases() const {
  std::vector<std::string> names;
  for (const ModelAlias& alias : config_->aliases)
    if (alias.pattern.find('*') == alias.pattern.npos) names.push_back(alias.pattern);
  return names;
}

const std::vector<models::StoredModel>& ModelCatalog::stored() {
  refresh();
  return stored_;
}

Result<engine::ModelSpec> ModelCatalog::spec(const std::string& model) {
  refresh();
  engine::ModelSpec spec;
  spec.model = model;
  const ModelConfig* configured = config_->find_model(model);
  if (configured) {
    spec.model = configured->name;
    spec.path = configured->path;
    spec.settings = configured->settings;
    spec.keep_alive = configured->keep_alive;
    spec.volatile_lines = configured->volatile_lines;
  }
  if (!spec.path.empty()) return spec;
  auto stored = std::ranges::find(stored_, spec.model, &models::StoredModel::name);
  if (stored == stored_.end()) {
    std::string known;
    for (const models::StoredModel& each : stored_)
      known += (known.empty() ? "" : ", ") + each.name;
    return Error{
        Errc::not_found,
        fmt::format(
            "model \"{}\" is not on this machine (pulled are: {}); get it with `hearth pull`",
            model, known.empty() ? "none" : known)};
  }
  spec.path = stored->path;
  return spec;
}

}  // namespace hearth
