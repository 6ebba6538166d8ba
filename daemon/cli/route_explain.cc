// `hearth route explain`: why a request went where it went, or where one would go. Reads the
// ledger's file or nothing; needs no daemon.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/policy_option.h"
#include "cli/terminal.h"
#include "cli/time_option.h"
#include "router/explain.h"
#include "router/ledger.h"
#include "router/ledger_reader.h"
#include "router/policy_file.h"
#include "router/router.h"
#include "support/file.h"
#include "support/json.h"
#include "wire/openai.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string what;
  bool is_dry_run = false;
  std::string policy, model, task;
  std::vector<std::string> labels;
  uint32_t n_prompt_tokens = 0, max_tokens = 0;
};

// A file that holds a chat completion's body; anything else is the prompt itself.
Result<router::RouteRequest> request_of(const Options& options) {
  router::RouteRequest request;
  if (!options.what.empty() && ::access(options.what.c_str(), F_OK) == 0) {
    auto text = file::read(options.what, 64 << 20);
    if (!text) return text.error();
    auto parsed = wire::openai::parse_chat(*text);
    if (!parsed)
      return Error{parsed.error().code,
                   fmt::format("{}: {}", options.what, parsed.error().message)};
    request.body = std::move(parsed->body);
    request.facts.model = parsed->model;
    request.facts.session = parsed->session;
    request.facts.origin = router::Origin::chat;
  } else {
    request.body.messages = {text_message(Role::user, options.what)};
  }
  if (!options.model.empty()) request.facts.model = options.model;
  if (!options.task.empty()) {
    auto task = enum_from_name<router::TaskClass>(options.task);
    if (!task) return Error{Errc::invalid, fmt::format("there is no class \"{}\"", options.task)};
    request.facts.task = *task;
  }
  if (options.max_tokens) request.body.max_tokens = options.max_tokens;
  request.facts.labels = options.labels;
  request.facts.time_ms = now_ms();
  return request;
}

// Targets are taken to be up, idle and cold: a dry run asks nobody.
Result<router::DecisionRecord> dry_run(const Options& options, const router::Policy& policy) {
  auto request = request_of(options);
  if (!request) return request.error();
  router::read_facts(policy, *request);
  if (options.n_prompt_tokens) request->facts.n_prompt_estimate = options.n_prompt_tokens;
  router::DecisionRecord record;
  record.time_ms = request->facts.time_ms;
  record.policy_hash = router::policy_hash(policy);
  record.facts = std::move(request->facts);
  record.states.resize(policy.targets.size());
  record.decision = router::decide(record.facts, policy, record.states);
  return record;
}

struct Stored {
  router::StoredDecision decision;
  std::vector<router::AttemptRow> attempts;
};

Result<Stored> stored(const Common& common, const std::string& id) {
  auto reader = router::LedgerReader::open(ledger_folder(common));
  if (!reader) return reader.error();
  auto decision = reader->decision(id);
  if (!decision) return decision.error();
  auto attempts = reader->attempts(decision->record.decision.id);
  if (!attempts) return attempts.error();
  return Stored{std::move(*decision), std::move(*attempts)};
}

Result<router::Explanation> explained(const Common& common, const Options& options,
                                      const router::Policy& policy) {
  if (options.is_dry_run) {
    auto record = dry_run(options, policy);
    if (!record) return record.error();
    router::Explanation explanation = router::explain(*record, policy);
    explanation.note = "a dry run: every target is taken to be up, idle and cold";
    return explanation;
  }
  auto found = stored(common, options.what);
  if (!found) return found.error();
  const auto& outcome = found->decision.outcome;
  router::Explanation explanation = router::explain(found->decision.record, policy);
  explanation.tried =
      router::tried_of(found->decision.record, found->attempts, outcome && !outcome->failed_as);
  return explanation;
}

int run(const Common& common, const Options& options) {
  if (options.what.empty() && !options.is_dry_run) {
    fmt::print(stderr, "hearth: expected the id of a decision or a request, or --dry-run\n");
    return kUsage;
  }
  auto policy = policy_named(common, options.policy);
  if (!policy) return fail(policy.error());
  auto explanation = explained(common, options, **policy);
  if (!explanation) return fail(explanation.error());
  if (common.json)
    fmt::print("{}\n", json::encode(*explanation));
  else
    fmt::print("{}", printable(router::in_words(*explanation)));
  return 0;
}

}  // namespace

Command route_explain() {
  auto declare = [](Form& form, Options& options) {
    form.option("what", options.what,
                "Id of a decision or request; with --dry-run a prompt, or a file with the body of "
                "a chat completion");
    form.flag("--dry-run", options.is_dry_run, "Decide only; nothing is sent");
    form.option("--policy", options.policy, "A policy's file; default: what is in force");
    form.option("-m,--model", options.model, "With --dry-run: as a request asks");
    form.option("--class", options.task, "With --dry-run: the kind of task");
    form.option("--label", options.labels, "With --dry-run: a label that the request carries");
    form.option("--prompt-tokens", options.n_prompt_tokens, "With --dry-run: the prompt's size");
    form.option("-n,--max-tokens", options.max_tokens, "With --dry-run: longest answer");
    form.json();
  };
  return command("explain", "Why a request went where it went, and what would have changed it", run,
                 declare);
}

}  // namespace hearth::cli
