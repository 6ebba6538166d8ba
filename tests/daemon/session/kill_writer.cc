// kill_writer [CYCLES [SEED]]: a child runs turns in a few sessions and prints every turn/start
// that was acknowledged; the parent kills it (SIGKILL) at a random moment, opens what is left, and
// compares. Every acknowledged message must be there, once, and every session idle.
//
// The page cache survives a kill: this proves that the log recovers, fault_test.cc that it syncs.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "loop.h"
#include "session/sessions.h"
#include "session/store.h"
#include "support/scripted_completer.h"
#include "support/temporary_folder.h"

namespace hearth::test {
namespace {

constexpr int kSessions = 4;
constexpr int kPieces = 20;

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "FAILED: {}\n", what);
  std::_Exit(1);
}

struct Stack {
  explicit Stack(const std::string& folder) : completer(loop.executor()) {
    session::Store::Options options;
    options.folder = folder;
    auto opened = session::Store::open(loop.executor(), options);
    if (!opened) fail(opened.error().message);
    store = std::move(*opened);
    if (!store->set_aside().empty()) fail("set aside as damaged: " + store->set_aside());
    sessions.emplace(loop.executor(), *store, completer);
    if (auto recovered = loop.run(sessions->recover()); !recovered) fail(recovered.error().message);
  }
  ~Stack() {
    sessions->stop();
    loop.run(sessions->join());
  }

  std::shared_ptr<session::Session> open(const std::string& id) {
    auto session = loop.run(sessions->open(id));
    if (!session) fail(session.error().message);
    return *session;
  }

  Loop loop;
  ScriptedCompleter completer;
  std::unique_ptr<session::Store> store;
  std::optional<session::Sessions> sessions;
};

std::string text_of_key(const std::string& key) { return "question " + key; }

Task<> ask_for_ever(Stack& stack, std::string id, std::string prefix) {
  for (int n = 0;; ++n) {
    protocol::TurnStart start;
    start.session = id;
    start.idempotency_key = fmt::format("{}.{}", prefix, n);
    start.input.emplace_back().content = Text{text_of_key(start.idempotency_key)};
    std::string key = start.idempotency_key;
    auto started = co_await stack.sessions->start_turn(std::move(start));
    if (!started) {
      // Still running: let it come to its end.
      net::steady_timer soon(stack.loop.executor(), std::chrono::microseconds(200));
      auto [waited] = co_await soon.async_wait(as_result);
      (void)waited;
      --n;
      continue;
    }
    std::string line = fmt::format("{} {} {}\n", id, key, started->turn);
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(0);
  }
}

[[noreturn]] void write_until_killed(const std::string& folder, const std::vector<std::string>& ids,
                                     int cycle) {
  Stack stack(folder);
  std::vector<Step> script;
  for (int i = 0; i < kPieces; ++i) script.push_back(say(fmt::format("piece {} ", i)));
  for (int i = 0; i < 100000; ++i) stack.completer.plan(script);
  for (const std::string& id : ids)
    net::co_spawn(stack.loop.executor(), ask_for_ever(stack, id, fmt::format("c{}", cycle)),
                  [](std::exception_ptr) { std::_Exit(2); });
  stack.loop.run_until([] { return false; });
  std::_Exit(2);
}

using Acknowledged =
    std::map<std::string, std::map<std::string, std::string>>;  // id -> key -> turn

// Kills the child after about `n_wanted` lines; returns when it is gone, with every line it wrote.
std::string kill_after(int pipe, pid_t child, size_t n_wanted, unsigned extra_us) {
  std::string lines;
  char buffer[4096];
  bool is_killed = false;
  for (ssize_t n; (n = ::read(pipe, buffer, sizeof buffer)) > 0;) {
    lines.append(buffer, static_cast<size_t>(n));
    size_t n_lines = static_cast<size_t>(std::count(lines.begin(), lines.end(), '\n'));
    if (is_killed || n_lines < n_wanted) continue;
    ::usleep(extra_us);
    ::kill(child, SIGKILL);
    is_killed = true;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSIGNALED(status)) fail(fmt::format("the writer ended by itself, status {}", status));
  return lines.substr(0, lines.rfind('\n') + 1);
}

void remember(const std::string& lines, Acknowledged& acknowledged) {
  for (size_t at = 0; at < lines.size();) {
    size_t end = lines.find('\n', at);
    std::string line = lines.substr(at, end - at);
    size_t first = line.find(' '), second = line.find(' ', first + 1);
    acknowledged[line.substr(0, first)][line.substr(first + 1, second - first - 1)] =
        line.substr(second + 1);
    at = end + 1;
  }
}

void verify(const std::string& folder, const Acknowledged& acknowledged) {
  Stack stack(folder);
  for (const auto& [id, keys] : acknowledged) {
    auto session = stack.open(id);
    if (session->view().info.state != protocol::Activity::idle) fail(id + " is not idle");
    std::map<std::string, int> n_seen;
    for (const auto& entry : session->view().messages)
      if (entry.message.role == Role::user) ++n_seen[text_of(entry.message)];
    for (const auto& [text, n] : n_seen)
      if (n != 1) fail(fmt::format("{}: \"{}\" is there {} times", id, text, n));
    for (const auto& [key, turn] : keys) {
      const protocol::TurnStarted* started = session->started_with(key);
      if (!started || started->turn != turn) fail(fmt::format("{}: turn {} was lost", id, key));
      if (!n_seen.contains(text_of_key(key))) fail(fmt::format("{}: message {} was lost", id, key));
    }
  }
}

int run(int n_cycles, uint64_t seed) {
  fmt::print("{} cycles, seed {}\n", n_cycles, seed);
  std::fflush(stdout);
  std::mt19937_64 random(seed);
  TemporaryFolder folder;
  std::vector<std::string> ids;
  {
    Stack stack(folder / "state");
    for (int i = 0; i < kSessions; ++i) {
      protocol::SessionCreate request;
      auto session = stack.loop.run(stack.sessions->create(request));
      if (!session) fail(session.error().message);
      ids.push_back((*session)->id());
    }
  }
  Acknowledged acknowledged;
  for (int cycle = 0; cycle < n_cycles; ++cycle) {
    int ends[2];
    if (::pipe(ends) != 0) fail("pipe");
    pid_t child = ::fork();  // no other thread runs here: every Stack is gone
    if (child == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      write_until_killed(folder / "state", ids, cycle);
    }
    ::close(ends[1]);
    size_t n_wanted = 1 + random() % 60;
    remember(kill_after(ends[0], child, n_wanted, static_cast<unsigned>(random() % 5000)),
             acknowledged);
    ::close(ends[0]);
    verify(folder / "state", acknowledged);
  }
  size_t n_acknowledged = 0;
  for (const auto& [id, keys] : acknowledged) n_acknowledged += keys.size();
  fmt::print("{} acknowledged, 0 lost, 0 doubled\n", n_acknowledged);
  return n_acknowledged > static_cast<size_t>(n_cycles) ? 0 : 1;
}

}  // namespace
}  // namespace hearth::test

int main(int argc, char** argv) {
  int n_cycles = argc > 1 ? std::atoi(argv[1]) : 60;
  uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
  return hearth::test::run(n_cycles, seed);
}
