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

// Of a whole answer, which is kept until all of it is there: texts, and probabilities as they lie
// in memory.
constexpr size_t kMaxWhole = 64 << 20;

// Of one request, at the same time: the others of it wait, so that other requests find room.
constexpr size_t kMaxChoicesAsked = 4;

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

size_t bytes_of(const TokenLogprob::Candidate& candidate) {
  return sizeof candidate + candidate.text.size();
}

size_t bytes_of(const StreamDelta& delta) {
  size_t n_bytes = delta.text.size();
  for (const TokenLogprob& each : delta.logprobs) {
    n_bytes += bytes_of(each.chosen);
    for (const TokenLogprob::Candidate& other : each.top) n_bytes += bytes_of(other);
  }
  return n_bytes;
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
  DeltaSink sink = [this](const StreamDelta& delta) { hear_whole(delta); };
  if (is_stream_) sink = [this, choice](const StreamDelta& delta) { hear(choice, delta); };
  auto on_decision = [this, choice](const router::Decision& decision) {
    if (choice != 0) return;  // one is told of
    decision_ = {decision.id, decision.target, decision.reason};
    if (!decision.model.empty()) head_.model = decision.model;
  };
  router::RouteRequest request = std::move(requests_[choice]);
  if (requests_.size() == 1) std::vector<router::RouteRequest>().swap(requests_);  // its room too
  return router::answer_of(services_.completer, std::move(request), std::move(sink), on_decision);
}

// Gives its value this way: who waits for several things would hold room for several answers.
Task<> Exchange::ask(Answer& answer) {
  Task<Answer> asked = answering(0);
  answer = co_await std::move(asked);
  if (!answer) co_return;
  if (auto ended = end_choice(0, *answer); !ended) answer = ended.error();
}

// Some choices at once, each a request of its own. One that fails ends the others.
Task<> Exchange::ask_all(Answer& answer) {
  answer = Completion{};
  const auto executor = co_await net::this_coro::executor;
  size_t next = 0;
  const auto taking = [&] { return net::co_spawn(executor, take(next, answer), net::deferred); };
  std::vector<decltype(taking())> all;
  for (size_t i = 0; i < std::min(requests_.size(), kMaxChoicesAsked); ++i) all.push_back(taking());
  auto group = net::experimental::make_parallel_group(std::move(all));
  auto waiting = group.async_wait(net::experimental::wait_for_one_error(), net::deferred);
  (void)co_await std::move(waiting)(net::use_awaitable);
  if (answer && n_ended_ < requests_.size())
    answer = Error{Errc::internal, "a choice ended without an answer"};
}

// One choice after the other, until none is left.
Task<> Exchange::take(size_t& next, Answer& total) {
  while (total && next < requests_.size()) {
    const size_t choice = next++;
    Task<Answer> asked = answering(choice);
    Answer answer = co_await std::move(asked);
    if (answer && total) {
      hearth::add(*total, *answer);
      if (auto ended = end_choice(choice, *answer); !ended) answer = ended.error();
    }
    if (!answer && total) total = std::move(answer);
  }
  if (!total) throw boost::system::system_error(net::error::operation_aborted);
}

// What cannot be told is a failure: run() would wait for ever behind an exception.
Result<> Exchange::end_choice(size_t choice, const Completion& completion) {
  try {
    std::string whole;  // goes nowhere: it is all told at once
    if (is_stream_) begin();
    shape_->turn_to(choice);
    shape_->end_choice(head_, completion, is_stream_ ? pending_ : whole);
    if (is_stream_) add("");
  } catch (const std::exception& error) {
    return Error{Errc::internal, fmt::format("the answer cannot be told: {}", error.what())};
  }
  ++n_ended_;
  return {};
}

Task<> Exchange::run() {
  using namespace net::experimental::awaitable_operators;
  // A race goes on when one side throws: here it must be over.
  Answer answer = Error{};
  Task<> asking = requests_.size() > 1 ? ask_all(answer) : ask(answer);
  auto overflowing = overflow_.async_wait(as_result);
  auto race = std::move(asking) || std::move(overflowing);
  auto first = co_await std::move(race);
  if (first.index() != 0 && is_stream_)
    answer = Error{Errc::busy, fmt::format("the client reads too slowly: {} MiB of the answer "
                                           "wait for it",
                                           kMaxPending >> 20)};
  else if (first.index() != 0)
    answer = Error{Errc::invalid, fmt::format("the answer has more than {} MiB: ask for fewer "
                                              "prompts or logprobs at once, or for a stream",
                                              kMaxWhole >> 20)};
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

void Exchange::hear_whole(const StreamDelta& delta) {
  note_left_out(delta);
  n_whole_bytes_ += bytes_of(delta);
  if (n_whole_bytes_ > kMaxWhole) overflow_.expires_at(net::steady_timer::time_point::min());
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
