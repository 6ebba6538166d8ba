#include "cascade.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "router/effort.h"
#include "score.h"
#include "support/child_environment.h"
#include "support/json.h"
#include "support/offload.h"

namespace hearth::router {

namespace {

constexpr std::chrono::seconds kLongestCheck{120};

std::string text_of_answer(const Completion& completion) {
  std::string text;
  for (const Block& block : completion.message.blocks)
    if (auto* part = std::get_if<Text>(&block.content)) text += part->text;
  return text;
}

bool parses(const Completion& completion, bool wants_json) {
  for (const Block& block : completion.message.blocks)
    if (auto* call = std::get_if<ToolCall>(&block.content))
      if (!call->arguments.empty() && !json::Document::parse(call->arguments)) return false;
  return !wants_json || json::Document::parse(text_of_answer(completion));
}

// A file in memory that holds the text, at its start; -1: there is none to be had. As a file it can
// be read in any way, or not at all.
int file_of(const std::string& text) {
  const int file = ::memfd_create("answer", MFD_CLOEXEC);
  size_t n_written = 0;
  while (file >= 0 && n_written < text.size()) {
    const ssize_t n = ::write(file, text.data() + n_written, text.size() - n_written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      ::close(file);
      return -1;
    }
    n_written += static_cast<size_t>(n);
  }
  if (file >= 0) ::lseek(file, 0, SEEK_SET);
  return file;
}

// Runs it with the text on its standard input; the whole group of processes ends with it.
Result<bool> command_passes(const std::string& command, const std::string& text) {
  const int input = file_of(text);
  if (input < 0) return Error{Errc::io, "no memory for what a verifier reads"};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, input, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  std::string shell = "/bin/sh", option = "-c", line = command;
  char* arguments[] = {shell.data(), option.data(), line.data(), nullptr};
  std::vector<char*> environment = child_environment();
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, shell.c_str(), &actions, &attributes, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(input);
  if (failed != 0)
    return Error{Errc::io, fmt::format("the verifier cannot be started: {}", command)};
  const auto end = std::chrono::steady_clock::now() + kLongestCheck;
  int status = 0;
  bool is_over = false;
  while (!is_over && std::chrono::steady_clock::now() < end) {
    is_over = ::waitpid(child, &status, WNOHANG) == child;
    if (!is_over) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ::kill(-child, SIGKILL);  // also what it left behind
  if (!is_over) {
    ::waitpid(child, &status, 0);
    return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

std::vector<std::string> cascade_of(const Policy& policy, const RequestFacts& facts,
                                    const Decision& decision) {
  std::vector<std::string> steps;
  auto rule = policy.tasks.find(facts.task);
  if (rule == policy.tasks.end() || rule->second.verify.empty() || !is_any(facts.model) ||
      decision.target.empty())
    return steps;
  std::vector<std::pair<std::string_view, std::optional<Effort>>> asked;
  for (const std::string& name : rule->second.cascade) {
    const NamedLevel level = named_level(name);
    // The same is not asked twice.
    const auto effort_here = asked.empty() ? effort_at : best_effort;
    const std::pair at{level.target,
                       level.effort ? level.effort : effort_here(decision, level.target)};
    if (std::ranges::count(asked, at) > 0) continue;
    const bool is_kept = std::ranges::any_of(decision.candidates, [&](const Candidate& each) {
      return each.target == level.target && !each.excluded_by &&
             (!level.effort || each.effort == level.effort);
    });
    if (!is_kept || steps.size() > rule->second.max_escalations) continue;
    steps.push_back(name);
    asked.push_back(at);
  }
  if (steps.size() < 2) steps.clear();
  return steps;
}

Result<bool> passes(const std::vector<std::string>& checks, const Completion& completion,
                    bool wants_json) {
  for (const std::string& check : checks) {
    if (check == "parse") {
      if (!parses(completion, wants_json)) return false;
      continue;
    }
    auto passed = command_passes(check, text_of_answer(completion));
    if (!passed || !*passed) return passed;
  }
  return true;
}

Task<Answer> run_cascade(CascadePlan plan, RunStep run) {
  net::thread_pool worker(1);
  Answer answer = Error{Errc::internal, "a cascade without steps"};
  std::string why;  // the first step's answer is not shown
  auto begin_to_show = [&](size_t i) {
    if (i > 0 && plan.on_later_step) plan.on_later_step(plan.steps[i], why);
  };
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const bool is_last = i + 1 == plan.steps.size();
    std::vector<StreamDelta> heard;
    DeltaSink hold = [&heard](const StreamDelta& delta) { heard.push_back(delta); };
    if (is_last) begin_to_show(i);
    CascadeStep step{plan.steps[i], is_last ? plan.sink : hold};
    answer = co_await run(std::move(step));
    if (is_last) break;
    if (!answer) {
      if (answer.error().code == Errc::cancelled) break;
      if (i == 0) why = fmt::format("gave no answer ({})", enum_name(answer.error().code));
      continue;
    }
    auto check = [checks = plan.verify, completion = *answer, json = plan.wants_json] {
      return passes(checks, completion, json);
    };
    const Result<bool> passed = co_await run_on(worker, std::move(check));
    if (!passed) {
      answer = passed.error();
      break;
    }
    if (plan.on_verdict) plan.on_verdict(plan.steps[i], *passed);
    if (i == 0) why = "gave what did not pass";
    if (!*passed) continue;
    begin_to_show(i);
    for (const StreamDelta& delta : heard) plan.sink(delta);
    break;
  }
  co_return answer;
}

}  // namespace hearth::router
