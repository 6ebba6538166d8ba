// A router::Completer that plays scripts, one per call, in order.
//
//   completer.plan({say("Hel"), say("lo"), wait(), say("!")});
//
// It stops at wait() until release(), so a test can act in the middle of an answer. Without a plan
// left it answers "ok". Lives on the loop thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "router/router.h"

namespace hearth::test {

struct Wait {};
struct Throw {
  std::string what;
};
using Step = std::variant<StreamDelta, Wait, Error, Throw>;

inline Step say(std::string text, std::vector<Token> tokens = {}) {
  StreamDelta delta;
  delta.text = std::move(text);
  delta.tokens = std::move(tokens);
  return delta;
}

inline Step think(std::string text) {
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::reasoning;
  delta.text = std::move(text);
  return delta;
}

inline Step call_tool(std::string id, std::string name, std::string arguments) {
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::tool_call;
  delta.tool_id = std::move(id);
  delta.tool_name = std::move(name);
  delta.text = std::move(arguments);
  return delta;
}

inline Step progress(uint32_t n_done, uint32_t n_prompt) {
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::progress;
  delta.n_done = n_done;
  delta.n_prompt = n_prompt;
  return delta;
}

inline Step wait() { return Wait{}; }
inline Step fail(Errc code, std::string message) { return Error{code, std::move(message)}; }

class ScriptedCompleter : public router::Completer {
 public:
  explicit ScriptedCompleter(net::any_io_executor loop)
      : gate_(std::move(loop), net::steady_timer::time_point::max()) {}

  void plan(std::vector<Step> script) { scripts_.push_back(std::move(script)); }
  void release() { gate_.cancel(); }
  int n_waiting() const { return n_waiting_; }
  const std::vector<router::RouteRequest>& requests() const { return requests_; }

  Task<Answer> complete(router::RouteRequest request, DeltaSink sink,
                        std::function<void(const router::Decision&)> on_decision) override {
    requests_.push_back(std::move(request));
    std::vector<Step> script{say("ok")};
    if (!scripts_.empty()) {
      script = std::move(scripts_.front());
      scripts_.pop_front();
    }
    router::Decision decision;
    decision.target = "script";
    decision.model = "scripted-model";
    decision.reason = "a test said so";
    decision.labels = requests_.back().facts.labels;
    on_decision(decision);

    Completion completion;
    completion.message.role = Role::assistant;
    completion.usage.n_prompt = 7;
    for (Step& step : script) {
      if (auto* delta = std::get_if<StreamDelta>(&step)) {
        append(completion.message, *delta);
        ++completion.usage.n_completion;
        sink(*delta);
      } else if (auto* failure = std::get_if<Error>(&step)) {
        co_return *failure;
      } else if (auto* thrown = std::get_if<Throw>(&step)) {
        throw std::runtime_error(thrown->what);
      } else {
        ++n_waiting_;
        auto [released] = co_await gate_.async_wait(as_result);
        (void)released;
        --n_waiting_;
        auto state = co_await net::this_coro::cancellation_state;
        if (state.cancelled() != net::cancellation_type::none)
          co_return Error{Errc::cancelled, "cancelled"};
      }
    }
    co_return completion;
  }

 private:
  net::steady_timer gate_;  // never expires; cancelled to let the answers go on
  std::deque<std::vector<Step>> scripts_;
  std::vector<router::RouteRequest> requests_;
  int n_waiting_ = 0;
};

}  // namespace hearth::test
