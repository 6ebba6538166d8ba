#include "service/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <chrono>
#include <utility>

#include "router/money.h"
#include "support/id.h"

namespace hearth {

using transport::Headers;

namespace {

// Of an answer that its client does not read.
constexpr size_t kMaxPending = 16 << 20;

// Between signs of life while nothing else is said.
constexpr std::chrono::seconds kHeartbeat{5};

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Header values are one printable line.
std::string header_safe(std::string_view text) {
  std::string safe;
  for (unsigned char c : text.substr(0, 300))
    safe += c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '?';
  return safe;
}

// Choices that ran at the same time.
void add(Completion& total, const Completion& choice) {
  Usage& usage = total.usage;
  usage.n_prompt += choice.usage.n_prompt;
  usage.n_cached += choice.usage.n_cached;
  usage.n_completion += choice.usage.n_completion;
  usage.n_reasoning += choice.usage.n_reasoning;
  usage.n_cache_write += choice.usage.n_cache_write;
  usage.n_cache_write_1h += choice.usage.n_cache_write_1h;
  if (choice.usage.cost_pico)
    usage.cost_pico = usage.cost_pico.value_or(0) + *choice.usage.cost_pico;
  Timings& timings = total.timings;
  timings.queue_ms = std::max(timings.queue_ms, choice.timings.queue_ms);
  timings.prefill_ms = std::max(timings.prefill_ms, choice.timings.prefill_ms);
  timings.decode_ms = std::max(timings.decode_ms, choice.timings.decode_ms);
}

}  // namespace

Exchange::Exchange(net::any_io_executor executor, const wire::Dialect& dialect,
                   const Services& services, transport::HttpResponder& responder)
    : dialect_(dialect),
      services_(services),
      responder_(responder),
      changed_(executor, net::steady_timer::time_point::max()),
      overflow_(executor, net::steady_timer::time_point::max()) {}

Task<> Exchange::answer(wire::Asked asked, router::RequestFacts facts, std::string betas) {
  id_ = facts.id;
  model_ = facts.model;
  is_stream_ = asked.is_stream;
  left_out_ = std::move(asked.left_out);
  shape_ = std::move(asked.shape);
  head_.id = make_id(dialect_.id_prefix);
  head_.created_s = now_s();
  head_.model = model_;
  for (CompletionRequest& other : asked.others) {
    router::RequestFacts its = facts;
    its.id += fmt::format(".{}", &other - asked.others.data() + 1);
    n_prompt_estimate_ += router::estimate_tokens(other);
    requests_.push_back({std::move(its), std::move(other)});
  }
  n_prompt_estimate_ += router::estimate_tokens(asked.body);
  requests_.insert(requests_.begin(), {std::move(facts), std::move(asked.body)});
  requests_.front().own = {std::move(asked.own_user), std::move(betas), std::move(asked.free_form)};
  for (router::RouteRequest& request : requests_) request.waits_for_all = !is_stream_;
  return is_stream_ ? answer_stream() : answer_whole();
}

Task<> Exchange::refuse(Failure failure, std::string request_id) {
  id_ = std::move(request_id);
  outcome_ = std::move(failure);
  return refuse();
}

Task<Answer> Exchange::answering(size_t choice) {
  DeltaSink sink = [this](const StreamDelta& delta) { note_left_out(delta); };
  if (is_stream_) sink = [this, choice](const StreamDelta& delta) { hear(choice, delta); };
  auto on_decision = [this](const router::Decision& decision) {
    decision_ = {decision.id, decision.target, decision.reason};
    if (!decision.model.empty()) head_.model = decision.model;
  };
  router::RouteRequest request = std::move(requests_[choice]);
  if (requests_.size() == 1) requests_ = {};
  return router::answer_of(services_.completer, std::move(request), std::move(sink), on_decision);
}

// Gives its value this way: who waits for several things would hold room for several answers.
Task<> Exchange::ask(Answer& answer) {
  Task<Answer> asked = answering(0);
  answer = co_await std::move(asked);
  if (answer) end_choice(0, *answer);
}

// All choices at once, each a request of its own. One that fails ends the others.
Task<> Exchange::ask_all(Answer& answer) {
  answer = Completion{};
  const auto executor = co_await net::this_coro::executor;
  const auto taking = [&](size_t choice) {
    return net::co_spawn(executor, take(choice, answer), net::deferred);
  };
  std::vector<decltype(taking(0))> all;
  for (size_t i = 0; i < requests_.size(); ++i) all.push_back(taking(i));
  auto group = net::experimental::make_parallel_group(std::move(all));
  auto waiting = group.async_wait(net::experimental::wait_for_one_error(), net::deferred);
  auto [order, errors] = co_await std::move(waiting)(net::use_awaitable);
  if (!answer) co_return;
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

Task<> Exchange::take(size_t choice, Answer& total) {
  Task<Answer> asked = answering(choice);
  Answer answer = co_await std::move(asked);
  if (answer && total) {
    end_choice(choice, *answer);
    hearth::add(*total, *answer);
    co_return;
  }
  if (total) total = std::move(answer);
  throw boost::system::system_error(net::error::operation_aborted);
}

void Exchange::end_choice(size_t choice, const Completion& completion) {
  std::string whole;  // goes nowhere: it is all told at once
  if (is_stream_) begin();
  shape_->turn_to(choice);
  shape_->end_choice(head_, completion, is_stream_ ? pending_ : whole);
  if (is_stream_) add("");
}

Task<> Exchange::run() {
  using namespace net::experimental::awaitable_operators;
  // A race goes on when one side throws: here it must be over.
  Answer answer = Error{};
  Task<> asking = requests_.size() > 1 ? ask_all(answer) : ask(answer);
  auto overflowing = overflow_.async_wait(as_result);
  auto race = std::move(asking) || std::move(overflowing);
  auto first = co_await std::move(race);
  if (first.index() != 0)
    answer = Error{Errc::busy, fmt::format("the client reads too slowly: {} MiB of the answer "
                                           "wait for it",
                                           kMaxPending >> 20)};
  outcome_ = std::move(answer);
  // Clients shrink by these numbers; a refusal before anything was counted has none.
  if (!*outcome_ && outcome_->error().code == Errc::context_exceeded &&
      outcome_->error().n_context == 0) {
    Failure failure = outcome_->error();
    failure.n_context = services_.context_of(model_);
    const uint64_t n_prompt =
        std::max<uint64_t>(n_prompt_estimate_, failure.n_context + uint64_t{1});
    failure.n_prompt = static_cast<uint32_t>(std::min<uint64_t>(n_prompt, UINT32_MAX));
    outcome_ = std::move(failure);
  }
  changed_.cancel();
}

Task<> Exchange::answer_whole() {
  co_await run();
  if (!*outcome_) co_return co_await refuse();
  std::string body = shape_->whole(head_, **outcome_);
  Headers lines = headers();
  if (auto cost = (*outcome_)->usage.cost_pico)
    lines.push_back({"x-hearth-cost-usd", router::to_text(router::PicoUsd(*cost))});
  (void)co_await responder_.respond(200, "application/json", std::move(body), std::move(lines));
}

Task<> Exchange::answer_stream() {
  using namespace net::experimental::awaitable_operators;
  // Both end together: a client that goes away ends pump() with an exception, which cancels run().
  Task<> running = run();
  Task<> pumping = pump();
  co_await (std::move(running) && std::move(pumping));
}

void Exchange::note_left_out(const StreamDelta& delta) {
  if (delta.kind != StreamDelta::Kind::progress || delta.text.empty()) return;
  if (std::ranges::count(left_out_, delta.text) == 0) left_out_.push_back(delta.text);
}

void Exchange::hear(size_t choice, const StreamDelta& delta) {
  note_left_out(delta);
  if (delta.kind == StreamDelta::Kind::progress) {
    head_.n_prompt = delta.n_prompt;
    if (!is_begun_) head_.n_cached = delta.n_done;
    if (!delta.provider.empty()) return;  // counts alone: it may yet fail, with a status
    begin();
    return add(fmt::format(": prompt {}/{}\n\n", delta.n_done, delta.n_prompt));
  }
  begin();
  shape_->turn_to(choice);
  shape_->hear(head_, delta, pending_);
  add("");
}

void Exchange::begin() {
  constexpr uint64_t kMost = UINT32_MAX;
  if (head_.n_prompt == 0)
    head_.n_prompt = static_cast<uint32_t>(std::min(n_prompt_estimate_, kMost));
  if (!is_begun_) shape_->begin(head_, pending_);
  is_begun_ = true;
}

void Exchange::add(std::string_view bytes) {
  pending_ += bytes;
  if (pending_.size() > kMaxPending) overflow_.expires_at(net::steady_timer::time_point::min());
  changed_.cancel();
}

bool Exchange::tells_in_stream() const {
  const bool is_overflow = !*outcome_ && outcome_->error().code == Errc::context_exceeded;
  return is_begun_ || *outcome_ || (is_overflow && dialect_.streams_overflow);
}

Task<> Exchange::pump() {
  auto gone = [] { return boost::system::system_error(net::error::operation_aborted); };
  // Until the first sign of life an error can still be a proper status.
  while (!is_begun_ && !outcome_) {
    changed_.expires_after(kHeartbeat * 2);
    auto [timer_error] = co_await changed_.async_wait(as_result);
    if (!timer_error) begin();
  }
  if (outcome_ && !tells_in_stream()) co_return co_await refuse();
  if (auto begun = responder_.begin_stream(200, "text/event-stream", headers()); !begun)
    throw gone();
  while (!outcome_) {
    if (!pending_.empty()) {
      std::string chunk = std::exchange(pending_, {});
      if (auto written = co_await responder_.write(std::move(chunk)); !written) throw gone();
      continue;
    }
    changed_.expires_after(kHeartbeat);
    auto [timer_error] = co_await changed_.async_wait(as_result);
    if (!timer_error) add(dialect_.sign_of_life);
  }
  begin();
  if (*outcome_)
    shape_->end(head_, **outcome_, pending_);
  else
    shape_->fail(head_, outcome_->error(), pending_);
  if (auto written = co_await responder_.end(std::move(pending_)); !written) throw gone();
}

Task<> Exchange::refuse() {
  const Failure& failure = outcome_->error();
  wire::ErrorReply reply = dialect_.error(failure, id_);
  Headers lines = headers();
  if (reply.retry_after_s) lines.push_back({"retry-after", std::to_string(*reply.retry_after_s)});
  lines.push_back({"x-should-retry", wire::may_retry(failure) ? "true" : "false"});
  lines.push_back({"x-hearth-error-source", failure.is_ours() ? "hearth" : "provider"});
  (void)co_await responder_.respond(reply.status, "application/json", std::move(reply.body),
                                    std::move(lines));
}

Headers Exchange::headers() const {
  Headers lines{{std::string(dialect_.request_id_header), id_}};
  if (!decision_.target.empty())
    lines.push_back({"x-hearth-target", header_safe(decision_.target)});
  if (!decision_.id.empty()) {
    lines.push_back({"x-hearth-decision-id", decision_.id});
    lines.push_back({"x-hearth-reason", header_safe(decision_.reason)});
  }
  if (!left_out_.empty())
    lines.push_back(
        {"x-hearth-left-out", header_safe(fmt::format("{}", fmt::join(left_out_, "; ")))});
  return lines;
}

}  // namespace hearth
