#include "net/ws_connection.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "jsonrpc/message.h"
#include "support/log.h"
#include "support/task_group.h"

namespace hearth::transport {

namespace {

using Text = std::shared_ptr<const std::string>;

class RpcConnection final : public EventSink {
 public:
  RpcConnection(const jsonrpc::Dispatcher& dispatcher, const RpcOptions& options,
                uint64_t client_id, WebSocket& socket, net::any_io_executor executor)
      : dispatcher_(dispatcher),
        options_(options),
        client_id_(client_id),
        socket_(socket),
        queued_(executor, net::steady_timer::time_point::max()),
        has_room_(executor, net::steady_timer::time_point::max()),
        tasks_(executor) {}

  Task<> run();

  void send(Text text) override;
  size_t queued_bytes() const override { return stream_bytes_; }
  void when_drained(std::function<void()> callback) override;
  bool wants(std::string_view kind) const override { return !opted_out_.contains(kind); }
  uint64_t client_id() const override { return client_id_; }

 private:
  void hear(std::string_view text);
  void hear_request(jsonrpc::Message message);
  void hear_notification(jsonrpc::Message message);
  void initialize(const jsonrpc::Message& message);
  void cancel_request(const jsonrpc::Message& message);

  Task<Result<std::string>> call(const jsonrpc::Message& message);
  Task<> run_request(jsonrpc::Message message);
  Task<> run_notification(jsonrpc::Message message);

  void answer(std::string text);
  Task<> write_queues();
  Task<> wait_for_room();
  void tell_drained();

  const jsonrpc::Dispatcher& dispatcher_;
  const RpcOptions& options_;
  const uint64_t client_id_;
  WebSocket& socket_;

  bool is_initialized_ = false;
  bool is_over_ = false;
  std::set<std::string> in_flight_;  // ids, as JSON text
  std::list<Text> control_;          // lists: an empty deque holds half a kilobyte
  std::list<Text> stream_;
  size_t stream_bytes_ = 0;
  size_t largest_text_ = 0;  // in stream_ since it was empty
  std::vector<std::function<void()>> on_drained_;
  std::set<std::string, std::less<>> opted_out_;  // kinds of events
  net::steady_timer queued_;    // never expires; cancelled when there is something to write
  net::steady_timer has_room_;  // the same, when the control queue has shrunk
  TaskGroup tasks_;
};

Task<> RpcConnection::run() {
  socket_.close_after([this] { return !control_.empty() || !stream_.empty(); });
  tasks_.spawn("writer", write_queues());
  for (;;) {
    co_await wait_for_room();
    auto text = co_await socket_.receive();
    if (!text) break;
    hear(*text);
  }
  is_over_ = true;
  socket_.close_after(nullptr);
  tasks_.cancel();
  co_await tasks_.join();
  if (options_.on_client_gone) options_.on_client_gone(client_id_);
}

void RpcConnection::hear(std::string_view text) {
  auto read = jsonrpc::read_message(text);
  if (auto* bad = std::get_if<jsonrpc::BadMessage>(&read))
    return answer(jsonrpc::error_text(bad->id, bad->code, bad->message));
  auto& message = std::get<jsonrpc::Message>(read);
  if (message.is_notification())
    hear_notification(std::move(message));
  else
    hear_request(std::move(message));
}

void RpcConnection::hear_request(jsonrpc::Message message) {
  const std::string& id = message.id;
  if (!is_initialized_) {
    if (message.method == "initialize") return initialize(message);
    return answer(jsonrpc::error_text(id, jsonrpc::kNotInitialized,
                                      "the first request must be \"initialize\""));
  }
  if (!dispatcher_.has(message.method))
    return answer(jsonrpc::error_text(id, jsonrpc::kMethodNotFound,
                                      fmt::format("unknown method \"{}\"", message.method)));
  // Not under the id, which belongs to the request that runs.
  if (in_flight_.contains(id))
    return answer(jsonrpc::error_text("null", jsonrpc::kInvalidRequest,
                                      fmt::format("id {} is in use by a running request", id)));
  if (in_flight_.size() + control_.size() >= options_.max_in_flight) {
    Error busy{Errc::busy,
               fmt::format("{} requests are unanswered, at most {} may be",
                           in_flight_.size() + control_.size(), options_.max_in_flight)};
    return answer(jsonrpc::error_text(id, busy, options_.retry_after.count()));
  }
  in_flight_.insert(id);
  std::string name = id;  // what cancel_request() looks for
  tasks_.spawn(std::move(name), run_request(std::move(message)));
}

void RpcConnection::hear_notification(jsonrpc::Message message) {
  if (message.method == "$/cancelRequest") return cancel_request(message);
  // Nobody waits for these: they count against the same limit, but all that can be done is a log
  // line.
  bool is_welcome =
      is_initialized_ && dispatcher_.has(message.method) && tasks_.size() <= options_.max_in_flight;
  if (!is_welcome) return log::debug("notification ignored", {{"method", message.method}});
  tasks_.spawn("notification", run_notification(std::move(message)));
}

void RpcConnection::initialize(const jsonrpc::Message& message) {
  auto params = json::decode<protocol::Initialize>(message.params);
  if (!params) return answer(jsonrpc::error_text(message.id, params.error()));
  if (params->protocol < protocol::kOldestProtocol ||
      params->protocol > protocol::kNewestProtocol) {
    Error unknown{
        Errc::invalid,
        fmt::format("params.protocol: {} is not spoken here, expected {} to {}; update {}",
                    params->protocol, protocol::kOldestProtocol, protocol::kNewestProtocol,
                    params->protocol > protocol::kNewestProtocol ? "Hearth" : "the client")};
    return answer(jsonrpc::error_text(message.id, unknown));
  }
  protocol::Initialized reply;
  reply.server = {options_.server_name, options_.server_version};
  reply.protocol = params->protocol;
  reply.epoch = options_.epoch;
  reply.heartbeat_ms = options_.heartbeat.count();
  reply.dead_ms = options_.dead_after.count();
  reply.max_message_bytes = static_cast<int64_t>(options_.max_message_bytes);
  reply.methods = dispatcher_.methods();
  is_initialized_ = true;
  opted_out_.insert(params->opt_out.begin(), params->opt_out.end());
  log::info(
      "client connected",
      {{"client", client_id_}, {"name", params->client.name}, {"version", params->client.version}});
  answer(jsonrpc::result_text(message.id, json::encode(reply)));
  if (!options_.on_initialized) return;
  Task<> task = options_.on_initialized(*this, std::move(*params));
  tasks_.spawn("initialized", std::move(task));
}

// Idempotent: a request that has ended, or never was, is not there to be cancelled. Only this
// connection's own requests are looked at.
void RpcConnection::cancel_request(const jsonrpc::Message& message) {
  json::Element id;
  if (message.params["id"].get(id)) return;
  if (auto name = jsonrpc::id_text(id); name && in_flight_.contains(*name))
    tasks_.cancel_named(*name);
}

// The one place where a request's failure becomes an Error, however it failed.
Task<Result<std::string>> RpcConnection::call(const jsonrpc::Message& message) {
  Result<std::string> reply =
      Error{Errc::internal, "the request failed inside the daemon; see its log"};
  try {
    jsonrpc::Call from{*this};
    reply = co_await dispatcher_.call(from, message.method, message.params);
  } catch (const boost::system::system_error& error) {
    if (error.code() != net::error::operation_aborted)
      log::error("request failed", {{"method", message.method}, {"error", error.what()}});
  } catch (const std::exception& error) {
    log::error("request failed", {{"method", message.method}, {"error", error.what()}});
  }
  auto state = co_await net::this_coro::cancellation_state;
  if (!reply && state.cancelled() != net::cancellation_type::none)
    reply = Error{Errc::cancelled, "cancelled"};
  co_return reply;
}

Task<> RpcConnection::run_request(jsonrpc::Message message) {
  auto reply = co_await call(message);
  in_flight_.erase(message.id);
  answer(reply ? jsonrpc::result_text(message.id, *reply)
               : jsonrpc::error_text(message.id, reply.error()));
}

Task<> RpcConnection::run_notification(jsonrpc::Message message) {
  auto reply = co_await call(message);
  if (!reply)
    log::debug("notification failed",
               {{"method", message.method}, {"error", reply.error().message}});
}

void RpcConnection::answer(std::string text) {
  if (is_over_) return;
  control_.push_back(std::make_shared<const std::string>(std::move(text)));
  queued_.cancel();
}

void RpcConnection::send(Text text) {
  if (is_over_) return;
  stream_bytes_ += text->size();
  largest_text_ = std::max(largest_text_, text->size());
  stream_.push_back(std::move(text));
  queued_.cancel();
  // A single text may have any size (the snapshot of a long session); a pile of them may not.
  if (stream_bytes_ > options_.max_stream_bytes + largest_text_)
    socket_.close(kCloseTryAgain, "events were not read");
}

void RpcConnection::when_drained(std::function<void()> callback) {
  if (stream_bytes_ == 0) return callback();
  on_drained_.push_back(std::move(callback));
}

Task<> RpcConnection::write_queues() {
  for (;;) {
    while (control_.empty() && stream_.empty()) co_await queued_.async_wait(as_result);
    bool is_control = !control_.empty();
    Text text = is_control ? control_.front() : stream_.front();
    auto sent = co_await socket_.send(text);
    if (!sent) break;
    if (is_control) {
      control_.pop_front();
      has_room_.cancel();
    } else {
      stream_.pop_front();
      stream_bytes_ -= text->size();
      if (stream_.empty()) {
        largest_text_ = 0;
        tell_drained();
      }
    }
  }
  is_over_ = true;  // nothing can be answered any more; receive() will say so too
  has_room_.cancel();
}

// Answers that are not read would pile up without end: who does not listen is not listened to.
Task<> RpcConnection::wait_for_room() {
  while (control_.size() > 2 * options_.max_in_flight && !is_over_)
    co_await has_room_.async_wait(as_result);
}

void RpcConnection::tell_drained() {
  for (auto& callback : std::exchange(on_drained_, {})) callback();
}

Task<Result<protocol::Pong>> ping(jsonrpc::Call, protocol::Ping) { co_return protocol::Pong{}; }

// Reached by a second `initialize` only: the connection answers the first by itself.
Task<Result<protocol::Initialized>> initialize_again(jsonrpc::Call, protocol::Initialize) {
  co_return Error{Errc::invalid, "the connection is initialized already"};
}

}  // namespace

void bind_life_methods(jsonrpc::Dispatcher& dispatcher) {
  dispatcher.bind<protocol::Initialize, protocol::Initialized>("initialize", initialize_again);
  dispatcher.bind<protocol::Ping, protocol::Pong>("ping", ping);
}

Task<> serve_rpc(const jsonrpc::Dispatcher& dispatcher, const RpcOptions& options,
                 HttpRequest request, WebSocket& socket) {
  net::any_io_executor executor = co_await net::this_coro::executor;
  RpcConnection connection(dispatcher, options, request.client_id, socket, executor);
  request = HttpRequest();  // its headers are not needed for the days to come
  co_await connection.run();
}

}  // namespace hearth::transport
