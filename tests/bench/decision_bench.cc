// How long a decision and a replayed decision take, and what the router makes of agents at work.
// Prints one JSON object; run by router_bench.mjs and routing_bench.mjs.
//
//   decision_bench time      16 targets, a conversation of 100k tokens
//   decision_bench efforts   the same, each target at three efforts
//   decision_bench agents    simulated sessions with prices and cache rules
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <random>
#include <string_view>

#include "cascade.h"
#include "decide.h"
#include "router/estimator.h"
#include "router/learner.h"
#include "router/policy.h"
#include "router/replay.h"
#include "router/terms.h"
#include "support/allocation_watch.h"

namespace hearth::router {
namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::micro>(Clock::now() - since).count();
}

double quantile(std::vector<double>& values, double q) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

Target api(std::string name, std::string provider, Price price, double quality) {
  Target target;
  target.name = target.model = std::move(name);
  target.kind = TargetKind::api;
  target.provider = std::move(provider);
  target.trust = Trust::retained;
  target.price = std::move(price);
  target.quality = quality;
  target.n_context = 1'000'000;
  return target;
}

Policy sixteen_targets() {
  Policy policy;
  policy.value = {.minute_usd = 0.05, .success_usd = 0.2};
  for (int i = 0; i < 16; ++i) {
    const double scale = 1 + i;
    policy.targets.push_back(api(fmt::format("target-{}", i), i % 2 ? "openai" : "anthropic",
                                 {0.2 * scale, 0.02 * scale, scale, 0.25 * scale},
                                 0.5 + 0.025 * i));
  }
  return policy;
}

// An agent's conversation: a system prompt, tools, and 100k tokens of calls and results.
RouteRequest long_request() {
  RouteRequest request;
  request.facts.session = "session";
  request.body.messages.push_back(text_message(Role::system, std::string(12'000, 's')));
  for (int i = 0; i < 96; ++i)
    request.body.messages.push_back(
        text_message(i % 2 ? Role::assistant : Role::user, std::string(4000, char('a' + i % 26))));
  request.body.messages.push_back(text_message(Role::user, std::string(4000, 'u') + " what now"));
  request.facts.n_prompt_estimate = 100'000;
  return request;
}

// Each of them at three efforts: 48 candidates.
Policy with_efforts() {
  Policy policy = sixteen_targets();
  for (Target& target : policy.targets)
    target.efforts = {{Effort::low, {}, {}}, {Effort::medium, {}, {}}, {Effort::high, {}, {}}};
  return policy;
}

void time_decisions(const Policy& policy) {
  Learner learner([] { return 0.5; });
  const RouteRequest request = long_request();
  std::vector<double> decide_us, whole_us;
  DecisionRecord record;  // as the router does: each decision in the room of the one before
  size_t n_allocated = 0;
  constexpr int kRounds = 20'000;
  for (int i = 0; i < kRounds; ++i) {
    RouteRequest next;
    next.facts = request.facts;
    next.body.messages = {request.body.messages.begin(), request.body.messages.end()};
    record.states.assign(policy.targets.size(), {});
    const auto begin = Clock::now();
    learner.prepare(policy, next, 1'000'000 + i);
    learner.foresee(policy, next.facts, record.states);
    const auto between = Clock::now();
    testing::forget_allocations();
    decide(next.facts, policy, record.states, record.decision);
    n_allocated += i > 0 ? testing::n_allocations() : 0;  // the first one makes the room
    decide_us.push_back(microseconds(between));
    whole_us.push_back(microseconds(begin));
    record.facts = next.facts;
    record.decision.id = fmt::format("dec{}", i);
    learner.decided(policy, record);
    Completion completion;
    completion.usage.n_completion = 300;
    if (i == 0) learner.ended(record, completion, 1'000'500);
  }
  // Replay, as a log has it.
  Replay replay(policy, {.seed = 1, .n_resamples = 0});
  std::vector<StoredDecision> log(1000);
  for (size_t i = 0; i < log.size(); ++i) {
    DecisionRecord& logged = log[i].record;
    logged.time_ms = 1'700'000'000'000 + static_cast<int64_t>(i) * 1000;
    logged.facts.session = fmt::format("s{}", i % 50);
    logged.facts.n_prompt_estimate = 2000 + i * 7 % 30'000;
    logged.states.resize(16);
    logged.decision = decide(logged.facts, policy, logged.states);
    log[i].outcome.emplace();
    log[i].cost = PicoUsd(1'000'000'000);
  }
  constexpr int kPasses = 50;
  const auto begin = Clock::now();
  for (int pass = 0; pass < kPasses; ++pass)
    for (StoredDecision& decision : log) {
      decision.record.time_ms += 1'000'000;
      replay.add(decision);
    }
  const double replayed_per_s = 1e6 * kPasses * 1000 / microseconds(begin);
  fmt::print(
      "{{\"decide_p50_us\":{:.2f},\"decide_p99_us\":{:.2f},\"whole_p50_us\":{:.2f},"
      "\"whole_p99_us\":{:.2f},\"allocations\":{:.1f},\"replay_per_s\":{:.0f}}}\n",
      quantile(decide_us, 0.5), quantile(decide_us, 0.99), quantile(whole_us, 0.5),
      quantile(whole_us, 0.99), static_cast<double>(n_allocated) / kRounds, replayed_per_s);
}

// ---- agents at work ----

// The chance that a step is done right, by target and class. Invented, as steep as published
// per-step figures are: nearly everybody can read a file, few can plan.
struct Skill {
  double plan, edit, tool_turn, summary;
  double of(TaskClass task) const {
    switch (task) {
      case TaskClass::plan: return plan;
      case TaskClass::edit: return edit;
      case TaskClass::summary: return summary;
      default: return tool_turn;
    }
  }
};

// How well a step's verifier tells right from wrong: tests and a build for an edit, whether a call
// parses and its command succeeds for a tool turn. Nothing checks a plan or a summary.
struct Verifier {
  double finds_wrong = 0, doubts_right = 0;  // chances
};
const std::map<TaskClass, Verifier> kVerifiers = {{TaskClass::edit, {0.9, 0.1}},
                                                  {TaskClass::tool_turn, {0.7, 0.02}}};

struct Tally {
  double usd = 0, quality = 0, n = 0;
  double share() const { return quality / n; }
  double error() const { return std::sqrt(share() * (1 - share()) / n); }  // standard error
};

// Who answers which class, whatever it costs: places in the policy's targets.
using ByClass = std::map<TaskClass, size_t>;
constexpr TaskClass kClasses[] = {TaskClass::plan, TaskClass::edit, TaskClass::tool_turn,
                                  TaskClass::summary};

// What the router hears of its answers: the truth of each, or what serving hears without a
// verifier. Of that, in shares of what is wrong: calls that do not parse, and the same asked again.
enum class Hears { truth, signals };
constexpr double kUnparsable = 0.2, kAskedAgain = 0.2, kFalseAlarm = 0.01;

// The router's memory as serving has it, for a conversation of texts of the right sizes.
class Serving {
 public:
  explicit Serving(const Policy& policy) : policy_(policy), learner_([] { return 0.5; }) {}

  void begin(int session) {
    session_ = fmt::format("s{}", session);
    body_.messages.clear();
  }
  void grow(uint64_t n_tokens) {
    constexpr size_t kPerToken = 4, kOfMessage = 8;
    const size_t n = body_.messages.size();
    std::string text = fmt::format("{} {} ", session_, n);
    text.resize(kPerToken * n_tokens - kOfMessage, 'x');
    body_.messages.push_back(text_message(n == 0  ? Role::system
                                          : n % 2 ? Role::user
                                                  : Role::assistant,
                                          std::move(text)));
  }
  const Decision& decide_on(TaskClass task, uint64_t n_prompt, double now_s) {
    RouteRequest request;
    request.facts.session = session_;
    request.facts.task = task;
    request.facts.n_prompt_estimate = n_prompt;
    request.body.messages = {body_.messages.begin(), body_.messages.end()};
    record_.time_ms = static_cast<int64_t>(1000 * now_s);
    learner_.prepare(policy_, request, record_.time_ms);
    record_.facts = request.facts;
    record_.states.assign(policy_.targets.size(), {});
    learner_.foresee(policy_, record_.facts, record_.states);
    decide(record_.facts, policy_, record_.states, record_.decision);
    record_.decision.id = fmt::format("dec{}", n_decided_++);
    return record_.decision;
  }
  void answered(const std::string& target, Usage usage, bool is_broken, bool is_asked_again) {
    record_.decision.target = target;
    learner_.decided(policy_, record_);
    Completion completion;
    completion.usage = usage;
    ToolCall call;
    call.arguments = is_broken ? "{" : "{}";
    completion.message.blocks.emplace_back().content = std::move(call);
    learner_.ended(record_, completion, record_.time_ms + 1000);
    if (is_asked_again) learner_.judged(record_.decision.id, 0);
  }

 private:
  const Policy& policy_;
  Learner learner_;
  std::string session_;
  CompletionRequest body_;
  DecisionRecord record_;
  int n_decided_ = 0;
};

// One policy over all sessions; without `fixed` the router decides.
Tally run_agents(const Policy& policy, const std::vector<Skill>& skills,
                 const std::optional<ByClass>& fixed, Hears hears = Hears::truth) {
  std::mt19937_64 random(7);  // the same sessions for everybody
  std::mt19937_64 luck(8), alarm(9);
  auto unit = [&] { return std::uniform_real_distribution<double>()(random); };
  auto lucky = [&] { return std::uniform_real_distribution<double>()(luck); };
  auto alarming = [&] { return std::uniform_real_distribution<double>()(alarm); };
  auto place_of = [&](const std::string& name) {
    return static_cast<size_t>(std::ranges::find(policy.targets, name, &Target::name) -
                               policy.targets.begin());
  };
  Estimator estimator;
  Serving serving(policy);
  const bool is_serving = !fixed && hears == Hears::signals;
  Tally total;
  double now_s = 0;
  for (int session = 0; session < 400; ++session) {
    struct Read {
      uint64_t n_tokens = 0;
      double at_s = -1e9;
    };
    std::vector<Read> read(policy.targets.size());
    std::optional<Past> past;
    uint64_t n_prompt = 12'000;
    constexpr uint32_t n_output = 600, n_result = 2000;
    serving.begin(session);
    serving.grow(n_prompt);
    const int n_steps = 6 + static_cast<int>(30 * unit() * unit());
    for (int step = 0; step < n_steps; ++step) {
      const double dice = unit(), pause = unit() < 0.05 ? 600 : 5 + 40 * unit();
      now_s += pause;
      RequestFacts facts;
      facts.task = step == 0             ? TaskClass::plan
                   : step == n_steps - 1 ? TaskClass::summary
                   : dice < 0.3          ? TaskClass::edit
                                         : TaskClass::tool_turn;
      facts.n_prompt_estimate = n_prompt;
      facts.past = past;
      facts.n_to_come = std::clamp(step, 3, 20);
      const Terms terms = terms_of("", {.task = enum_name(facts.task), .n_input_tokens = n_prompt});
      estimator.meet(terms);
      const Estimator::Look look = estimator.look(terms);
      std::vector<TargetState> states(policy.targets.size());
      for (size_t i = 0; i < states.size(); ++i) {
        states[i].belief.quality = estimator.belief(policy.targets[i].name, look).quality;
        states[i].belief.n_output = Spread{n_output, 0};
        states[i].warm = {read[i].n_tokens, now_s - read[i].at_s < 300 ? 1.0 : 0.0, 0.95};
      }
      std::vector<size_t> steps;
      if (fixed) {
        steps = {fixed->at(facts.task)};
      } else {
        const Decision decision = is_serving ? serving.decide_on(facts.task, n_prompt, now_s)
                                             : decide(facts, policy, states);
        steps = {place_of(decision.target)};
        // A conversation's first steps are where trials are free: the first sessions take turns.
        if (session < 24 && step > 0) steps = {static_cast<size_t>(session) % skills.size()};
        if (const auto names = cascade_of(policy, facts, decision); !names.empty()) {
          steps.clear();
          for (const std::string& name : names) steps.push_back(place_of(name));
        }
      }
      bool is_right = false;
      for (size_t at = 0; at < steps.size(); ++at) {
        const size_t chosen = steps[at];
        const Price& price = *policy.targets[chosen].price;
        const double n_warm =
            states[chosen].warm.chance * static_cast<double>(read[chosen].n_tokens);
        const double cold = std::max(price.input, price.cache_write.value_or(price.input));
        const double usd =
            (n_warm * price.cached + (static_cast<double>(n_prompt) - n_warm) * cold +
             n_output * price.output) /
            1e6;
        is_right = lucky() < skills[chosen].of(facts.task);
        total.usd += usd;
        bool passes = true;
        if (at + 1 < steps.size()) {
          const Verifier& verifier = kVerifiers.at(facts.task);
          passes = lucky() >= (is_right ? verifier.doubts_right : verifier.finds_wrong);
        }
        Outcome outcome;
        outcome.quality = at + 1 < steps.size() ? passes : is_right;
        if (is_serving) {
          const double noise = alarming();
          const bool is_call = facts.task == TaskClass::tool_turn || facts.task == TaskClass::edit;
          Usage usage;
          usage.n_prompt = static_cast<uint32_t>(n_prompt);
          usage.n_cached = static_cast<uint32_t>(n_warm);
          usage.n_completion = n_output;
          usage.cost_pico = PicoUsd::from_usd(usd).pico();
          serving.answered(policy.targets[chosen].name, usage,
                           !is_right && is_call && noise < kUnparsable,
                           is_right ? noise < kFalseAlarm : noise > 1 - kAskedAgain);
        } else if (!fixed) {
          estimator.learn(policy.targets[chosen].name, look, outcome);
        }
        if (!past) past.emplace();
        past->n_held = past->target == policy.targets[chosen].name ? past->n_held + 1 : 0;
        past->target = policy.targets[chosen].name;
        past->spent_usd += usd;
        read[chosen] = {n_prompt + n_output, now_s};
        if (passes) break;
      }
      ++past->n_turns;
      total.quality += is_right;
      total.n += 1;
      n_prompt += n_result + n_output;
      serving.grow(n_output);
      serving.grow(n_result);
    }
  }
  return total;
}

// The least money for `quality`, for one who knows every skill: each class at the target that is
// best for it, and conversations shared between two such ways.
Tally least_for(double quality, const std::vector<Tally>& ways) {
  Tally least;
  least.usd = INFINITY;
  for (const Tally& good : ways)
    for (const Tally& cheap : ways) {
      if (good.share() < quality) continue;
      const double apart = good.share() - cheap.share();
      const double part = apart > 0 ? std::min(1.0, (good.share() - quality) / apart) : 1;
      const double usd = good.usd + part * (cheap.usd - good.usd);
      if (usd < least.usd)
        least = {usd, good.quality + part * (cheap.quality - good.quality), good.n};
    }
  return least;
}

void simulate_agents() {
  Policy policy;
  policy.value.success_usd = 0.5;
  policy.targets = {api("strong", "anthropic", {2, 0.2, 10, 2.5}, 0.9),
                    api("middle", "moonshot", {0.95, 0.19, 4}, 0.8),
                    api("cheap", "deepseek", {0.14, 0.0028, 0.28}, 0.7)};
  const std::vector<Skill> skills = {
      {0.92, 0.90, 0.96, 0.97}, {0.82, 0.88, 0.955, 0.97}, {0.66, 0.80, 0.945, 0.965}};
  std::string out;
  auto say = [&](std::string_view name, const Tally& tally) {
    out += fmt::format(
        "{}\"{}\":{{\"usd\":{:.4f},\"quality\":{:.4f},\"error\":{:.4f},\"steps\":{:.0f}}}",
        out.empty() ? "" : ",", name, tally.usd, tally.share(), tally.error(), tally.n);
  };
  std::vector<Tally> ways, always;  // every assignment of classes to targets
  const size_t n = policy.targets.size();
  for (size_t way = 0; way < n * n * n * n; ++way) {
    ByClass by_class;
    size_t rest = way;
    for (TaskClass task : kClasses) {
      by_class[task] = rest % n;
      rest /= n;
    }
    ways.push_back(run_agents(policy, skills, by_class));
    const size_t first = by_class.begin()->second;
    if (std::ranges::all_of(by_class, [&](const auto& each) { return each.second == first; }))
      always.push_back(ways.back());
  }
  const double enough = always[0].share() - always[0].error();
  // At the least that a right step may be worth for the router to be as good as always-strong.
  auto as_good = [&](Hears hears) {
    Policy careful = policy;
    for (double usd = 0.5; usd <= 64; usd *= 2) {
      careful.value.success_usd = usd;
      const Tally tally = run_agents(careful, skills, {}, hears);
      if (tally.share() >= enough) return tally;
    }
    return always[0];
  };
  say("router, told the truth", run_agents(policy, skills, {}));
  say("told the truth, at always-strong's quality", as_good(Hears::truth));
  say("router, hears what serving hears", run_agents(policy, skills, {}, Hears::signals));
  say("hears what serving hears, at always-strong's quality", as_good(Hears::signals));
  std::vector<Tally> whole;  // not shared between two ways
  for (const Tally& way : ways)
    if (way.share() >= enough) whole.push_back(way);
  say("bound: best target for each class, all skills known",
      *std::ranges::min_element(whole, {}, &Tally::usd));
  say("bound: conversations shared between two of those ways", least_for(enough, ways));
  for (TaskClass task : {TaskClass::edit, TaskClass::tool_turn}) {
    policy.tasks[task].cascade = {"cheap", "strong"};
    policy.tasks[task].verify = {"test"};
  }
  say("router, cheap then verify", run_agents(policy, skills, {}));
  for (size_t i = 0; i < always.size(); ++i) say(policy.targets[i].name, always[i]);
  fmt::print("{{{}}}\n", out);
}

}  // namespace
}  // namespace hearth::router

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "time") {
    hearth::router::time_decisions(hearth::router::sixteen_targets());
  } else if (what == "efforts") {
    hearth::router::time_decisions(hearth::router::with_efforts());
  } else if (what == "agents") {
    hearth::router::simulate_agents();
  } else {
    fmt::print(stderr, "usage: decision_bench time|efforts|agents\n");
    return 2;
  }
  return 0;
}
