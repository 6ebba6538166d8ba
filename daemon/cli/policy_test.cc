// `hearth policy test FILE`: cases of requests and where they must go; for the CI of policies.
//
// A case is a table [[case]] of a TOML file, or an object on a line of a .jsonl file:
//
//   [[case]]
//   name = "environment files stay at home"
//   class = "chat"
//   path = "config/.env"                  # or repo, tool, labels, text, model, prompt_tokens, ...
//   expect = { target = "coder", labels = ["secret"] }
//
// Labels come as they do in serving: by source, by detectors, by the text of files below the
// policy's roots. Targets are the policy's and what is pulled, and taken to be up and idle.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <map>
#include <optional>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "router/effort.h"
#include "router/labeller.h"
#include "router/router.h"
#include "service/model_catalog.h"
#include "settings/section.h"
#include "support/file.h"
#include "support/json.h"
#include "support/path.h"

namespace hearth::cli {

namespace {

using settings::Section;

struct Expected {
  std::string target;                  // "": whichever, unless it is refused
  std::optional<Effort> effort;        // absent: whichever
  std::optional<std::string> refused;  // a code ("denied", "busy"), or "any" (in TOML also true)
  std::vector<std::string> labels;     // exactly these, in any order; empty: not asked
  std::vector<std::string> excluded;   // "TARGET", "TARGET at EFFORT", with ": part of why"
  static void fields(auto& self, auto&& field) {
    field.or_default("target", self.target);
    field("effort", self.effort);
    field("refused", self.refused);
    field("labels", self.labels);
    field("excluded", self.excluded);
  }
};

struct Case {
  std::string name, task = "chat", model = "auto", path, repo, tool, text;
  std::vector<std::string> labels;
  uint64_t n_prompt_tokens = 0;
  uint32_t max_tokens = 0;
  std::optional<uint32_t> deadline_ms;
  std::optional<Effort> effort;  // that the client asks for
  Expected expect;
  static void fields(auto& self, auto&& field) {
    field.or_default("name", self.name);
    field.or_default("class", self.task);
    field.or_default("model", self.model);
    field.or_default("path", self.path);
    field.or_default("repo", self.repo);
    field.or_default("tool", self.tool);
    field.or_default("text", self.text);
    field("labels", self.labels);
    field.or_default("prompt_tokens", self.n_prompt_tokens);
    field.or_default("max_tokens", self.max_tokens);
    field("deadline_ms", self.deadline_ms);
    field("effort", self.effort);
    field("expect", self.expect);
  }
};

void effort_key(Section& section, std::optional<Effort>& effort) {
  if (section.has("effort")) section("effort", effort.emplace());
}

Case read_case(Section section) {
  Case made;
  section("name", made.name);
  section("class", made.task);
  section("model", made.model);
  section("path", made.path);
  section("repo", made.repo);
  section("tool", made.tool);
  section("text", made.text);
  section("labels", made.labels);
  section("prompt_tokens", made.n_prompt_tokens, 0, 1 << 30);
  section("max_tokens", made.max_tokens, 0, 1 << 30);
  section("deadline_ms", made.deadline_ms, 1, 86'400'000);
  effort_key(section, made.effort);
  if (!section.has("expect")) section.refuse("expect", "{target = NAME} or {refused = \"denied\"}");
  section.nested("expect", made.expect, [](Expected& expect, Section& inner) {
    inner("target", expect.target);
    effort_key(inner, expect.effort);
    const toml::node* refused = inner.find("refused");
    if (refused && refused->value_exact<bool>() == true)
      expect.refused = "any";
    else if (refused)
      inner("refused", expect.refused.emplace());
    inner("labels", expect.labels);
    inner("excluded", expect.excluded);
  });
  section.finish();
  return made;
}

Result<std::vector<Case>> read_toml(const std::string& text, const std::string& file_name) {
  toml::parse_result parsed = toml::parse(text, std::string_view(file_name));
  if (!parsed)
    return Error{Errc::invalid,
                 fmt::format("{}:{}: {}", file_name, parsed.error().source().begin.line,
                             parsed.error().description())};
  settings::Fault fault{file_name, std::nullopt};
  Section root(parsed.table(), "", fault);
  std::vector<Case> cases;
  if (const toml::array* list = root.array("case"))
    for (const toml::node& node : *list) {
      if (node.is_table())
        cases.push_back(read_case(Section(*node.as_table(), "case", fault)));
      else
        fault.fail(node, "case", "tables: [[case]]");
    }
  root.finish();
  if (fault.error) return *fault.error;
  return cases;
}

Result<std::vector<Case>> read_lines(std::string_view text, const std::string& file_name) {
  std::vector<Case> cases;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    auto read = json::decode<Case>(line, "case");
    if (!read)
      return Error{Errc::invalid,
                   fmt::format("{}:{}: {}", file_name, number, read.error().message)};
    cases.push_back(std::move(*read));
  }
  return cases;
}

Result<std::vector<Case>> read_cases(const std::string& path) {
  auto text = file::read(path, 16 << 20);
  if (!text) return text.error();
  auto cases = text->find_first_not_of(" \t\r\n") != text->npos &&
                       (*text)[text->find_first_not_of(" \t\r\n")] == '{'
                   ? read_lines(*text, path)
                   : read_toml(*text, path);
  if (!cases) return cases.error();
  if (cases->empty()) return Error{Errc::invalid, path + ": it has no [[case]]"};
  for (size_t i = 0; i < cases->size(); ++i)
    if ((*cases)[i].name.empty()) (*cases)[i].name = fmt::format("case {}", i + 1);
  return cases;
}

Result<router::RouteRequest> request_of(const Case& given) {
  router::RouteRequest request;
  auto task = enum_from_name<router::TaskClass>(given.task);
  if (!task)
    return Error{Errc::invalid,
                 fmt::format("{}: there is no class \"{}\"", given.name, given.task)};
  request.facts.task = *task;
  request.facts.model = given.model;
  request.facts.labels = given.labels;
  request.facts.deadline_ms = given.deadline_ms;
  request.body.max_tokens = given.max_tokens;
  request.body.reasoning.effort = given.effort;
  request.body.messages = {text_message(Role::user, given.text)};
  auto some = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
  };
  if (!given.path.empty() || !given.repo.empty() || !given.tool.empty())
    request.body.messages[0].blocks[0].source =
        Source{some(given.path), some(given.repo), some(given.tool)};
  return request;
}

Task<> label(router::Labeller& labeller, std::shared_ptr<const router::Policy> policy,
             router::RouteRequest& request, Result<>& outcome) {
  outcome = co_await labeller.label(std::move(policy), request);
}

// What is not as expected; empty: nothing.
std::vector<std::string> differences(const Expected& expect, const router::RequestFacts& facts,
                                     const router::Decision& decision) {
  std::vector<std::string> found;
  const std::string refused_as =
      decision.refused_as ? std::string(enum_name(*decision.refused_as)) : "";
  if (expect.refused && refused_as.empty())
    found.push_back(fmt::format("expected a refusal, {} takes it", decision.target));
  else if (expect.refused && *expect.refused != "any" && *expect.refused != refused_as)
    found.push_back(fmt::format("expected refusal as \"{}\", it is \"{}\": {}", *expect.refused,
                                refused_as, decision.reason));
  if (!expect.refused && !refused_as.empty())
    found.push_back(fmt::format("expected {}, it is refused: {}",
                                expect.target.empty() ? "a target" : expect.target,
                                decision.reason));
  else if (!expect.target.empty() && decision.target != expect.target)
    found.push_back(fmt::format("expected {}, it goes to {}: {}", expect.target,
                                decision.target.empty() ? "nobody" : decision.target,
                                decision.reason));
  else if (expect.effort && decision.effort != expect.effort)
    found.push_back(fmt::format("expected effort {}, it is {}: {}", enum_name(*expect.effort),
                                decision.effort ? enum_name(*decision.effort) : "nobody's",
                                decision.reason));
  if (!expect.labels.empty() && !std::ranges::is_permutation(expect.labels, facts.labels))
    found.push_back(fmt::format(
        "expected labels {}, it has {}", fmt::join(expect.labels, ", "),
        facts.labels.empty() ? "none" : fmt::format("{}", fmt::join(facts.labels, ", "))));
  for (const std::string& each : expect.excluded) {
    const size_t colon = each.find(": ");
    const std::string name = each.substr(0, colon);
    const std::string why = colon == each.npos ? "" : each.substr(colon + 2);
    auto candidate = decision.candidates.end();  // that of its levels that is kept, else the last
    for (auto at = decision.candidates.begin(); at != decision.candidates.end(); ++at)
      if (name == at->target || name == router::level_name(at->target, at->effort))
        if (candidate == decision.candidates.end() || candidate->excluded_by) candidate = at;
    if (candidate == decision.candidates.end())
      found.push_back(fmt::format("there is no target {}", name));
    else if (!candidate->excluded_by)
      found.push_back(fmt::format("expected {} to be excluded, it is not", name));
    else if (candidate->excluded_by->find(why) == std::string::npos)
      found.push_back(fmt::format("expected {} to be excluded for \"{}\", it is for: {}", name, why,
                                  *candidate->excluded_by));
  }
  return found;
}

struct Outcome {
  std::string name;
  bool is_as_expected = false;
  std::vector<std::string> differences;
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field("passed", self.is_as_expected);
    field.or_default("differences", self.differences);
  }
};

struct Options {
  std::string file, policy;
};

int run(const Common& common, const Options& options) {
  auto cases = read_cases(options.file);
  if (!cases) return fail(cases.error());
  auto config =
      options.policy.empty() ? load_config(common.config_files) : load_file(options.policy);
  if (!config) return fail(config.error());
  // The daemon makes a target of every pulled model.
  ModelCatalog catalog(models::Store(path::join(common.folders.data, "models")),
                       std::make_shared<const Config>(std::move(*config)));
  const std::shared_ptr<const router::Policy> policy = catalog.policy();

  net::io_context loop(1);
  router::Labeller labeller(loop.get_executor());
  std::vector<Outcome> outcomes;
  size_t n_failed = 0;
  for (const Case& each : *cases) {
    auto request = request_of(each);
    if (!request) return fail(request.error());
    Result<> labelled;
    net::co_spawn(loop, label(labeller, policy, *request, labelled), [](std::exception_ptr) {});
    loop.restart();
    loop.run();
    if (!labelled) return fail(labelled.error());
    if (each.n_prompt_tokens) request->facts.n_prompt_estimate = each.n_prompt_tokens;
    const router::Decision decision = router::decide(
        request->facts, *policy, std::vector<router::TargetState>(policy->targets.size()));
    Outcome& outcome = outcomes.emplace_back();
    outcome.name = each.name;
    outcome.differences = differences(each.expect, request->facts, decision);
    outcome.is_as_expected = outcome.differences.empty();
    n_failed += !outcome.is_as_expected;
  }
  if (common.json) {
    fmt::print("{}\n", json::encode(outcomes));
    return n_failed ? kFailed : 0;
  }
  for (const Outcome& outcome : outcomes) {
    fmt::print("{} {}\n", outcome.is_as_expected ? "ok  " : "FAIL", printable(outcome.name));
    for (const std::string& difference : outcome.differences)
      fmt::print("       {}\n", printable(difference));
  }
  fmt::print("{} of {} cases are as expected\n", outcomes.size() - n_failed, outcomes.size());
  return n_failed ? kFailed : 0;
}

}  // namespace

Command policy_test() {
  auto declare = [](Form& form, Options& options) {
    form.option("file", options.file, "Cases: [[case]] tables, or JSON Lines").required();
    form.option("--policy", options.policy, "A policy's file; default: what is in force");
    form.json();
  };
  return command("test", "Check where requests would go (for the CI of policies)", run, declare);
}

}  // namespace hearth::cli
