// Sends a completion to a remote API, whichever wire it speaks.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "providers/affinity.h"
#include "providers/endpoint.h"
#include "providers/rate_headers.h"
#include "providers/rejection.h"
#include "providers/secret_service.h"
#include "providers/sse.h"
#include "providers/table.h"
#include "providers/wire_json.h"
#include "router/account.h"
#include "router/providers.h"
#include "support/log.h"

namespace hearth::router {

using std::chrono::milliseconds;

namespace {

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
Failure refusal_of(const Target& target, const OutboundResponse& head, std::string_view body,
                   Clock::Date now) {
  if (head.status >= 400) {
    Failure failure = rejection_of(target, head.status, body, head.header("retry-after"),
                                   key_source(target), now);
    // OpenAI and Anthropic know better than a status whether asking again makes sense.
    if (head.header("x-should-retry") == "false" && failure.remedy == Remedy::retry_same)
      failure.remedy = Remedy::other_target;
    return failure;
  }
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

// Scheme, host and port.
std::string origin_of(const std::string& base_url) {
  const size_t host = base_url.find("://");
  return base_url.substr(0, base_url.find('/', host == base_url.npos ? 0 : host + 3));
}

double ms(Clock::Time::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// What was heard of an answer, event by event, and what it means in the end.
class Hearing {
 public:
  Hearing(const Target& target, StreamReader& reader, Clock& clock, Attempt& attempt)
      : target_(target), reader_(reader), clock_(clock), attempt_(attempt), sent_(clock.now()) {}

  // False when there is nothing more to hear.
  bool hear(const OutboundResponse& head, std::string_view piece) {
    note_head(head);
    if (!is_stream(head)) {
      refused_.append(piece.substr(0, kMaxErrorBody - refused_.size()));
      return refused_.size() < kMaxErrorBody;
    }
    if (auto fed = events_.feed(piece); !fed && heard_) heard_ = fed.error();
    attempt_.n_answer_bytes = reader_.n_bytes();
    if (reader_.has_usage()) attempt_.usage = reader_.usage();
    attempt_.basis = reader_.basis();
    return bool(heard_);
  }

  Answer finish(Result<OutboundResponse> response, uint64_t n_prompt_estimate) {
    if (response) note_head(*response);
    if (head_ && !is_stream(*head_)) {
      attempt_.is_refused = head_->status >= 300;
      return refusal_of(target_, *head_, refused_, clock_.date());
    }
    if (!heard_) return heard_.error();
    if (!response) return response.error();
    const bool is_counted = reader_.has_usage();
    const size_t n_bytes = reader_.n_bytes();
    Answer answer = reader_.finish(target_.provider);
    if (!answer) return answer;
    if (!is_counted) answer->usage = estimate_usage(n_prompt_estimate, n_bytes);
    attempt_.usage = answer->usage;
    const Clock::Time now = clock_.now();
    answer->timings.prefill_ms = ms(first_byte_.value_or(sent_) - sent_);
    answer->timings.decode_ms = ms(now - first_byte_.value_or(now));
    answer->message.model = target_.model;
    return answer;
  }

 private:
  void note_head(const OutboundResponse& head) {
    if (head_) return;
    // Headers tell what a refusal means, and no more.
    head_ = is_stream(head) ? OutboundResponse{head.status, {}, {}} : head;
    first_byte_ = clock_.now();
    attempt_.is_sent = true;
    attempt_.room = rate_room_of(head, clock_.date());
  }

  const Target& target_;
  StreamReader& reader_;
  Clock& clock_;
  Attempt& attempt_;
  const Clock::Time sent_;
  std::optional<Clock::Time> first_byte_;
  std::optional<OutboundResponse> head_;
  std::string refused_;  // the body of what was no stream
  Result<void, Failure> heard_;
  SseParser events_{[this](std::string_view event, std::string_view data) {
    if (heard_ && !reader_.is_done()) heard_ = reader_.hear(event, data);
  }};
};

class RemoteProvider : public Provider {
 public:
  RemoteProvider(std::unique_ptr<Transport> transport, Clock& clock)
      : transport_(std::move(transport)), clock_(clock) {}

  TargetState state(const Target& target) const override {
    TargetState state;
    state.lacks = lacks_of(target);
    return state;
  }

  Task<Answer> complete(const Target& target, RouteRequest request, DeltaSink sink,
                        Attempt& attempt) override {
    const std::string wrong = why_not(needs_of(request.body), lacks_of(target));
    if (!wrong.empty())
      return failed(Error{Errc::unsupported, fmt::format("target {} {}", target.name, wrong)});
    return ask(target, std::make_unique<RouteRequest>(std::move(request)), std::move(sink),
               attempt);
  }

  Task<Result<std::string>> published(Target target) override {
    OutboundRequest outbound;
    outbound.url = origin_of(target.base_url) + "/metrics";
    outbound.cause = "pool";
    outbound.max_body_bytes = 1 << 20;
    outbound.connect_timeout = outbound.total_timeout = milliseconds(1'000);
    std::string text;
    Transport::BodySink on_body = [&text](const OutboundResponse&, std::string_view piece) {
      text += piece;
      return true;
    };
    auto response = co_await transport_->fetch(std::move(outbound), std::move(on_body));
    if (!response) co_return response.error();
    if (response->status != 200)
      co_return Error{Errc::upstream, fmt::format("/metrics answered {}", response->status)};
    co_return text;
  }

 private:
  static Task<Answer> failed(Failure failure) { co_return failure; }

  Task<Result<Endpoint>> endpoint_with_key(const Target& target) {
    auto endpoint = endpoint_of(target);
    if (!endpoint || target.key_secret.empty()) co_return endpoint;
    Task<Result<std::string>> looking = secrets_.lookup(target.key_secret);
    auto key = co_await std::move(looking);
    if (!key) co_return key.error();
    log::hide(*key);
    endpoint->key = std::move(*key);
    co_return endpoint;
  }

  static Result<OutboundRequest, Failure> outbound_of(const Target& target,
                                                      const Endpoint& endpoint,
                                                      const RouteRequest& request,
                                                      Attempt& attempt) {
    const Quirks& quirks = row_of(target.provider).quirks;
    const Wire& wire = wire_of(target);
    const std::string affinity = affinity_of(request);
    auto body = wire.body(target, quirks, request.body, affinity, request.own);
    if (!body) return body.error();
    OutboundRequest outbound;
    outbound.method = "POST";
    outbound.url = endpoint.base_url + wire.path(target);
    outbound.headers = wire.headers(target, endpoint.key, request.own);
    if (!quirks.affinity_header.empty() && !affinity.empty())
      outbound.headers.push_back(fmt::format("{}: {}", quirks.affinity_header, affinity));
    outbound.headers.insert(outbound.headers.end(),
                            {"content-type: application/json", "accept: text/event-stream"});
    outbound.body = std::move(*body);
    outbound.cause = request.facts.id;
    outbound.max_body_bytes = kMaxStream;
    outbound.connect_timeout = milliseconds(target.timeouts.connect_ms);
    outbound.first_byte_timeout = milliseconds(target.timeouts.first_byte_ms);
    outbound.stall_timeout = milliseconds(target.timeouts.stall_ms);
    outbound.total_timeout = milliseconds(target.timeouts.total_ms);
    outbound.on_end = [&attempt](const Egress& egress) {
      attempt.is_sent = attempt.is_sent || egress.is_body_sent;
    };
    return outbound;
  }

  DeltaSink noting(DeltaSink sink, Attempt& attempt) const {
    return [sink = std::move(sink), &attempt, &clock = clock_,
            sent = clock_.now()](const StreamDelta& delta) {
      if (delta.kind == StreamDelta::Kind::progress) return sink(delta);
      if (!attempt.has_spoken) attempt.first_word_ms = ms(clock.now() - sent);
      attempt.has_spoken = true;
      sink(delta);
    };
  }

  // Of the request nothing is kept while it streams, for minutes: what is sent is with the
  // transport.
  Task<Answer> ask(const Target& target, std::unique_ptr<RouteRequest> request, DeltaSink sink,
                   Attempt& attempt) {
    Task<Result<Endpoint>> finding = endpoint_with_key(target);
    auto endpoint = co_await std::move(finding);
    if (!endpoint) {
      Failure failure = endpoint.error();
      failure.word = "no_api_key";
      failure.remedy = Remedy::other_target;
      co_return failure;
    }
    const uint64_t n_prompt_estimate = request->facts.n_prompt_estimate;
    auto reader = wire_of(target).reader(target, noting(std::move(sink), attempt),
                                         max_answer_bytes(request->body));
    Hearing hearing(target, *reader, clock_, attempt);
    auto fetching = fetch(target, *endpoint, *request, *reader, hearing, attempt);
    if (!fetching) co_return fetching.error();
    request.reset();
    Result<OutboundResponse> response = co_await std::move(*fetching);
    Answer answer = hearing.finish(std::move(response), n_prompt_estimate);
    if (!answer && answer.error().code != Errc::cancelled) name(answer, target, endpoint->key);
    co_return answer;
  }

  Result<Task<Result<OutboundResponse>>, Failure> fetch(const Target& target,
                                                        const Endpoint& endpoint,
                                                        const RouteRequest& request,
                                                        StreamReader& reader, Hearing& hearing,
                                                        Attempt& attempt) {
    auto outbound = outbound_of(target, endpoint, request, attempt);
    if (!outbound) return outbound.error();
    outbound->has_all = [&reader] { return reader.is_done(); };
    Transport::BodySink on_body = [&hearing](const OutboundResponse& head, std::string_view piece) {
      return hearing.hear(head, piece);
    };
    return transport_->fetch(std::move(*outbound), std::move(on_body));
  }

  // Says whose failure it is.
  void name(Answer& answer, const Target& target, const std::string& key) {
    Failure failure = answer.error();
    if (failure.code == Errc::denied) secrets_.forget(target.key_secret);
    failure.speaker = target.provider;
    failure.message = without_key(std::move(failure.message), key);
    failure.word = without_key(std::move(failure.word), key);
    answer = std::move(failure);
  }

  std::unique_ptr<Transport> transport_;
  Clock& clock_;
  SecretService secrets_{clock_};
};

}  // namespace

std::unique_ptr<Provider> make_remote_provider(net::any_io_executor executor, EgressSink on_egress,
                                               std::function<std::string()> ca_file) {
  auto transport = std::make_unique<HttpClient>(executor, std::move(on_egress), std::move(ca_file));
  return make_remote_provider(std::move(transport), machine_clock());
}

std::unique_ptr<Provider> make_remote_provider(std::unique_ptr<Transport> transport, Clock& clock) {
  return std::make_unique<RemoteProvider>(std::move(transport), clock);
}

}  // namespace hearth::router
