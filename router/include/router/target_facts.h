// What is known of a target beside its price and quality, and what a policy allows of it: who made
// the model and where, under which licence, where it runs, how long what is sent is kept.
//
// Plain data, any thread. Values are compared without regard to case; lists take wildcards
// ("llama*").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::router {

struct Target;

// Empty: not known.
struct TargetFacts {
  std::string publisher;  // "qwen", "openai"
  std::string origin;     // the publisher's country: "cn", "us", "fr"
  std::string licence;    // of the weights, as SPDX writes it: "apache-2.0", "mit"; "proprietary"
  std::string hosting;    // where it runs: "own", or a country or region: "us", "de", "eu"
  std::string retention;  // how long what is sent is kept: "none", "30d"
};

// [policy] allow and deny.
struct FactRules {
  std::vector<std::string> publisher, origin, licence, hosting, retention;
  bool empty() const {
    return publisher.empty() && origin.empty() && licence.empty() && hosting.empty() &&
           retention.empty();
  }
};

// The facts by name, for lists of keys, rules and tables.
inline constexpr std::pair<std::string_view, std::string TargetFacts::*> kFactNames[] = {
    {"publisher", &TargetFacts::publisher},
    {"origin", &TargetFacts::origin},
    {"licence", &TargetFacts::licence},
    {"hosting", &TargetFacts::hosting},
    {"retention", &TargetFacts::retention}};
inline constexpr std::pair<std::string_view, std::vector<std::string> FactRules::*> kFactRules[] = {
    {"publisher", &FactRules::publisher},
    {"origin", &FactRules::origin},
    {"licence", &FactRules::licence},
    {"hosting", &FactRules::hosting},
    {"retention", &FactRules::retention}};

// What the policy says of the target, else what is commonly known of its provider and its model.
// Only what is certain: the retention of a provider is a matter of contract, which is the user's to
// state.
TargetFacts facts_of(const Target& target);

// The fact that the rules keep the target out for, in words; nothing: none does. A list of what is
// allowed keeps out what is not known; a list of what is denied does not.
std::optional<std::string> denied_fact(const FactRules& allow, const FactRules& deny,
                                       const TargetFacts& facts);

}  // namespace hearth::router
