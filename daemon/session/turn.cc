#include "session/turn.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "support/log.h"

namespace hearth::session {

using namespace protocol;
using namespace net::experimental::awaitable_operators;

namespace {

std::string tool_id(const std::string& given, const std::string& message, size_t index) {
  return given.empty() ? fmt::format("{}.{}", message, index) : given;
}

}  // namespace

Turn::Turn(net::any_io_executor loop, Session& session, std::string id)
    : session_(session),
      id_(std::move(id)),
      interrupt_(std::move(loop), net::steady_timer::time_point::max()) {
  partial_.role = Role::assistant;
}

Task<> Turn::run(router::Completer& completer, router::RouteRequest request) {
  // Cancellation arrives as the outcome of the race below, so that the turn always has an end.
  co_await net::this_coro::throw_if_cancelled(false);
  DeltaSink sink = [this](const StreamDelta& delta) { on_delta(delta); };
  auto on_decision = [this](const router::Decision& decision) {
    target_ = decision.target;
    model_ = decision.model;
    labels_ = decision.labels;
    session_.record(TurnRoute{id_, decision});
  };
  auto state = co_await net::this_coro::cancellation_state;
  if (is_interrupted_ || state.cancelled() != net::cancellation_type::none) co_return abandon();

  // An exception must end the turn, not its task: the session would stay running.
  auto answer = router::answer_of(completer, std::move(request), std::move(sink), on_decision);
  auto interrupted = interrupt_.async_wait(as_result);
  auto race = std::move(answer) || std::move(interrupted);
  auto first = co_await std::move(race);
  if (first.index() == 1) co_return abandon();
  end(std::move(std::get<0>(first)));
}

void Turn::interrupt() {
  is_interrupted_ = true;
  interrupt_.expires_at(net::steady_timer::time_point::min());
}

void Turn::abandon() { end(Error{Errc::cancelled, "interrupted"}); }

void Turn::on_delta(const StreamDelta& delta) {
  if (delta.kind == StreamDelta::Kind::progress && !delta.provider.empty()) return;
  if (delta.kind == StreamDelta::Kind::progress)
    return session_.tell(TurnProgress{id_, delta.n_done, delta.n_prompt});
  if (message_id_.empty()) message_id_ = fmt::format("m{}", session_.next_seq());
  append(partial_, delta);
  if (delta.kind == StreamDelta::Kind::tool_call) {
    if (!begun_tools_.insert(delta.tool_index).second) return;
    std::string id = tool_id(delta.tool_id, message_id_, delta.tool_index);
    session_.record(ToolUpsert{id, message_id_, delta.tool_name, {}, ToolStatus::writing});
  } else if (delta.text.empty() || delta.kind == StreamDelta::Kind::opaque) {
    return;  // tokens that complete no character yet; what no client can show
  } else if (delta.kind == StreamDelta::Kind::text) {
    session_.record(MessageDelta{message_id_, delta.text, {}});
  } else {
    session_.record(ThoughtDelta{message_id_, delta.text, {}});
  }
}

void Turn::end(Answer outcome) {
  SessionStateChanged idle;
  idle.turn = id_;
  if (outcome) {
    idle.reason = EndReason::done;
    std::optional<std::string> model = outcome->message.model;
    record_message(std::move(outcome->message), std::string(enum_name(outcome->finish_reason)));
    session_.record(TurnUsage{id_, target_, model ? model : model_, outcome->usage,
                              outcome->timings, std::move(outcome->divergence),
                              std::move(outcome->moved_lines)});
  } else if (is_interrupted_ || outcome.error().code == Errc::cancelled) {
    idle.reason = EndReason::interrupted;
    if (!partial_.blocks.empty()) record_message(std::move(partial_), "interrupted");
  } else {
    idle.reason = EndReason::error;
    idle.error = outcome.error();
    if (!partial_.blocks.empty()) record_message(std::move(partial_), "error");
  }
  log::info("turn ended",
            {{"session", session_.id()}, {"turn", id_}, {"reason", enum_name(*idle.reason)}});
  session_.record(std::move(idle));
}

void Turn::record_message(Message message, std::string finish) {
  if (message_id_.empty()) message_id_ = fmt::format("m{}", session_.next_seq());
  message.id = message_id_;
  if (!message.model && !model_.empty()) message.model = model_;
  // Also what was heard of an answer that did not end.
  for (Block& block : message.blocks)
    for (const std::string& label : labels_)
      if (std::ranges::count(block.labels, label) == 0) block.labels.push_back(label);
  std::vector<ToolUpsert> tools;
  for (const Block& block : message.blocks)
    if (const auto* call = std::get_if<ToolCall>(&block.content))
      tools.push_back({tool_id(call->id, message_id_, tools.size()), message_id_, call->name,
                       call->arguments, ToolStatus::proposed});
  session_.record(MessageUpsert{std::move(message), id_, std::move(finish), {}});
  for (ToolUpsert& tool : tools) session_.record(std::move(tool));
}

}  // namespace hearth::session
