// `hearth chat`: one prompt or a conversation, through a session of the daemon.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "daemon/protocol/session.h"
#include "daemon/protocol/turn.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string prompt;  // empty: stdin when piped, else interactive
  std::string model;   // empty: the router chooses
  std::optional<double> temperature;
  std::optional<uint64_t> seed;
  uint32_t max_tokens = 0;
  std::string session;  // continue this one
  bool stats = false;   // route and speed on stderr, also when not on a terminal
};

struct Conversation {
  RpcClient client;
  const Common& common;
  const Options& options;
  std::string session;

  int say(const std::string& text);
  Result<bool> show(std::string_view notification, const std::string& turn);
  void show_stats() const;

  std::optional<router::Decision> decision;
  std::optional<protocol::TurnUsage> usage;
  bool is_thinking = false;
  std::string answer;  // with --json, printed at the end
  int n_said = 0;
};

void write_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// True when the turn has ended; an error when it ended badly.
Result<bool> Conversation::show(std::string_view notification, const std::string& turn) {
  auto document = json::Document::parse(notification);
  if (!document) return document.error();
  json::Element params = document->root()["params"].value();
  std::string_view kind, of_session;
  if (params["kind"].get_string().get(kind) || params["session"].get_string().get(of_session))
    return false;
  json::Element data;
  if (of_session != session || params["data"].get(data)) return false;
  bool is_shown = !common.json;
  if (kind == "thought.delta") {
    if (!is_shown || !is_terminal(STDERR_FILENO)) return false;
    std::string_view text = data["text"].get_string().value();
    fmt::print(stderr, "{}{}{}", dim(STDERR_FILENO), printable(text), reset(STDERR_FILENO));
    is_thinking = true;
  } else if (kind == "message.delta") {
    if (is_thinking) fmt::print(stderr, "\n\n");
    is_thinking = false;
    std::string_view text = data["text"].get_string().value();
    answer += text;
    if (is_shown) write_out(is_terminal(STDOUT_FILENO) ? printable(text) : std::string(text));
  } else if (kind == "turn.progress") {
    uint64_t n_done = data["done"].get_uint64().value(),
             n_total = data["total"].get_uint64().value();
    if (is_shown && is_terminal(STDERR_FILENO))
      fmt::print(stderr, "\r{}reading the prompt: {}/{} tokens{}\x1b[K\r", dim(STDERR_FILENO),
                 n_done, n_total, reset(STDERR_FILENO));
  } else if (kind == "route") {
    if (auto route = json::decode<protocol::TurnRoute>(data, "route"))
      decision = std::move(route->decision);
  } else if (kind == "usage") {
    if (auto used = json::decode<protocol::TurnUsage>(data, "usage")) usage = std::move(*used);
  } else if (kind == "sync.gap") {
    return Error{
        Errc::upstream,
        "this terminal was too slow for the stream; the answer is kept in session " + session};
  } else if (kind == "session.state") {
    auto state = json::decode<protocol::SessionStateChanged>(data, "state");
    if (!state) return state.error();
    if (state->turn != turn || state->state != protocol::Activity::idle) return false;
    if (state->error) return *state->error;
    if (state->reason == protocol::EndReason::interrupted)
      return Error{Errc::cancelled, "interrupted"};
    return true;
  }
  return false;
}

void Conversation::show_stats() const {
  int fd = STDERR_FILENO;
  if (!options.stats && !is_terminal(fd)) return;
  fmt::print(stderr, "{}", dim(fd));
  if (decision)
    fmt::print(stderr, "route: {} ({}): {}\n", decision->target, decision->model,
               printable(decision->reason));
  if (usage) {
    const Timings& took = usage->timings;
    uint32_t n_read = usage->usage.n_prompt - usage->usage.n_cached;
    auto speed = [](uint32_t n, double ms) { return ms > 0 ? 1000.0 * n / ms : 0.0; };
    fmt::print(stderr,
               "prompt: {} tokens ({} cached) at {:.1f} tok/s; answer: {} tokens at {:.1f} tok/s\n",
               usage->usage.n_prompt, usage->usage.n_cached, speed(n_read, took.prefill_ms),
               usage->usage.n_completion, speed(usage->usage.n_completion, took.decode_ms));
  }
  fmt::print(stderr, "{}", reset(fd));
}

int Conversation::say(const std::string& text) {
  protocol::TurnStart start;
  start.session = session;
  start.idempotency_key = fmt::format("cli-{}-{}-{}", ::getpid(), ::time(nullptr), ++n_said);
  start.input.emplace_back().content = Text{text};
  if (!options.model.empty()) start.model = options.model;
  start.max_tokens = options.max_tokens;
  if (options.temperature) start.sampling.temperature = static_cast<float>(*options.temperature);
  start.sampling.seed = options.seed;
  auto started = client.call<protocol::TurnStarted>("turn/start", start);
  if (!started) return fail(started.error());

  // The first Ctrl-C stops the answer, the second one this program.
  int n_interrupts = 0;
  client.on_interrupt([&] {
    if (++n_interrupts > 1) return false;
    json::Object params{{"session", session}};
    return bool(client.send("turn/interrupt", params));
  });
  answer.clear();
  for (;;) {
    auto notification = client.next();
    if (!notification) return fail(notification.error());
    auto ended = show(*notification, started->turn);
    if (ended && !*ended) continue;
    client.forget_interrupt();
    if (!common.json) write_out("\n");
    if (!ended) return fail(ended.error());
    break;
  }
  if (common.json) {
    json::Object reply{{"session", session}, {"text", answer}};
    if (decision) reply["route"] = json::to_value(*decision);
    if (usage) reply["usage"] = json::to_value(*usage);
    write_out(boost::json::serialize(reply) + "\n");
  } else {
    show_stats();
  }
  return 0;
}

int run(const Common& common, const Options& options) {
  std::string prompt = options.prompt;
  if (!is_terminal(STDIN_FILENO)) {
    // Piped text goes with the prompt: `git diff | hearth chat "write a commit message"`.
    std::string piped = read_stdin();
    if (auto good = check_text("standard input", piped); !good) return fail(good.error());
    if (!piped.empty()) prompt += (prompt.empty() ? "" : "\n\n") + piped;
    if (prompt.empty())
      return fail({Errc::invalid, "nothing to say: give a prompt or pipe one in"});
  }
  if (auto good = check_text("the prompt", prompt); !good) return fail(good.error());
  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());

  Conversation conversation{
      std::move(*client), common, options, options.session, {}, {}, false, {}, 0};
  if (conversation.session.empty()) {
    protocol::SessionCreate create;
    create.title = beginning(std::string_view(prompt).substr(0, prompt.find('\n')), 80);
    auto created = conversation.client.call<protocol::SessionInfo>("session/create", create);
    if (!created) return fail(created.error());
    conversation.session = created->id;
  }
  json::Object subscribe{{"session", conversation.session}};
  if (options.session.empty()) subscribe["since"] = 0;
  if (auto done = conversation.client.call("session/subscribe", subscribe); !done)
    return fail(done.error());
  // What was there before is not this conversation's to show.
  for (bool is_live = false; !is_live;) {
    auto notification = conversation.client.next();
    if (!notification) return fail(notification.error());
    is_live = notification->find("\"sync.live\"") != std::string::npos;
  }
  if (!prompt.empty()) return conversation.say(prompt);

  fmt::print(stderr, "{}Ctrl-C stops an answer, Ctrl-D ends. Session {}{}\n", dim(STDERR_FILENO),
             conversation.session, reset(STDERR_FILENO));
  for (;;) {
    fmt::print(stderr, "{}> {}", bold(STDERR_FILENO), reset(STDERR_FILENO));
    std::string line;
    if (!std::getline(std::cin, line)) break;
    if (auto good = check_text("the prompt", line); !good)
      fail(good.error());
    else if (!line.empty())
      conversation.say(line);
  }
  fmt::print(stderr, "\n");
  return 0;
}

}  // namespace

Command chat() {
  auto declare = [](Form& form, Options& options) {
    form.option("prompt", options.prompt, "What to say; text piped in is added");
    form.option("-m,--model", options.model,
                "auto, local, a target or a model (default: the router chooses)");
    form.option("--session", options.session, "Continue this session");
    form.option("--temperature", options.temperature, "0 is greedy");
    form.option("--seed", options.seed, "Makes the answer repeatable");
    form.option("-n,--max-tokens", options.max_tokens, "Longest answer");
    form.flag("--stats", options.stats, "Print route and speed on stderr");
    form.json();
  };
  return command("chat", "Ask something; without a prompt a conversation", run, declare);
}

}  // namespace hearth::cli
