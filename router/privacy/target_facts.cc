#include "router/target_facts.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "router/policy.h"
#include "router/providers.h"

namespace hearth::router {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

// Providers at their own address. Where they run is left out where they may run anywhere; who
// makes the models where they offer those of others. From their public documentation.
struct ProviderFacts {
  std::string_view name, publisher, origin, hosting;
};
constexpr ProviderFacts kProviders[] = {
    {"openai", "openai", "us", "us"},   {"anthropic", "anthropic", "us", "us"},
    {"gemini", "google", "us", ""},     {"deepseek", "deepseek", "cn", "cn"},
    {"moonshot", "moonshot", "cn", ""}, {"zai", "zai", "cn", ""},
    {"dashscope", "", "", "sg"},        {"mistral", "mistral", "fr", "eu"},
    {"xai", "xai", "us", "us"},         {"together", "", "", "us"},
    {"fireworks", "", "", "us"},
};

// Models by the start of their name, the longest start first. A licence only where all models of
// that name have it.
struct ModelFacts {
  std::string_view start, publisher, origin, licence;
};
constexpr ModelFacts kModels[] = {
    {"gpt-oss", "openai", "us", "apache-2.0"},
    {"gpt-", "openai", "us", "proprietary"},
    {"chatgpt", "openai", "us", "proprietary"},
    {"claude", "anthropic", "us", "proprietary"},
    {"gemini", "google", "us", "proprietary"},
    {"gemma", "google", "us", "gemma"},
    {"grok-", "xai", "us", ""},
    {"deepseek-r1", "deepseek", "cn", "mit"},
    {"deepseek", "deepseek", "cn", ""},
    {"kimi-k2", "moonshot", "cn", "modified-mit"},
    {"kimi", "moonshot", "cn", ""},
    {"glm-4.5", "zai", "cn", "mit"},
    {"glm-4.6", "zai", "cn", "mit"},
    {"glm", "zai", "cn", ""},
    {"qwen", "qwen", "cn", ""},
    {"qwq", "qwen", "cn", "apache-2.0"},
    {"mixtral", "mistral", "fr", "apache-2.0"},
    {"mistral", "mistral", "fr", ""},
    {"codestral", "mistral", "fr", ""},
    {"devstral", "mistral", "fr", ""},
    {"ministral", "mistral", "fr", ""},
    {"llama-3", "meta", "us", "llama3"},
    {"llama-4", "meta", "us", "llama4"},
    {"llama", "meta", "us", ""},
    {"olmo", "allenai", "us", "apache-2.0"},
    {"smollm", "huggingface", "fr", "apache-2.0"},
    {"granite", "ibm", "us", "apache-2.0"},
    {"phi-3", "microsoft", "us", "mit"},
    {"phi-4", "microsoft", "us", "mit"},
};

bool matches(std::string_view pattern, const std::string& value) {
  return ::fnmatch(lower(pattern).c_str(), lower(value).c_str(), 0) == 0;
}

// A country lies in its region: who allows "eu" means "de".
bool is_in(std::string_view region, const std::string& place) {
  static constexpr std::string_view kUnion[] = {
      "at", "be", "bg", "hr", "cy", "cz", "dk", "ee", "fi", "fr", "de", "gr", "hu", "ie",
      "it", "lv", "lt", "lu", "mt", "nl", "pl", "pt", "ro", "sk", "si", "es", "se"};
  return lower(region) == "eu" && std::ranges::count(kUnion, lower(place)) > 0;
}

bool holds(const std::vector<std::string>& list, std::string_view fact, const std::string& value) {
  return std::ranges::any_of(list, [&](const std::string& each) {
    return matches(each, value) || (fact == "hosting" && is_in(each, value));
  });
}

}  // namespace

bool is_on_this_machine(const Target& target) {
  if (target.kind == TargetKind::engine) return true;
  const std::string_view url =
      target.base_url.empty() ? provider_address(target.provider) : target.base_url;
  const size_t scheme = url.find("://");
  if (scheme == url.npos) return false;
  std::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find('/'));
  if (size_t colon = host.rfind(':'); colon != host.npos && !host.ends_with(']'))
    host = host.substr(0, colon);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

TargetFacts facts_of(const Target& target) {
  TargetFacts facts = target.facts;
  auto fill = [](std::string& fact, std::string_view known) {
    if (fact.empty()) fact = known;
  };
  const bool is_own = is_on_this_machine(target);
  if (is_own) fill(facts.hosting, "own");
  if (is_own || target.trust == Trust::zero_retention) fill(facts.retention, "none");

  // "org/name", and the name of a file.
  const std::string name =
      lower(std::string_view(target.model).substr(target.model.rfind('/') + 1));
  for (const ModelFacts& model : kModels) {
    if (!name.starts_with(model.start)) continue;
    fill(facts.publisher, model.publisher);
    if (facts.publisher == model.publisher) {
      fill(facts.origin, model.origin);
      fill(facts.licence, model.licence);
    }
    break;
  }
  for (const ProviderFacts& provider : kProviders) {
    const bool is_theirs = target.kind == TargetKind::api && target.provider == provider.name &&
                           target.base_url.empty();
    if (!is_theirs) continue;
    fill(facts.hosting, provider.hosting);
    fill(facts.publisher, provider.publisher);
    if (!provider.publisher.empty() && facts.publisher == provider.publisher)
      fill(facts.origin, provider.origin);
  }
  return facts;
}

std::optional<std::string> denied_fact(const FactRules& allow, const FactRules& deny,
                                       const TargetFacts& facts) {
  for (size_t i = 0; i < std::size(kFactNames); ++i) {
    const auto& [name, member] = kFactNames[i];
    const std::string& value = facts.*member;
    const std::vector<std::string>& allowed = allow.*kFactRules[i].second;
    if (!allowed.empty() && (value.empty() || !holds(allowed, name, value)))
      return fmt::format("its {} is {}, the policy allows {}", name,
                         value.empty() ? "not known" : value, fmt::join(allowed, ", "));
    if (!value.empty() && holds(deny.*kFactRules[i].second, name, value))
      return fmt::format("its {} is {}, which the policy denies", name, value);
  }
  return std::nullopt;
}

}  // namespace hearth::router
