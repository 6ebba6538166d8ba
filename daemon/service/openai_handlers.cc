#include "service/openai_handlers.h"

#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <set>

#include "net/client_tokens.h"
#include "support/id.h"
#include "wire/openai.h"

namespace hearth {

using transport::Headers;
using transport::HttpRequest;
using transport::HttpResponder;

namespace openai = wire::openai;

namespace {

// Of an answer that its client does not read.
constexpr size_t kMaxPending = 16 << 20;

// Between SSE comments while nothing else is said.
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

std::vector<std::string> split_labels(std::string_view list) {
  std::vector<std::string> labels;
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view label = list.substr(0, comma);
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
    while (label.starts_with(' ')) label.remove_prefix(1);
    while (label.ends_with(' ')) label.remove_suffix(1);
    if (!label.empty()) labels.emplace_back(label);
  }
  return labels;
}

// By value: the caller's may be a temporary.
Task<> refuse(HttpResponder& responder, Failure failure, Headers headers) {
  openai::ErrorReply reply = openai::error_reply(failure);
  if (reply.retry_after_s) headers.push_back({"retry-after", std::to_string(*reply.retry_after_s)});
  headers.push_back({"x-hearth-error-source", failure.is_ours() ? "hearth" : "provider"});
  (void)co_await responder.respond(reply.status, "application/json", std::move(reply.body),
                                   std::move(headers));
}

}  // namespace

// One request on its way: what was asked, what has been decided, what is still to be written.
struct OpenAiHandlers::Exchange {
  explicit Exchange(net::any_io_executor executor)
      : changed(executor, net::steady_timer::time_point::max()),
        overflow(executor, net::steady_timer::time_point::max()) {}

  Form form = Form::chat;
  openai::Request asked;
  openai::Head head;
  router::RequestFacts facts;
  router::Decision decision;
  std::optional<Answer> outcome;

  // Streaming: events not yet written. Generation never waits for the client, it fills this; when
  // it is full the request ends.
  std::string pending;
  bool is_begun = false;  // the first sign of life: from here on the status is 200
  net::steady_timer changed;
  net::steady_timer overflow;  // expires when `pending` is full

  void add(std::string_view event) {
    pending += event;
    if (pending.size() > kMaxPending) overflow.expires_at(net::steady_timer::time_point::min());
    changed.cancel();
  }

  void push(std::string_view data) {
    if (data.empty()) return;
    if (!is_begun && form == Form::chat)
      pending += fmt::format("data: {}\n\n", openai::chat_first_chunk(head));
    is_begun = true;
    add(fmt::format("data: {}\n\n", data));
  }

  void comment(std::string_view text) {
    is_begun = true;
    add(fmt::format(": {}\n\n", text));
  }

  Headers headers() const {
    Headers headers{{"x-request-id", facts.id}};
    if (!decision.target.empty())
      headers.push_back({"x-hearth-target", header_safe(decision.target)});
    if (!decision.id.empty()) {
      headers.push_back({"x-hearth-decision-id", decision.id});
      headers.push_back({"x-hearth-reason", header_safe(decision.reason)});
    }
    return headers;
  }
};

void OpenAiHandlers::bind(transport::HttpServer& server) {
  server.route("POST", "/v1/chat/completions",
               [this](HttpRequest request, HttpResponder& responder) {
                 return complete(std::move(request), responder, Form::chat);
               });
  server.route("POST", "/v1/completions", [this](HttpRequest request, HttpResponder& responder) {
    return complete(std::move(request), responder, Form::text);
  });
  server.route("GET", "/v1/models", [this](HttpRequest request, HttpResponder& responder) {
    return list_models(std::move(request), responder);
  });
}

Task<> OpenAiHandlers::complete(HttpRequest request, HttpResponder& responder, Form form) {
  Exchange exchange(co_await net::this_coro::executor);
  exchange.form = form;
  exchange.facts.id = make_id("req");
  auto parsed = form == Form::chat ? openai::parse_chat(request.body)
                                   : openai::parse_completions(request.body);
  request.body.clear();
  if (!parsed) {
    Failure failure = parsed.error();
    co_await refuse(responder, std::move(failure), exchange.headers());
    co_return;
  }
  exchange.asked = std::move(*parsed);
  exchange.facts.model = exchange.asked.model;
  const bool is_chat = form == Form::chat;
  exchange.facts.origin = is_chat ? router::Origin::chat : router::Origin::completions;
  exchange.facts.task = is_chat ? router::TaskClass::chat : router::TaskClass::completion;
  if (auto labels = request.header("x-hearth-labels"))
    exchange.facts.labels = split_labels(*labels);
  if (request.client)
    for (const std::string& label : request.client->labels) exchange.facts.labels.push_back(label);
  exchange.head = {make_id(is_chat ? "chatcmpl" : "cmpl"), now_s(), exchange.asked.model};
  if (exchange.asked.is_stream)
    co_await answer_stream(exchange, responder);
  else
    co_await answer_whole(exchange, responder);
}

Task<> OpenAiHandlers::run(Exchange& exchange) {
  using namespace net::experimental::awaitable_operators;
  router::RouteRequest request{exchange.facts, std::move(exchange.asked.body)};
  DeltaSink sink;
  if (exchange.asked.is_stream) {
    if (exchange.asked.echo && request.body.prompt)
      exchange.pending +=
          fmt::format("data: {}\n\n", openai::text_chunk(exchange.head, *request.body.prompt));
    sink = [&exchange](const StreamDelta& delta) {
      if (delta.kind == StreamDelta::Kind::progress)
        exchange.comment(fmt::format("prompt {}/{}", delta.n_done, delta.n_prompt));
      else if (exchange.form == Form::chat)
        exchange.push(openai::chat_chunk(exchange.head, delta));
      else if (!delta.text.empty())
        exchange.push(openai::text_chunk(exchange.head, delta.text));
    };
  } else {
    sink = [](const StreamDelta&) {};
  }
  auto on_decision = [&exchange](const router::Decision& decision) {
    exchange.decision = decision;
    if (!decision.model.empty()) exchange.head.model = decision.model;
  };
  // A race goes on when one side throws: here it must be over.
  auto answering = router::answer_of(completer_, std::move(request), std::move(sink), on_decision);
  auto overflowing = exchange.overflow.async_wait(as_result);
  auto race = std::move(answering) || std::move(overflowing);
  auto first = co_await std::move(race);
  if (auto* answer = std::get_if<Answer>(&first)) {
    exchange.outcome = std::move(*answer);
  } else {
    exchange.outcome = Error{Errc::busy, fmt::format("the client reads too slowly: {} MiB of the "
                                                     "answer wait for it",
                                                     kMaxPending >> 20)};
  }
  exchange.changed.cancel();
}

Task<> OpenAiHandlers::answer_whole(Exchange& exchange, HttpResponder& responder) {
  std::string echo = exchange.asked.echo ? exchange.asked.body.prompt.value_or("") : "";
  co_await run(exchange);
  const Answer& outcome = *exchange.outcome;
  if (!outcome) {
    Failure failure = outcome.error();
    co_await refuse(responder, std::move(failure), exchange.headers());
    co_return;
  }
  std::string body = exchange.form == Form::chat
                         ? openai::chat_response(exchange.head, *outcome)
                         : openai::text_response(exchange.head, *outcome, echo);
  (void)co_await responder.respond(200, "application/json", std::move(body), exchange.headers());
}

Task<> OpenAiHandlers::answer_stream(Exchange& exchange, HttpResponder& responder) {
  using namespace net::experimental::awaitable_operators;
  // Both end together: a client that goes away ends pump() with an exception, which cancels run().
  Task<> running = run(exchange);
  Task<> pumping = pump(exchange, responder);
  co_await (std::move(running) && std::move(pumping));
}

Task<> OpenAiHandlers::pump(Exchange& exchange, HttpResponder& responder) {
  auto gone = [] { return boost::system::system_error(net::error::operation_aborted); };
  // Until the first sign of life an error can still be a proper status.
  while (!exchange.is_begun && !exchange.outcome) {
    exchange.changed.expires_after(kHeartbeat * 2);
    auto [timer_error] = co_await exchange.changed.async_wait(as_result);
    if (!timer_error) exchange.comment("waiting");
  }
  if (exchange.outcome && !*exchange.outcome && !exchange.is_begun) {
    Failure failure = exchange.outcome->error();
    co_await refuse(responder, std::move(failure), exchange.headers());
    co_return;
  }
  Headers headers = exchange.headers();
  headers.push_back({"cache-control", "no-cache"});
  if (auto begun = co_await responder.begin_stream(200, "text/event-stream", std::move(headers));
      !begun)
    throw gone();
  for (;;) {
    if (!exchange.pending.empty()) {
      std::string chunk = std::exchange(exchange.pending, {});
      if (auto written = co_await responder.write(std::move(chunk)); !written) throw gone();
      continue;
    }
    if (exchange.outcome) break;
    exchange.changed.expires_after(kHeartbeat);
    auto [timer_error] = co_await exchange.changed.async_wait(as_result);
    if (!timer_error) exchange.comment("working");
  }
  const Answer& outcome = *exchange.outcome;
  if (!outcome) {
    // After the first byte an error is an event; the missing [DONE] says that the answer is not
    // whole.
    exchange.push(openai::error_reply(outcome.error()).body);
  } else {
    bool is_chat = exchange.form == Form::chat;
    exchange.push(is_chat ? openai::chat_last_chunk(exchange.head, outcome->finish_reason)
                          : openai::text_last_chunk(exchange.head, outcome->finish_reason));
    if (exchange.asked.include_usage)
      exchange.push(openai::usage_chunk(exchange.head, is_chat, outcome->usage, outcome->timings));
    exchange.pending += "data: [DONE]\n\n";
  }
  if (auto written = co_await responder.write(std::move(exchange.pending)); !written) throw gone();
  (void)co_await responder.end();
}

Task<> OpenAiHandlers::list_models(HttpRequest, HttpResponder& responder) {
  json::Array data;
  std::set<std::string> seen;
  std::vector<engine::EngineClient::LoadedModel> loaded = engine_.loaded();
  auto context_of = [&](const router::Target& target) -> uint64_t {
    for (const auto& model : loaded)
      if (model.model == target.model) return model.facts.n_context;
    for (const auto& model : catalog_.stored())
      if (model.name == target.model) return model.n_context_train;
    return target.n_context;
  };
  auto add = [&](const std::string& id, std::string_view owner, uint64_t n_context) {
    if (id.empty() || !seen.insert(id).second) return;
    json::Object row{{"id", id}, {"object", "model"}, {"created", 0}, {"owned_by", owner}};
    if (n_context) {
      row["context_length"] = n_context;
      row["max_model_len"] = n_context;
    }
    data.push_back(std::move(row));
  };
  auto policy = catalog_.policy();
  uint64_t widest = 0;
  for (const router::Target& target : policy->targets)
    widest = std::max(widest, context_of(target));
  add("auto", "hearth", widest);
  for (const router::Target& target : policy->targets) {
    bool is_engine = target.kind == router::TargetKind::engine;
    std::string_view owner = is_engine ? "hearth" : std::string_view(target.provider);
    add(target.name, owner, context_of(target));
    add(target.model, owner, context_of(target));
  }
  json::Object body{{"object", "list"}, {"data", std::move(data)}};
  std::string text = boost::json::serialize(body);
  (void)co_await responder.respond(200, "application/json", std::move(text));
}

}  // namespace hearth
