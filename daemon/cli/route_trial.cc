// `hearth route trial`: would a candidate model do? Runs logged requests of a class again, on what
// answers them now and on the candidate, through the daemon (whose budgets and labels hold), and
// has a command or a blinded judge compare the answers. Every pair is kept when it is done, so that
// a trial that was broken off goes on where it stood.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <set>

#include "cli/commands.h"
#include "cli/daemon_http.h"
#include "cli/policy_option.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "cli/time_option.h"
#include "cli/usd_text.h"
#include "router/ledger_reader.h"
#include "router/trial.h"
#include "support/file.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

using router::Policy;
using router::StoredDecision;
using router::Target;
using router::TrialPair;
using router::Verdict;

struct Options {
  std::string task, candidate, verify, judge;
  uint32_t n_sample = 50;
  double budget_usd = 1;
};

constexpr int64_t kMonthMs = int64_t{30} * 86'400'000;
constexpr uint32_t kMostOutput = 4096;  // tokens, where the request did not say

struct Said {
  std::string text;
  double usd = 0;
};

// Requests that are plain talk; calls could not be answered again.
std::optional<json::Array> messages_of(const CompletionRequest& request) {
  if (request.prompt || !request.tools.empty() || request.messages.empty()) return std::nullopt;
  json::Array messages;
  for (const Message& message : request.messages) {
    std::string text;
    for (const Block& block : message.blocks) {
      if (auto* part = std::get_if<Text>(&block.content)) {
        text += part->text;
      } else if (!std::holds_alternative<Reasoning>(block.content)) {
        return std::nullopt;
      }
    }
    if (message.role == Role::tool) return std::nullopt;
    messages.push_back(
        json::Object{{"role", std::string(enum_name(message.role))}, {"content", text}});
  }
  return messages;
}

std::string last_said(const CompletionRequest& request) {
  std::string text;
  for (const Block& block : request.messages.back().blocks)
    if (auto* part = std::get_if<Text>(&block.content)) text += part->text;
  return text;
}

Result<Said> ask(const transport::Discovery& daemon, const std::string& target,
                 const json::Array& messages, uint32_t max_tokens) {
  json::Object body{{"model", target}, {"messages", messages}};
  if (max_tokens) body["max_tokens"] = max_tokens;
  auto reply = post_to_daemon(daemon, "/v1/chat/completions", boost::json::serialize(body),
                              {fmt::format("x-hearth-project: {}", router::kTrialProject)});
  if (!reply) return reply.error();
  auto document = json::Document::parse(reply->body);
  if (!document) return document.error();
  std::string_view text;
  if (!document->root()["error"]["message"].get_string().get(text))
    return Error{Errc::upstream, fmt::format("{}: {}", target, text)};
  if (document->root()["choices"].at(0)["message"]["content"].get_string().get(text))
    return Error{Errc::upstream, target + ": it answered without text"};
  Said said{std::string(text), 0};
  if (auto usd = reply->head.header("x-hearth-cost-usd"))
    if (auto amount = router::parse_usd(*usd)) said.usd = amount->usd();
  return said;
}

// The user's own command, which finds the answer on its standard input; exit status 0 is right.
Result<bool> passes(const std::string& command, const std::string& answer) {
  std::FILE* pipe = ::popen((command + " >/dev/null 2>&1").c_str(), "w");
  if (!pipe) return Error{Errc::io, "the command cannot be run: " + command};
  // Who does not read it need not: past the stream's buffer, which pclose() would fail to empty.
  for (size_t n_written = 0; n_written < answer.size();) {
    const ssize_t n = ::write(::fileno(pipe), answer.data() + n_written, answer.size() - n_written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    n_written += static_cast<size_t>(n);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return Error{Errc::not_found, "the command is not found: " + command};
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// As much of an answer as was reckoned with, at a character's end.
std::string_view shown(const std::string& answer, uint32_t max_output) {
  size_t n = std::min<size_t>(answer.size(), router::kShownPerToken * max_output);
  while (n < answer.size() && n > 0 && (static_cast<unsigned char>(answer[n]) & 0xc0) == 0x80) --n;
  return std::string_view(answer).substr(0, n);
}

Result<TrialPair> run_pair(const transport::Discovery& daemon, const Options& options,
                           const StoredDecision& decision, const json::Array& messages,
                           uint32_t max_output) {
  TrialPair pair;
  pair.decision = decision.record.decision.id;
  auto present = ask(daemon, decision.record.decision.target, messages, max_output);
  if (!present) return present.error();
  auto candidate = ask(daemon, options.candidate, messages, max_output);
  if (!candidate) return candidate.error();
  pair.present_usd = present->usd;
  pair.candidate_usd = candidate->usd;
  if (!options.verify.empty()) {
    auto before = passes(options.verify, present->text);
    if (!before) return before.error();
    auto after = passes(options.verify, candidate->text);
    if (!after) return after.error();
    pair.verdict = *before == *after ? Verdict::tie : *after ? Verdict::win : Verdict::loss;
    return pair;
  }
  const std::string_view ours = shown(candidate->text, max_output),
                         theirs = shown(present->text, max_output);
  int judgements[2] = {0, 0};
  for (int order = 0; order < 2; ++order) {
    const bool candidate_first = order == 1;
    json::Array question{json::Object{
        {"role", "user"},
        {"content", router::judge_prompt(last_said(*decision.body), candidate_first ? ours : theirs,
                                         candidate_first ? theirs : ours)}}};
    auto said = ask(daemon, options.judge, question, router::kJudgeTokens);
    if (!said) return said.error();
    pair.judge_usd += said->usd;
    judgements[order] = router::parse_judgement(said->text);
  }
  pair.verdict = router::verdict_of(judgements[0], judgements[1]);
  return pair;
}

struct Found {
  std::vector<StoredDecision> decisions;
  uint64_t n_of_class = 0, n_without_words = 0, n_not_text = 0, n_labelled = 0, n_own = 0;
};

// The latest requests of the class that can be run again.
Result<Found> find_requests(const Common& common, const Options& options, router::TaskClass task,
                            const Policy& policy, const Target& candidate) {
  auto reader = router::LedgerReader::open(ledger_folder(common));
  if (!reader) return reader.error();
  Found found;
  auto visit = [&](StoredDecision decision) {
    const router::DecisionRecord& record = decision.record;
    if (record.facts.task != task || record.decision.target.empty() ||
        record.facts.project == router::kTrialProject)
      return true;
    ++found.n_of_class;
    if (record.decision.target == options.candidate)
      ++found.n_own;
    else if (!record.facts.labels.empty() &&
             !router::may_see(policy, candidate, record.facts.labels))
      ++found.n_labelled;
    else if (!decision.body)
      ++found.n_without_words;
    else if (!messages_of(*decision.body))
      ++found.n_not_text;
    else
      found.decisions.push_back(std::move(decision));
    return true;
  };
  auto visited = reader->decisions({.since_ms = now_ms() - kMonthMs}, true, visit);
  if (!visited) return visited.error();
  return found;
}

std::vector<TrialPair> read_pairs(const std::string& path) {
  std::vector<TrialPair> pairs;
  auto text = file::read(path, 64 << 20);
  if (!text) return pairs;
  for (std::string_view rest = *text; !rest.empty();) {
    const size_t end = rest.find('\n');
    auto pair = json::decode<TrialPair>(rest.substr(0, end), "pair");
    if (pair) pairs.push_back(std::move(*pair));
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
  return pairs;
}

Result<> keep_pair(const std::string& path, const TrialPair& pair) {
  std::FILE* out = std::fopen(path.c_str(), "a");
  if (!out) return Error{Errc::io, path + ": it cannot be written"};
  const std::string line = json::encode(pair) + "\n";
  const bool is_written = std::fwrite(line.data(), 1, line.size(), out) == line.size();
  if (std::fclose(out) != 0 || !is_written) return Error{Errc::io, path + ": it cannot be written"};
  return {};
}

void print_report(const Options& options, const router::TrialReport& report) {
  fmt::print("{} beside what answers {} now: {} wins, {} ties, {} losses\n",
             printable(options.candidate), options.task, report.n_wins, report.n_ties,
             report.n_losses);
  fmt::print("wins less losses: {:+.1f} % (95 %: {:+.1f} to {:+.1f})\n", 100 * report.better.mean,
             100 * report.better.low, 100 * report.better.high);
  fmt::print("saves ${} a month (95 %: {} to {}); the trial took ${}\n",
             usd_text(report.saving_per_month.mean), usd_text(report.saving_per_month.low),
             usd_text(report.saving_per_month.high), usd_text(report.spent_usd));
  if (report.is_no_worse)
    fmt::print("\nTo adopt it, in the policy:\n\n  [class.{}]\n  targets = [\"{}\"]\n",
               options.task, printable(options.candidate));
  else
    fmt::print(
        "\nNot shown to be as good (it may lose {:.0f} % more than it wins); more pairs may "
        "tell: --sample\n",
        100 * router::kMayLose);
}

const Target* named(const Policy& policy, const std::string& name) {
  auto found = std::ranges::find(policy.targets, name, &Target::name);
  return found == policy.targets.end() ? nullptr : &*found;
}

int run(const Common& common, const Options& options) {
  auto task = enum_from_name<router::TaskClass>(options.task);
  if (!task) return fail({Errc::invalid, fmt::format("there is no class \"{}\"", options.task)});
  if (options.verify.empty() == options.judge.empty())
    return fail({Errc::invalid, "expected either --verify COMMAND or --judge TARGET"});
  auto policy = policy_named(common, "");
  if (!policy) return fail(policy.error());
  const Target* candidate = named(**policy, options.candidate);
  for (const std::string& name : {options.candidate, options.judge})
    if (!name.empty() && !named(**policy, name))
      return fail({Errc::not_found, fmt::format("the policy has no target \"{}\"", name)});
  if (options.judge == options.candidate)
    return fail({Errc::invalid, "nobody judges their own answers: name another --judge"});
  auto found = find_requests(common, options, *task, **policy, *candidate);
  if (!found) return fail(found.error());
  const std::string notes = fmt::format(
      "of {} requests in 30 days: {} without their words, {} with calls or images, {} whose labels "
      "keep them from {}, {} that it answered itself",
      found->n_of_class, found->n_without_words, found->n_not_text, found->n_labelled,
      options.candidate, found->n_own);
  if (found->decisions.empty())
    return fail({Errc::not_found,
                 fmt::format("no request of class {} can be run again ({}); words are kept with "
                             "[ledger] bodies = \"full\"",
                             options.task, notes)});

  const std::string folder = path::join(common.folders.state, "trials");
  ::mkdir(common.folders.state.c_str(), 0700);
  ::mkdir(folder.c_str(), 0700);
  const std::string how =
      options.verify.empty() ? "judge-" + options.judge
                             : fmt::format("verify-{:x}", std::hash<std::string>()(options.verify));
  const std::string kept =
      path::join(folder, fmt::format("{}-{}-{}.jsonl", options.task, options.candidate, how));
  std::vector<TrialPair> pairs = read_pairs(kept);
  std::set<std::string> done;
  for (const TrialPair& pair : pairs) done.insert(pair.decision);

  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());
  auto daemon = find_daemon(common.folders);
  if (!daemon) return fail(daemon.error());
  std::signal(SIGPIPE, SIG_IGN);
  double spent = 0;
  std::string stopped;
  for (auto decision = found->decisions.rbegin();
       decision != found->decisions.rend() && pairs.size() < options.n_sample; ++decision) {
    if (done.contains(decision->record.decision.id)) continue;
    const json::Array messages = *messages_of(*decision->body);
    const uint32_t asked = decision->body->max_tokens;
    const uint32_t max_output = asked ? asked : kMostOutput;
    const double most =
        router::most_of_pair(named(**policy, decision->record.decision.target), candidate,
                             options.judge.empty() ? nullptr : named(**policy, options.judge),
                             boost::json::serialize(messages).size(), max_output, now_ms())
            .usd();
    if (spent + most > options.budget_usd) {
      stopped = fmt::format("the next pair may cost ${}, and of the budget of ${} ${} are spent",
                            usd_text(most), usd_text(options.budget_usd), usd_text(spent));
      break;
    }
    auto pair = run_pair(*daemon, options, *decision, messages, max_output);
    if (!pair) {
      stopped = pair.error().message;
      break;
    }
    spent += pair->present_usd + pair->candidate_usd + pair->judge_usd;
    if (auto written = keep_pair(kept, *pair); !written) return fail(written.error());
    pairs.push_back(std::move(*pair));
    if (!common.json && is_terminal(2))
      fmt::print(stderr, "\r{} pairs, ${:.4f} ", pairs.size(), spent);
  }
  if (!common.json && is_terminal(2)) fmt::print(stderr, "\r");
  if (pairs.empty()) return fail({Errc::upstream, stopped});
  const router::TrialReport report =
      router::report_of(pairs, static_cast<double>(found->n_of_class));
  if (common.json) {
    fmt::print("{}\n", json::encode(report));
    return 0;
  }
  print_report(options, report);
  fmt::print("{}\n", notes);
  if (!stopped.empty())
    fmt::print("stopped early: {}; run it again to go on\n", printable(stopped));
  return 0;
}

}  // namespace

Command route_trial() {
  auto declare = [](Form& form, Options& options) {
    form.option("--class", options.task, "The kind of task whose requests are run again")
        .required();
    form.option("--candidate", options.candidate, "The target to try").required();
    form.option("--sample", options.n_sample, "So many requests (50)").between(1, 100'000);
    form.option("--verify", options.verify,
                "A command that reads an answer on its standard input; 0: it is right");
    form.option("--judge", options.judge, "A target that compares answers, without knowing whose");
    form.option("--budget", options.budget_usd, "The most that the trial may cost, in USD (1)")
        .between(0.0, 1e6);
    form.json();
  };
  return command("trial", "Try a candidate model on logged requests", run, declare);
}

}  // namespace hearth::cli
