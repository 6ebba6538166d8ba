// Sends a completion to a provider that speaks OpenAI's chat wire.
#include <fmt/format.h>

#include <chrono>

#include "providers/endpoint.h"
#include "providers/openai_wire.h"
#include "providers/sse.h"
#include "router/http_client.h"
#include "router/providers.h"

namespace hearth::router {

namespace {

constexpr size_t kMaxErrorBody = 64 << 10;  // what is longer is cut off

// A stream by its head, or by no word against it: some servers name no type or an odd one.
bool is_stream(const OutboundResponse& head) {
  std::string_view type = head.header("content-type").value_or("");
  return head.status < 300 && !type.starts_with("text/html") &&
         !type.starts_with("application/json");
}

// What it means that the answer was no stream.
Error refusal_of(const Target& target, const OutboundResponse& head, std::string_view body) {
  if (head.status >= 400)
    return openai::error_of(target, head.status, body, head.header("retry-after"),
                            key_source(target));
  if (head.status >= 300)
    return {Errc::invalid,
            fmt::format("{} answered {} and points to {}; redirects are not followed, since the "
                        "key would go along: "
                        "correct the target's base_url",
                        target.provider, head.status,
                        openai::words_of(head.header("location").value_or("nowhere")))};
  return {Errc::upstream,
          fmt::format("{} answered with content-type {} where a stream was asked for: {}",
                      target.provider, openai::words_of(head.header("content-type").value_or("")),
                      openai::words_of(body))};
}

class OpenAiProvider : public Provider {
 public:
  explicit OpenAiProvider(net::any_io_executor executor) : http_(executor) {}

  Task<Result<Completion>> complete(const Target& target, CompletionRequest request, DeltaSink sink,
                                    Refusal*) override {
    if (request.prompt)
      co_return Error{Errc::unsupported,
                      fmt::format("target {} takes conversations, not bare prompts", target.name)};
    auto endpoint = endpoint_of(target);
    if (!endpoint) co_return endpoint.error();
    auto completion = co_await send(target, *endpoint, std::move(request), std::move(sink));
    if (completion) co_return completion;
    co_return Error{completion.error().code,
                    without_key(completion.error().message, endpoint->key)};
  }

 private:
  Task<Result<Completion>> send(const Target& target, const Endpoint& endpoint,
                                CompletionRequest request, DeltaSink sink) {
    OutboundRequest outbound;
    outbound.method = "POST";
    outbound.url = endpoint.url;
    outbound.headers = {"content-type: application/json", "accept: text/event-stream"};
    if (!endpoint.key.empty()) outbound.headers.push_back("authorization: Bearer " + endpoint.key);
    outbound.body = openai::chat_body(target, request);

    using Clock = std::chrono::steady_clock;
    const Clock::time_point sent = Clock::now();
    std::optional<Clock::time_point> first_byte;
    openai::StreamReader reader(std::move(sink));
    Result<> heard;
    SseParser events([&](std::string_view, std::string_view data) {
      if (heard) heard = reader.hear(data);
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
    auto completion = reader.finish(target.provider);
    if (!completion) co_return completion.error();
    auto ms = [](Clock::duration time) {
      return std::chrono::duration<double, std::milli>(time).count();
    };
    completion->timings.prefill_ms = ms(first_byte.value_or(sent) - sent);
    completion->timings.decode_ms = ms(Clock::now() - first_byte.value_or(sent));
    completion->message.model = target.model;
    co_return completion;
  }

  HttpClient http_;
};

}  // namespace

std::unique_ptr<Provider> make_remote_provider(net::any_io_executor executor) {
  return std::make_unique<OpenAiProvider>(executor);
}

}  // namespace hearth::router
