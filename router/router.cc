#include "router/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <list>
#include <random>
#include <utility>

#include "cascade.h"
#include "decide.h"
#include "dispatch.h"
#include "keep_alive.h"
#include "money/runaway.h"
#include "privacy/rules.h"
#include "router/effort.h"
#include "router/learner.h"
#include "router/policy_file.h"
#include "router/providers.h"
#include "support/id.h"

namespace hearth::router {

namespace {

// Tells the log how a request ended, also when its task is cancelled.
class Ending {
 public:
  Ending(DecisionLog& log, const DecisionRecord& record) : log_(log), record_(record) {
    log_.decided(record_);
  }
  ~Ending() {
    if (!is_told_) log_.ended(record_, Error{Errc::cancelled, "the client withdrew"});
  }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  void tell(const Answer& answer) {
    is_told_ = true;
    log_.ended(record_, answer);
  }

 private:
  DecisionLog& log_;
  const DecisionRecord& record_;
  bool is_told_ = false;
};

// An answer to a labelled request carries its labels, wherever it turns up; also what was heard of
// one that was cut off.
class Inheritance {
 public:
  Inheritance(Labeller* labeller, const std::vector<std::string>& labels)
      : labeller_(labels.empty() ? nullptr : labeller), labels_(labels) {}
  ~Inheritance() {
    if (labeller_) labeller_->derive(heard_, labels_);
  }
  Inheritance(const Inheritance&) = delete;
  Inheritance& operator=(const Inheritance&) = delete;

  // This outlives the sink that it gives.
  DeltaSink hear(DeltaSink sink) {
    if (!labeller_) return sink;
    return [this, sink = std::move(sink)](const StreamDelta& delta) {
      constexpr size_t kMost = 16 << 20;  // an answer is not longer
      if (delta.kind != StreamDelta::Kind::progress && heard_.size() < kMost) heard_ += delta.text;
      sink(delta);
    };
  }

  void put_on(Completion& completion) const {
    for (Block& block : completion.message.blocks)
      for (const std::string& label : labels_)
        if (std::ranges::count(block.labels, label) == 0) block.labels.push_back(label);
  }

 private:
  Labeller* labeller_;
  const std::vector<std::string>& labels_;
  std::string heard_;
};

// Keeps the room of a record for later ones, when all who look at it are gone.
class KeepsRoom {
 public:
  KeepsRoom(std::vector<DecisionRecord>& spare, DecisionRecord& record)
      : spare_(spare), record_(record) {}
  ~KeepsRoom() {
    constexpr size_t kMost = 16;
    if (spare_.size() < kMost) spare_.push_back(std::move(record_));
  }
  KeepsRoom(const KeepsRoom&) = delete;
  KeepsRoom& operator=(const KeepsRoom&) = delete;

 private:
  std::vector<DecisionRecord>& spare_;
  DecisionRecord& record_;
};

// A step of a cascade has no fallback: the next step is one.
void begin_with(const std::string& step, std::optional<Effort> effort, const Policy& policy,
                Decision& decision) {
  const std::string_view target = named_level(step).target;
  auto found = std::ranges::find(policy.targets, target, &Target::name);
  if (found == policy.targets.end()) return;
  decision.effort = effort;
  decision.target = found->name;
  decision.model = found->model;
  decision.fallbacks.clear();
  decision.hedge.reset();
  decision.reason = fmt::format("{} first, and the next one of its class when that does not pass",
                                level_name(target, named_level(step).effort));
}

// Of a step behind the first one. A decision that has begun is at the first one's level.
std::optional<Effort> later_effort(const std::string& step, const Decision& begun) {
  const auto [target, effort] = named_level(step);
  return effort ? effort : best_effort(begun, target);
}

// The steps, when there is more than one; the decision is then for the first.
std::vector<std::string> start_cascade(const Policy& policy, DecisionRecord& record) {
  std::vector<std::string> steps = cascade_of(policy, record.facts, record.decision);
  if (steps.empty()) return steps;
  const auto [target, effort] = named_level(steps.front());
  begin_with(steps.front(), effort ? effort : effort_at(record.decision, target), policy,
             record.decision);
  return steps;
}

bool asks_for_hour_cache(const CompletionRequest& request) {
  auto is_hour = [](const auto& part) { return part.cache == "1h"; };
  return std::ranges::any_of(request.tools, is_hour) ||
         std::ranges::any_of(request.messages, [&](const Message& message) {
           return std::ranges::any_of(message.blocks, is_hour);
         });
}

// With whoever answers in place of what was decided for.
Decision as_answered(const DecisionRecord& record) {
  Decision decision = record.decision;
  if (!record.stand_in) return decision;
  decision.effort = answered_effort(record, record.stand_in->target);
  decision.target = record.stand_in->target;
  decision.model = record.stand_in->model;
  decision.reason = record.stand_in->reason;
  return decision;
}

Error failed(const std::exception& failure) {
  return Error{Errc::internal, fmt::format("the answer failed: {}", failure.what())};
}

Task<Answer> without_throwing(Task<Answer> answering) {
  try {
    co_return co_await std::move(answering);
  } catch (const std::exception& failure) {
    co_return failed(failure);
  }
}

Task<Answer> refused(Failure failure) { co_return failure; }

}  // namespace

// Here and below: what only passes a request on is no coroutine, whose frame would hold it for as
// long as the answer streams.
Task<Answer> answer_of(Completer& completer, RouteRequest request, DeltaSink sink,
                       std::function<void(const Decision&)> on_decision) {
  try {
    return without_throwing(
        completer.complete(std::move(request), std::move(sink), std::move(on_decision)));
  } catch (const std::exception& failure) {  // before it became a task
    return refused(failed(failure));
  }
}

uint64_t estimate_tokens(const CompletionRequest& request) {
  constexpr size_t kImageBytes = 6000;  // as text: about what a large one is billed for
  size_t n_bytes = 4 * request.prompt_tokens.size();
  if (request.prompt) n_bytes += request.prompt->size();
  if (const auto& gap = request.infill)  // what is too much for the context is left out
    n_bytes += std::min<size_t>(gap->prefix.size() + gap->suffix.size(), 4096);
  for (const Message& message : request.messages) {
    n_bytes += 8;  // role and turn markers
    for (const Block& block : message.blocks) {
      if (auto* text = std::get_if<Text>(&block.content)) n_bytes += text->text.size();
      if (auto* call = std::get_if<ToolCall>(&block.content))
        n_bytes += call->id.size() + call->name.size() + call->arguments.size();
      if (auto* result = std::get_if<ToolResult>(&block.content))
        n_bytes += result->call_id.size() + result->text.size();
      if (auto* thought = std::get_if<Reasoning>(&block.content)) n_bytes += thought->text.size();
      if (auto* opaque = std::get_if<Opaque>(&block.content)) n_bytes += opaque->part.text.size();
      if (std::holds_alternative<Image>(block.content)) n_bytes += kImageBytes;
    }
  }
  for (const ToolSpec& tool : request.tools)
    n_bytes += tool.name.size() + tool.description.size() + tool.parameters.text.size();
  return n_bytes / 4 + 1;
}

void read_facts(const Policy& policy, RouteRequest& request) {
  label_by_source(policy, request, {});
  read_size_and_needs(request);
}

void read_size_and_needs(RouteRequest& request) {
  RequestFacts& facts = request.facts;
  facts.n_prompt_estimate = estimate_tokens(request.body);
  facts.max_tokens = request.body.max_tokens;
  facts.only_reads = request.body.only_reads;
  facts.asks_for_hour_cache = asks_for_hour_cache(request.body);
  facts.rounds = rounds_of(request.body);
  facts.needs = needs_of(request.body);
  facts.effort = asked_effort(request.body.reasoning);
}

int64_t Router::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             services_.clock.date().time_since_epoch())
      .count();
}

DecisionRecord Router::decide_on(const RouteRequest& request,
                                 const std::shared_ptr<const Policy>& policy) {
  const RequestFacts& facts = request.facts;
  if (policy != hashed_) {
    hash_ = policy_hash(*policy);
    hashed_ = policy;
  }
  DecisionRecord record = take_spare();
  record.time_ms = now_ms();
  record.policy_hash = hash_;
  record.facts = facts;
  record.stand_in.reset();
  // Hashes the whole prompt, which the engine alone wants.
  engine::PromptPoints points;
  if (std::ranges::count(policy->targets, TargetKind::engine, &Target::kind) > 0)
    points = engine::points_of(request.body);
  record.states.resize(policy->targets.size());
  for (size_t i = 0; i < record.states.size(); ++i) {
    const Target& target = policy->targets[i];
    const Provider& provider = services_.provider(target.kind);
    TargetState& state = record.states[i] = provider.state(target);
    provider.foresee(target, request.body, points, state);
    dispatcher_->look(*policy, target, facts, state);
    make_levels(facts, *policy, target, state);
    if (!facts.effort && !thinks_beside(target, request.body))
      forbid_thoughts(facts, *policy, target, state);
    if (!services_.account) continue;
    const Levels levels = levels_of(facts, *policy, target);
    state.means = services_.account->means(*policy, facts, target, levels.front());
    for (EffortState& level : state.efforts)
      level.needed = services_.account->means(*policy, facts, target, level.effort).needed;
  }
  if (services_.learner) services_.learner->foresee(*policy, facts, record.states);
  decide(facts, *policy, record.states, record.decision);
  record.decision.id = make_id("dec");
  return record;
}

DecisionRecord Router::take_spare() {
  if (spare_.empty()) return {};
  DecisionRecord record = std::move(spare_.back());
  spare_.pop_back();
  return record;
}

// Looks again until a target is there, or nothing is left that time may lift, or the deadline.
Task<> Router::wait_for_target(const RouteRequest& request, DecisionRecord& record,
                               std::shared_ptr<const Policy> policy) {
  using namespace std::chrono;
  constexpr milliseconds kLook{100}, kLongest{600'000};
  auto rule = policy->tasks.find(record.facts.task);
  const auto of_class = rule == policy->tasks.end() ? std::nullopt : rule->second.deadline_ms;
  const auto deadline = record.facts.deadline_ms ? record.facts.deadline_ms : of_class;
  const auto end = steady_clock::now() + (deadline ? milliseconds(*deadline) : kLongest);
  net::steady_timer timer(co_await net::this_coro::executor);
  while (record.decision.may_pass && steady_clock::now() < end) {
    timer.expires_after(kLook);
    auto [cancelled] = co_await timer.async_wait(as_result);
    if (cancelled) break;
    record = decide_on(request, policy);
  }
}

Router::Router(Services services) : services_(std::move(services)) {
  if (!services_.random) services_.random = &machine_chance;
  dispatcher_ = std::make_unique<Dispatcher>(Dispatcher::Services{
      services_.provider, services_.account, services_.egress, services_.clock, services_.random});
  keep_alive_ = std::make_unique<KeepAlive>(
      services_.clock, [this](const DecisionRecord& record, RouteRequest request) {
        return carry_out(
            record, services_.policy(), std::move(request), [](const StreamDelta&) {}, nullptr);
      });
}
Router::~Router() = default;

Task<Answer> Router::carry_out(const DecisionRecord& record, std::shared_ptr<const Policy> policy,
                               RouteRequest request, DeltaSink sink, OnStandIn on_stand_in,
                               bool is_seen) {
  if (record.decision.refused_as) return refused(refusal_of(record, *policy));
  auto on_attempt = [this, &record](const AttemptRecord& attempt) {
    services_.log.attempted(record, attempt);
  };
  Dispatcher::Order order{std::move(policy),
                          record,
                          std::make_unique<RouteRequest>(std::move(request)),
                          std::move(sink),
                          std::move(on_attempt),
                          std::move(on_stand_in),
                          is_seen};
  return dispatcher_->carry_out(std::move(order));
}

Failure Router::refusal_of(const DecisionRecord& record, const Policy& policy) const {
  const Decision& decision = record.decision;
  std::optional<Failure> stopped;
  for (size_t i = 0; i < decision.candidates.size(); ++i) {
    const size_t place = place_of(decision, i);
    const auto& down = record.states[place].down;
    if (!down || decision.candidates[i].excluded_by != down) continue;
    std::optional<Failure> why = dispatcher_->stopped(policy, policy.targets[place], record.facts);
    if (!why) continue;
    if (!stopped) {
      stopped = std::move(why);
      continue;
    }
    const auto soonest = std::min(stopped->retry_after, why->retry_after);
    if (stopped->code != why->code) stopped = Error{Errc::busy, ""};
    stopped->retry_after = soonest;
  }
  Failure failure = Error{*decision.refused_as, ""};
  if (failure.code == Errc::busy && stopped) failure = std::move(*stopped);
  failure.message = decision.reason;
  if (decision.question.empty()) return failure;
  // With the question, where the policy says to ask it.
  failure.message += "; " + decision.question;
  failure.word = "policy_question";
  return failure;
}

void Router::judged(const std::string& decision_id, double quality) {
  if (services_.learner) services_.learner->judged(decision_id, quality);
}

Task<Answer> Router::climb(const DecisionRecord& record, std::vector<std::string> steps,
                           std::shared_ptr<const Policy> policy, RouteRequest request,
                           DeltaSink sink, OnStandIn on_stand_in) {
  CascadePlan plan;
  plan.steps = std::move(steps);
  const std::string first = plan.steps.front();
  plan.verify = policy->tasks.at(record.facts.task).verify;
  plan.wants_json = request.body.response_format.kind != ResponseFormat::Kind::text;
  plan.sink = std::move(sink);
  plan.on_verdict = [this, &record, first](const std::string& step, bool passed) {
    if (step == first) judged(record.decision.id, passed ? 1 : 0);
  };
  plan.on_later_step = [&, on_stand_in = std::move(on_stand_in)](const std::string& step,
                                                                 std::string why) {
    auto found = std::ranges::find(policy->targets, named_level(step).target, &Target::name);
    if (found == policy->targets.end()) return;
    on_stand_in(StandIn{found->name, found->model,
                        fmt::format("{} answers: {} {}", step, first, why),
                        later_effort(step, record.decision)});
  };
  // The records of later steps; each outlives its attempt.
  std::list<DecisionRecord> records;
  RunStep run = [&, this](CascadeStep step) {
    DecisionRecord& own = records.emplace_back(record);
    if (records.size() > 1)
      begin_with(step.target, later_effort(step.target, record.decision), *policy, own.decision);
    return carry_out(own, policy, request, std::move(step.sink), nullptr);
  };
  Answer answer = co_await run_cascade(std::move(plan), std::move(run));
  co_return answer;
}

std::vector<TargetStanding> Router::standings() const {
  return dispatcher_->standings(*services_.policy());
}

Task<> Router::join() {
  Task<> keeping = keep_alive_->join();
  co_await std::move(keeping);
  Task<> looking = dispatcher_->join();
  co_await std::move(looking);
}

Task<Answer> Router::complete(RouteRequest request, DeltaSink sink,
                              std::function<void(const Decision&)> on_decision) {
  return decide_and_answer(std::make_unique<RouteRequest>(std::move(request)), std::move(sink),
                           std::move(on_decision));
}

Task<Answer> Router::decide_and_answer(std::unique_ptr<RouteRequest> request, DeltaSink sink,
                                       std::function<void(const Decision&)> on_decision) {
  const std::shared_ptr<const Policy> policy = services_.policy();
  if (services_.labeller) {
    auto labelled = co_await services_.labeller->label(policy, *request);
    if (!labelled) co_return labelled.error();
  } else {
    read_facts(*policy, *request);
  }
  if (services_.account) services_.account->recall(request->facts);
  if (services_.learner) services_.learner->prepare(*policy, *request, now_ms());
  DecisionRecord record = decide_on(*request, policy);
  KeepsRoom room(spare_, record);
  std::vector<std::string> steps = start_cascade(*policy, record);
  if (services_.learner) services_.learner->decided(*policy, record);
  if (record.decision.may_pass && policy->on_no_target == OnNoTarget::wait) {
    co_await wait_for_target(*request, record, policy);
    steps = start_cascade(*policy, record);
  }
  Ending ending(services_.log, record);
  services_.log.asked(record, request->body, *policy);
  if (on_decision) on_decision(record.decision);
  const bool is_seen = !request->waits_for_all;
  Inheritance heirs(services_.labeller, record.facts.labels);
  sink = heirs.hear(std::move(sink));
  keep_alive_->asked(*request);
  std::unique_ptr<RouteRequest> kept;
  if (steps.empty()) kept = keep_alive_->copy_of(*policy, record, *request);
  OnStandIn on_stand_in = [&record, &on_decision](std::optional<StandIn> who) {
    record.stand_in = std::move(who);
    if (on_decision) on_decision(as_answered(record));
  };
  // On its own line: what is named within an await is held in this frame until it is over.
  Task<Answer> answering =
      steps.empty()
          ? carry_out(record, policy, std::move(*request), std::move(sink), on_stand_in, is_seen)
          : climb(record, steps, policy, std::move(*request), std::move(sink), on_stand_in);
  request.reset();
  Answer answer = co_await std::move(answering);
  if (kept && answer && !record.stand_in) {  // the words that are kept are for who was decided for
    net::any_io_executor executor = co_await net::this_coro::executor;
    keep_alive_->answered(*policy, record, std::move(*kept), answer->usage, executor);
  }
  if (answer) heirs.put_on(*answer);
  if (services_.learner) services_.learner->ended(record, answer, now_ms());
  ending.tell(answer);
  co_return answer;
}

}  // namespace hearth::router
