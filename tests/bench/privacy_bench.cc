// privacy_bench: what labelling costs. A 60 KB agent body read for the first time and remembered,
// 2k new tokens in a session of 100k, an agent's conversation of a hundred calls, detectors and
// lookups alone, the index of a workspace, a walk that finds nothing new, and the swap of a policy.
// Prints one line per measure.
//
//   privacy_bench [FOLDER]: source files to take texts from (default: the current folder)
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "daemon/session/loop.h"
#include "privacy/secrets.h"
#include "privacy/shingles.h"
#include "privacy/workspace.h"
#include "router/labeller.h"
#include "support/file.h"
#include "support/json.h"

namespace hearth::router {
namespace {

using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

template <class Run>
void measure(std::string_view what, int n, Run run) {
  std::vector<double> times;
  for (int i = 0; i < n; ++i) {
    const Clock::time_point start = Clock::now();
    run(i);
    times.push_back(us_since(start));
  }
  std::ranges::sort(times);
  fmt::print("{:<64} p50 {:>9.1f} us   p99 {:>9.1f} us\n", what, times[times.size() / 2],
             times[times.size() * 99 / 100]);
}

std::string sources(const std::string& folder, size_t n_bytes) {
  std::string text;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string kind = entry.path().extension();
    if (!entry.is_regular_file() || (kind != ".cc" && kind != ".h" && kind != ".mjs")) continue;
    if (auto file = file::read(entry.path())) text += *file;
    if (text.size() >= n_bytes) break;
  }
  text.resize(std::min(text.size(), n_bytes));
  return text;
}

RouteRequest session_of(const std::string& text, size_t n_block, size_t begin = 0) {
  RouteRequest request;
  for (size_t at = begin; at < text.size(); at += n_block)
    request.body.messages.push_back(text_message(Role::user, text.substr(at, n_block)));
  return request;
}

// A hundred calls that read, run and edit, each with its result.
RouteRequest agent_session(const std::string& text, size_t n_bytes) {
  const size_t n_text = n_bytes / 200;
  RouteRequest request;
  for (size_t i = 0; i < 100; ++i) {
    const std::string words = text.substr(i * n_text, n_text);
    json::Object arguments{{"path", fmt::format("daemon/session/turn_{}.cc", i)}};
    if (i % 3 == 1) arguments = {{"command", "cd src && " + words}};
    if (i % 3 == 2) arguments["new_string"] = words;
    const std::string id = fmt::format("call_{}", i);
    Block call, result;
    call.content = ToolCall{id, i % 3 == 1 ? "shell" : "edit", boost::json::serialize(arguments)};
    result.content = ToolResult{id, text.substr((100 + i) * n_text, n_text)};
    Message& asking = request.body.messages.emplace_back();
    asking.role = Role::assistant;
    asking.blocks = {std::move(call)};
    Message& answering = request.body.messages.emplace_back();
    answering.role = Role::tool;
    answering.blocks = {std::move(result)};
  }
  return request;
}

int run(const std::string& folder) {
  const std::string code = sources(folder, 1 << 20);
  if (code.size() < (700 << 10)) {
    fmt::print(stderr, "{}: less than 700 KB of sources\n", folder);
    return 1;
  }
  const std::string body = code.substr(0, 60'000);
  measure("secrets in 60 KB", 200, [&](int) { (void)find_secrets(body); });
  measure("lookups of 60 KB (normal text, shingles, words)", 200,
          [&](int) { (void)lookups_of(body); });

  Policy policy;
  policy.roots = {std::filesystem::canonical(folder)};
  policy.labels = {{"code", {"inference/**", "daemon/session/**"}, Trust::local},
                   {"key", {"detector:key"}, Trust::local}};
  const auto snapshot = std::make_shared<const Policy>(policy);
  const Clock::time_point began = Clock::now();
  auto first = walk(policy.roots, policy.labels, nullptr);
  fmt::print("{:<64} {:.1f} ms, {} files, {:.1f} MB of index\n", "first walk and index",
             us_since(began) / 1000, first->n_labelled,
             static_cast<double>(first->index.size_bytes()) / 1e6);
  measure("walk that finds nothing new", 20,
          [&](int) { (void)walk(policy.roots, policy.labels, first); });

  test::Loop loop;
  Labeller labeller(loop.executor());
  auto label = [&](RouteRequest& request, std::shared_ptr<const Policy> by = nullptr) {
    if (!loop.run(labeller.label(by ? by : snapshot, request))) std::abort();
  };
  RouteRequest warm = session_of("hello, world and all who sail in her", 100);
  label(warm);
  measure("label a 60 KB body never seen before", 100, [&](int i) {
    // Each time other bytes of the same kind.
    RouteRequest request = session_of(
        fmt::format("{} {}", i, code.substr(static_cast<size_t>(i) * 100, 60'000)), 60'000 / 12);
    for (Message& message : request.body.messages)
      std::get<Text>(message.blocks[0].content).text += std::to_string(i);
    label(request);
  });
  RouteRequest again = session_of(body, 60'000 / 12);
  label(again);
  measure("label the same 60 KB body again", 200, [&](int) {
    RouteRequest request = session_of(body, 60'000 / 12);
    label(request);
  });
  // About four bytes to a token.
  const std::string history = code.substr(0, 400'000);
  RouteRequest session = session_of(history, 4000);
  label(session);
  measure("label 2k new tokens in a session of 100k", 100, [&](int i) {
    RouteRequest request = session;
    request.facts.labels.clear();
    request.body.messages.push_back(text_message(
        Role::user,
        fmt::format("{} {}", i, code.substr(400'000 + static_cast<size_t>(i) * 997, 8000))));
    label(request);
  });
  std::string longer = code;
  while (longer.size() < (2 << 20)) longer += code;
  // Most of what agents send is of no labelled file.
  Policy few = policy;
  few.labels.front().match = {"**/.env", "secrets/**"};
  const auto of_agents = std::make_shared<const Policy>(few);
  for (size_t n_bytes : {size_t{60'000}, size_t{2'000'000}}) {
    const RouteRequest agent = agent_session(longer, n_bytes);
    RouteRequest first_time = agent;
    label(first_time, of_agents);
    std::vector<RouteRequest> requests(100, agent);
    measure(fmt::format("label the same {} KB of an agent's 100 calls again", n_bytes / 1000), 100,
            [&](int i) { label(requests[static_cast<size_t>(i)], of_agents); });
  }
  std::shared_ptr<const Policy> in_force = snapshot;
  measure("swap of a policy", 1000,
          [&](int) { in_force = std::make_shared<const Policy>(policy); });
  return 0;
}

}  // namespace
}  // namespace hearth::router

int main(int argc, char** argv) { return hearth::router::run(argc > 1 ? argv[1] : "."); }
