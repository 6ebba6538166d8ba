#include "router/policy_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "router/effort.h"
#include "router/policy_file.h"

namespace hearth::router {

namespace {

std::string_view reach_of(Trust trust) {
  switch (trust) {
    case Trust::local: return "stays on this machine";
    case Trust::self_hosted: return "stays on machines of your own";
    case Trust::zero_retention: return "may go to who keeps nothing";
    case Trust::retained: return "may go to who keeps what is sent";
    case Trust::trains: return "may go anywhere";
  }
  return "";
}

bool has_levels(const Policy& policy, const Candidate& candidate) {
  auto target = std::ranges::find(policy.targets, candidate.target, &Target::name);
  return target != policy.targets.end() && !target->efforts.empty();
}

SightView sight_of(const Policy& policy, TaskClass task, const std::string& label) {
  RequestFacts facts;
  facts.task = task;
  if (!label.empty()) facts.labels = {label};
  const Decision decision = decide(facts, policy, std::vector<TargetState>(policy.targets.size()));
  SightView sight{label, {}, {}};
  if (!decision.target.empty()) sight.targets.push_back(decision.target);
  for (const Candidate& candidate : decision.candidates)
    if (!candidate.excluded_by && std::ranges::count(sight.targets, candidate.target) == 0)
      sight.targets.push_back(candidate.target);
  for (const Candidate& candidate : decision.candidates)
    if (candidate.excluded_by)
      sight.excluded[level_name(candidate.target,
                                has_levels(policy, candidate) ? candidate.effort : std::nullopt)] =
          *candidate.excluded_by;
  return sight;
}

std::vector<std::string> names_of_labels(const Policy& policy) {
  std::vector<std::string> names;
  for (const LabelRule& rule : policy.labels)
    if (std::ranges::count(names, rule.name) == 0) names.push_back(rule.name);
  return names;
}

std::vector<std::string> notes_on(const Policy& policy, const std::vector<ClassView>& classes) {
  std::vector<std::string> notes;
  bool has_paths = false;
  for (const LabelRule& rule : policy.labels)
    has_paths = has_paths || std::ranges::any_of(rule.match, [](const std::string& pattern) {
                  return !pattern.starts_with("tool:") && !pattern.starts_with("detector:");
                });
  if (has_paths && policy.roots.empty())
    notes.push_back(
        "no [workspace] roots: text of labelled files is known only where a client says "
        "which file it is from");
  if (!policy.labels.empty())
    notes.push_back(
        "labels follow copied text; what a paraphrase says, or an excerpt shorter than "
        "about three short lines, cannot be recognised");
  std::set<std::string> unseen;
  for (const ClassView& each : classes)
    for (const SightView& sight : each.sights)
      if (sight.targets.empty())
        unseen.insert(sight.label.empty()
                          ? fmt::format("no target takes requests of class {}", each.name)
                          : fmt::format("no target may see label \"{}\" in class {}", sight.label,
                                        each.name));
  notes.insert(notes.end(), unseen.begin(), unseen.end());
  return notes;
}

}  // namespace

PolicyView view_of(const Policy& policy) {
  PolicyView view;
  view.name = policy.name;
  view.hash = policy_hash(policy);
  view.trust_floor = policy.trust_floor;
  view.on_no_target = policy.on_no_target;
  view.roots = policy.roots;
  for (const Target& target : policy.targets) {
    TargetView& row = view.targets.emplace_back();
    row.name = target.name;
    row.kind = target.kind == TargetKind::engine ? "engine" : "api:" + target.provider;
    row.model = target.model;
    row.trust = target.trust;
    for (const EffortChoice& choice : target.efforts)
      row.efforts.emplace_back(enum_name(choice.effort));
    if (target.effort) row.efforts.emplace_back(enum_name(*target.effort));
    const TargetFacts facts = facts_of(target);
    for (const auto& [name, fact] : kFactNames)
      if (!(facts.*fact).empty()) row.facts[std::string(name)] = facts.*fact;
  }
  for (const LabelRule& rule : policy.labels)
    view.labels.push_back({rule.name, rule.trust, rule.match});
  for (const auto& [task, name] : EnumNames<TaskClass>::names) {
    ClassView& row = view.classes.emplace_back();
    row.name = name;
    row.sights.push_back(sight_of(policy, task, ""));
    for (const std::string& label : names_of_labels(policy))
      row.sights.push_back(sight_of(policy, task, label));
  }
  view.notes = notes_on(policy, view.classes);
  return view;
}

std::string in_words(const PolicyView& view) {
  std::string out = fmt::format("policy \"{}\" ({})\n", view.name, view.hash);
  out += fmt::format(
      "Nothing goes to a target less trusted than \"{}\". When no target is left: {}.\n",
      enum_name(view.trust_floor), enum_name(view.on_no_target));
  out += "\nTARGETS\n";
  for (const TargetView& target : view.targets) {
    std::string facts;
    for (const auto& [name, value] : target.facts)
      facts += fmt::format("{}{} {}", facts.empty() ? "" : ", ", name, value);
    if (!target.efforts.empty())
      facts +=
          fmt::format("{}effort {}", facts.empty() ? "" : ", ", fmt::join(target.efforts, " or "));
    out += fmt::format("  {:<16} {:<18} {:<15} {}\n", target.name, target.kind,
                       enum_name(target.trust), facts);
  }
  if (view.targets.empty()) out += "  none\n";
  out += "\nLABELS\n";
  for (const LabelView& label : view.labels)
    out += fmt::format("  {:<16} {}: {}\n", label.name, reach_of(label.trust),
                       fmt::join(label.match, ", "));
  if (view.labels.empty()) out += "  none: every text may go to every target\n";
  out += "\nWHO MAY SEE WHAT\n";
  // Classes that say the same stand together.
  std::vector<bool> is_said(view.classes.size());
  for (size_t i = 0; i < view.classes.size(); ++i) {
    if (is_said[i]) continue;
    std::string names = view.classes[i].name;
    auto same = [&](const ClassView& other) {
      return std::ranges::equal(view.classes[i].sights, other.sights, [](auto& a, auto& b) {
        return a.targets == b.targets &&
               std::ranges::equal(
                   a.excluded, b.excluded, {}, [](auto& e) { return e.first; },
                   [](auto& e) { return e.first; });
      });
    };
    for (size_t j = i + 1; j < view.classes.size(); ++j)
      if (!is_said[j] && same(view.classes[j])) {
        names += ", " + view.classes[j].name;
        is_said[j] = true;
      }
    out += fmt::format("  {}\n", names);
    for (const SightView& sight : view.classes[i].sights) {
      out += fmt::format(
          "    {:<14} {}\n", sight.label.empty() ? "(no label)" : sight.label,
          sight.targets.empty() ? "nobody" : fmt::format("{}", fmt::join(sight.targets, ", ")));
      for (const auto& [target, why] : sight.excluded)
        out += fmt::format("    {:<14}   not {}: {}\n", "", target, why);
    }
  }
  if (!view.notes.empty()) out += "\nNOTES\n";
  for (const std::string& note : view.notes) out += fmt::format("  {}\n", note);
  return out;
}

}  // namespace hearth::router
