#include "support/simulated_upstream.h"

namespace hearth::testing {

namespace {

using std::chrono::milliseconds;

// Tells of the transfer however it ends.
struct Transfer {
  OutboundRequest request;
  Egress egress{};
  ~Transfer() {
    if (request.on_end) request.on_end(egress);
  }
};

}  // namespace

Task<Result<OutboundResponse>> SimulatedTransport::fetch(OutboundRequest request,
                                                         BodySink on_body) {
  using End = SimulatedAnswer::End;
  SimulatedAnswer answer = serve_(request);
  Transfer transfer{std::move(request)};
  const OutboundRequest& asked = transfer.request;
  const Clock::Time began = clock_.now();
  const Clock::Time over =
      asked.total_timeout.count() ? began + asked.total_timeout : Clock::Time::max();
  const Error late{Errc::timeout, "upstream: not a byte in time"};

  if (answer.end == End::no_server) co_return Error{Errc::upstream, "upstream: connection refused"};
  if (answer.end == End::no_hello) {
    Task<> wait = clock_.wait_until(began + asked.connect_timeout);
    co_await std::move(wait);
    co_return Error{Errc::timeout, "upstream: no connection in time"};
  }
  transfer.egress.is_body_sent = true;
  const milliseconds patience =
      asked.first_byte_timeout.count() ? asked.first_byte_timeout : asked.stall_timeout;
  const bool comes = answer.has_head && answer.head_after <= patience;
  const bool is_silent = !answer.has_head && answer.end == End::silent;
  Task<> head = clock_.wait_until(std::min(over, began + (comes       ? answer.head_after
                                                          : is_silent ? patience
                                                                      : milliseconds(5))));
  co_await std::move(head);
  if (clock_.now() >= over || (!comes && (is_silent || answer.has_head))) co_return late;
  if (!answer.has_head) co_return Error{Errc::upstream, "upstream: connection reset"};

  OutboundResponse response;
  response.status = answer.status;
  response.headers = answer.headers;
  response.url = asked.url;
  for (const SimulatedAnswer::Part& part : answer.parts) {
    const bool stalls = part.after > asked.stall_timeout;
    Task<> wait = clock_.wait_until(
        std::min(over, clock_.now() + (stalls ? asked.stall_timeout : part.after)));
    co_await std::move(wait);
    if (stalls || clock_.now() >= over) co_return late;
    if (!on_body(response, part.bytes))
      co_return Error{Errc::cancelled, "the transfer was stopped"};
    if (asked.has_all && asked.has_all()) co_return response;
  }
  if (answer.end == End::cut) co_return Error{Errc::upstream, "upstream: connection reset"};
  if (answer.end == End::silent) {
    Task<> wait = clock_.wait_until(std::min(over, clock_.now() + asked.stall_timeout));
    co_await std::move(wait);
    co_return late;
  }
  co_return response;
}

}  // namespace hearth::testing
