#include "router/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <utility>

#include "money/payment.h"
#include "money/runaway.h"
#include "router/policy_file.h"
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

// With the question, where the policy says to ask it.
Failure refusal_of(const Decision& decision) {
  Failure failure = Error{*decision.refused_as, decision.reason};
  if (decision.question.empty()) return failure;
  failure.message += "; " + decision.question;
  failure.word = "policy_question";
  return failure;
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Task<Answer> answer_of(Completer& completer, RouteRequest request, DeltaSink sink,
                       std::function<void(const Decision&)> on_decision) {
  try {
    co_return co_await completer.complete(std::move(request), std::move(sink),
                                          std::move(on_decision));
  } catch (const std::exception& failure) {
    co_return Error{Errc::internal, fmt::format("the answer failed: {}", failure.what())};
  }
}

uint64_t estimate_tokens(const CompletionRequest& request) {
  constexpr size_t kImageBytes = 6000;  // as text: about what a large one is billed for
  size_t n_bytes = request.prompt ? request.prompt->size() : 0;
  if (const auto& gap = request.infill)  // what is too much for the context is left out
    n_bytes += std::min<size_t>(gap->prefix.size() + gap->suffix.size(), 4096);
  for (const Message& message : request.messages) {
    n_bytes += 8;  // role and turn markers
    for (const Block& block : message.blocks) {
      if (auto* text = std::get_if<Text>(&block.content)) n_bytes += text->text.size();
      if (auto* call = std::get_if<ToolCall>(&block.content)) n_bytes += call->arguments.size();
      if (auto* result = std::get_if<ToolResult>(&block.content)) n_bytes += result->text.size();
      if (auto* thought = std::get_if<Reasoning>(&block.content)) n_bytes += thought->text.size();
      if (std::holds_alternative<Image>(block.content)) n_bytes += kImageBytes;
    }
  }
  for (const ToolSpec& tool : request.tools)
    n_bytes += tool.name.size() + tool.description.size() + tool.parameters.text.size();
  return n_bytes / 4 + 1;
}

void read_facts(const Policy& policy, RouteRequest& request) {
  RequestFacts& facts = request.facts;
  label_by_source(policy, request);
  facts.n_prompt_estimate = estimate_tokens(request.body);
  facts.max_tokens = request.body.max_tokens;
  facts.rounds = rounds_of(request.body);
  facts.needs = needs_of(request.body);
}

DecisionRecord Router::decide_on(const RouteRequest& request,
                                 const std::shared_ptr<const Policy>& policy) {
  const RequestFacts& facts = request.facts;
  if (policy != hashed_) {
    hash_ = policy_hash(*policy);
    hashed_ = policy;
  }
  DecisionRecord record;
  record.time_ms = now_ms();
  record.policy_hash = hash_;
  record.facts = facts;
  const engine::PromptPoints points = engine::points_of(request.body);
  for (const Target& target : policy->targets) {
    const Provider& provider = services_.provider(target.kind);
    TargetState& state = record.states.emplace_back(provider.state(target));
    provider.foresee(target, request.body, points, state);
    if (services_.account) state.means = services_.account->means(*policy, facts, target);
  }
  record.decision = decide(facts, *policy, record.states);
  record.decision.id = make_id("dec");
  return record;
}

// Looks again until a target is there, or nothing is left that time may lift, or the deadline.
Task<DecisionRecord> Router::wait_for_target(const RouteRequest& request, DecisionRecord record,
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
  co_return record;
}

Task<Answer> Router::carry_out(const DecisionRecord& record, std::shared_ptr<const Policy> policy,
                               RouteRequest request, DeltaSink sink) {
  const Decision& decision = record.decision;
  if (decision.refused_as) co_return refusal_of(decision);
  auto target = std::ranges::find(policy->targets, decision.target, &Target::name);
  if (!may_see(*policy, *target, request.facts.labels))
    co_return Error{Errc::denied,
                    fmt::format("target {} may not see what the request carries", target->name)};
  Spend spend = spend_of(policy, request.facts, request.body, *target, decision.id, 1);
  auto payment = co_await Payment::open(services_.account, std::move(spend));
  if (!payment) co_return payment.error();
  payment->limit(request.body);
  if (services_.egress && target->kind != TargetKind::engine)
    if (auto may = services_.egress->sending(record, *target, request.manifest); !may)
      co_return may.error();
  payment->may_have_left();
  DeltaSink counted = [&payment, sink = std::move(sink)](const StreamDelta& delta) {
    payment->heard(delta);
    sink(delta);
  };
  Answer answer = co_await services_.provider(target->kind)
                      .complete(*target, std::move(request), std::move(counted));
  payment->close(answer);
  co_return answer;
}

Task<Answer> Router::complete(RouteRequest request, DeltaSink sink,
                              std::function<void(const Decision&)> on_decision) {
  const std::shared_ptr<const Policy> policy = services_.policy();
  if (services_.labeller) {
    auto labelled = co_await services_.labeller->label(policy, request);
    if (!labelled) co_return labelled.error();
  } else {
    read_facts(*policy, request);
  }
  if (services_.account) services_.account->recall(request.facts);
  DecisionRecord record = decide_on(request, policy);
  if (record.decision.may_pass && policy->on_no_target == OnNoTarget::wait)
    record = co_await wait_for_target(request, std::move(record), policy);
  Ending ending(services_.log, record);
  services_.log.asked(record, request.body, *policy);
  if (on_decision) on_decision(record.decision);
  Inheritance heirs(services_.labeller, record.facts.labels);
  sink = heirs.hear(std::move(sink));
  Answer answer = co_await carry_out(record, policy, std::move(request), std::move(sink));
  if (answer) heirs.put_on(*answer);
  ending.tell(answer);
  co_return answer;
}

}  // namespace hearth::router
