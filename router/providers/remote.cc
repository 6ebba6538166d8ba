// Sends a completion to a remote API, whichever wire it speaks.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "providers/endpoint.h"
#include "providers/rejection.h"
#include "providers/sse.h"
#include "providers/table.h"
#include "providers/wire_json.h"
#include "router/providers.h"

namespace hearth::router {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxErrorBody = 64 << 10;  // what is longer is cut off
constexpr uint64_t kMaxStream = 256 << 20;  // with all its framing

// A provider may not know our limits: an answer is bounded by what was asked for, generously.
size_t max_answer_bytes(const CompletionRequest& request) {
  constexpr size_t kMost = 16 << 20, kOverhead = 64 << 10, kPerToken = 128;
  if (request.max_tokens == 0) return kMost;
  return std::min(kMost, kOverhead + kPerToken * request.max_tokens);
}

// A stream by its head, or by no word against it: some servers name no type or an odd one.
bool is_stream(const OutboundResponse& head) {
  std::string_view type = head.header("content-type").value_or("");
  return head.status < 300 && !type.starts_with("text/html") &&
         !type.starts_with("application/json");
}

// What it means that the answer was no stream.
Failure refusal_of(const Target& target, const OutboundResponse& head, std::string_view body) {
  if (head.status >= 400)
    return rejection_of(target, head.status, body, head.header("retry-after"), key_source(target),
                        std::chrono::system_clock::now());
  Failure failure =
      head.status >= 300
          ? Error{Errc::invalid,
                  fmt::format("{} answered {} and points to {}; redirects are not followed, since "
                              "the key would go along: correct the target's base_url",
                              target.provider, head.status,
                              words_of(head.header("location").value_or("nowhere")))}
          : Error{Errc::upstream,
                  fmt::format("{} answered with content-type {} where a stream was asked for: {}",
                              target.provider, words_of(head.header("content-type").value_or("")),
                              words_of(body))};
  failure.http_status = head.status;
  failure.remedy = Remedy::other_target;
  return failure;
}

double ms(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

class RemoteProvider : public Provider {
 public:
  RemoteProvider(net::any_io_executor executor, EgressSink on_egress)
      : http_(executor, std::move(on_egress)) {}

  TargetState state(const Target& target) const override {
    TargetState state;
    state.lacks = lacks_of(row_of(target.provider));
    return state;
  }

  Task<Answer> complete(const Target& target, RouteRequest request, DeltaSink sink) override {
    const ProviderRow& row = row_of(target.provider);
    const std::string wrong = why_not(needs_of(request.body), lacks_of(row));
    if (!wrong.empty())
      co_return Error{Errc::unsupported, fmt::format("target {} {}", target.name, wrong)};
    auto endpoint = endpoint_of(target);
    if (!endpoint) {
      Failure failure = endpoint.error();
      failure.word = "no_api_key";
      failure.remedy = Remedy::other_target;
      co_return failure;
    }
    auto body = row.wire->body(target, row.quirks, request.body);
    if (!body) co_return body.error();

    OutboundRequest outbound;
    outbound.method = "POST";
    outbound.url = endpoint->base_url + row.wire->path(target);
    outbound.headers = row.wire->headers(endpoint->key);
    outbound.headers.insert(outbound.headers.end(),
                            {"content-type: application/json", "accept: text/event-stream"});
    outbound.body = std::move(*body);
    outbound.cause = request.facts.id;
    outbound.max_body_bytes = kMaxStream;
    auto reader = row.wire->reader(target, std::move(sink), max_answer_bytes(request.body));
    Answer answer = co_await send(target, std::move(outbound), *reader);
    if (answer || answer.error().code == Errc::cancelled) co_return answer;
    Failure failure = answer.error();
    failure.speaker = target.provider;
    failure.message = without_key(std::move(failure.message), endpoint->key);
    failure.word = without_key(std::move(failure.word), endpoint->key);
    co_return failure;
  }

 private:
  Task<Answer> send(const Target& target, OutboundRequest outbound, StreamReader& reader) {
    const Clock::time_point sent = Clock::now();
    std::optional<Clock::time_point> first_byte;
    Result<void, Failure> heard;
    SseParser events([&](std::string_view event, std::string_view data) {
      if (heard && !reader.is_done()) heard = reader.hear(event, data);
    });
    outbound.has_all = [&reader] { return reader.is_done(); };
    std::optional<OutboundResponse> refusal;
    std::string refused;
    HttpClient::BodySink on_body = [&](const OutboundResponse& head, std::string_view piece) {
      if (!first_byte) first_byte = Clock::now();
      if (!is_stream(head)) {
        if (!refusal) refusal = head;
        refused.append(piece.substr(0, kMaxErrorBody - refused.size()));
        return refused.size() < kMaxErrorBody;
      }
      if (auto fed = events.feed(piece); !fed && heard) heard = fed.error();
      return bool(heard);
    };
    auto response = co_await http_.fetch(std::move(outbound), std::move(on_body));
    if (refusal) co_return refusal_of(target, *refusal, refused);
    if (!heard) co_return heard.error();
    if (!response) co_return response.error();
    if (!is_stream(*response)) co_return refusal_of(target, *response, "");
    Answer answer = reader.finish(target.provider);
    if (!answer) co_return answer;
    answer->timings.prefill_ms = ms(first_byte.value_or(sent) - sent);
    answer->timings.decode_ms = ms(Clock::now() - first_byte.value_or(sent));
    answer->message.model = target.model;
    co_return answer;
  }

  HttpClient http_;
};

}  // namespace

std::unique_ptr<Provider> make_remote_provider(net::any_io_executor executor,
                                               EgressSink on_egress) {
  return std::make_unique<RemoteProvider>(executor, std::move(on_egress));
}

}  // namespace hearth::router
