#include "daemon/net/rpc_server.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace hearth::transport {

namespace {

struct Terms {
  int64_t a = 0;
  int64_t b = 0;
  static void fields(auto& self, auto&& field) {
    field("a", self.a);
    field("b", self.b);
  }
};

struct Sum {
  int64_t sum = 0;
  static void fields(auto& self, auto&& field) { field("sum", self.sum); }
};

struct Nothing {
  static void fields(auto&, auto&&) {}
};

struct Failure {
  Errc code = Errc::internal;
  static void fields(auto& self, auto&& field) { field("code", self.code); }
};

struct Events {
  int64_t count = 0;
  int64_t bytes = 0;
  static void fields(auto& self, auto&& field) {
    field("count", self.count);
    field("bytes", self.bytes);
  }
};

struct Queued {
  uint64_t bytes = 0;
  static void fields(auto& self, auto&& field) { field("bytes", self.bytes); }
};

Task<Result<Sum>> add(jsonrpc::Call, Terms terms) {
  Sum sum{terms.a + terms.b};
  co_return sum;
}

Task<Result<Nothing>> fail(jsonrpc::Call, Failure failure) {
  Error error{failure.code, "as you wish"};
  co_return error;
}

Task<Result<Nothing>> throw_up(jsonrpc::Call, Nothing) {
  throw std::runtime_error("a mistake");
  co_return Nothing{};
}

void send_events(EventSink& client, const Events& events) {
  for (int64_t i = 0; i < events.count; ++i)
    client.send(std::make_shared<const std::string>(
        R"({"jsonrpc":"2.0","method":"event","params":{"seq":)" + std::to_string(i) + R"(,"x":")" +
        std::string(static_cast<size_t>(events.bytes), 'x') + R"("}})"));
}

Task<Result<Queued>> emit(jsonrpc::Call call, Events events) {
  send_events(call.client, events);
  Queued queued{call.client.queued_bytes()};
  co_return queued;
}

// A large text, the given ones, and one more when the large one has left and others still wait:
// they are more than a socket takes at once, and less than the large one.
Task<Result<Queued>> emit_behind_a_large_one(jsonrpc::Call call, Events events) {
  constexpr int64_t kLarge = 16'000'000;
  send_events(call.client, {1, kLarge});
  send_events(call.client, events);
  auto executor = co_await net::this_coro::executor;
  while (call.client.queued_bytes() > size_t{kLarge})
    co_await net::post(executor, net::use_awaitable);
  Queued queued{call.client.queued_bytes()};
  send_events(call.client, {1, 1});
  co_return queued;
}

Task<Result<Nothing>> tell_when_drained(jsonrpc::Call call, Nothing) {
  net::steady_timer drained(co_await net::this_coro::executor,
                            net::steady_timer::time_point::max());
  bool is_drained = false;
  call.client.when_drained([&] {
    is_drained = true;
    drained.cancel();
  });
  if (!is_drained) co_await drained.async_wait(as_result);
  co_return Nothing{};
}

// Counts its end even when it ends by an exception.
struct CountedEnd {
  std::atomic<int>& n_ended;
  ~CountedEnd() { ++n_ended; }
};

Task<Result<Nothing>> wait_for_ever(std::atomic<int>& n_started, std::atomic<int>& n_ended) {
  CountedEnd end{n_ended};
  net::steady_timer never(co_await net::this_coro::executor, net::steady_timer::time_point::max());
  ++n_started;
  co_await never.async_wait(net::use_awaitable);
  co_return Nothing{};
}

}  // namespace

RpcServer::RpcServer(RpcOptions options, HttpOptions http) : options_(std::move(options)) {
  bind_life_methods(dispatcher_);
  dispatcher_.bind<Terms, Sum>("test/add", add);
  dispatcher_.bind<Failure, Nothing>("test/fail", fail);
  dispatcher_.bind<Nothing, Nothing>("test/throw", throw_up);
  dispatcher_.bind<Events, Queued>("test/emit", emit);
  dispatcher_.bind<Events, Queued>("test/emitBehindALargeOne", emit_behind_a_large_one);
  dispatcher_.bind<Nothing, Nothing>("test/drained", tell_when_drained);
  dispatcher_.bind<Nothing, Nothing>("test/wait", [this](jsonrpc::Call, Nothing) {
    return wait_for_ever(n_waits_started_, n_waits_ended_);
  });
  options_.on_client_gone = [this](uint64_t client) { gone_.push_back(client); };
  http_ = std::make_unique<TestServer>(
      [this](HttpServer& server) {
        server.websocket("/hearth", [this](HttpRequest request, WebSocket& socket) {
          return serve_rpc(dispatcher_, options_, std::move(request), socket);
        });
      },
      http);
}

std::vector<uint64_t> RpcServer::gone() {
  return http_->loop().call([this] { return gone_; });
}

RawClient RpcServer::connect_uninitialized() {
  RawClient client = http_->connect();
  EXPECT_EQ(client.upgrade("/hearth", http_->host(), http_->bearer()).status, 101);
  return client;
}

RawClient RpcServer::connect() {
  RawClient client = connect_uninitialized();
  client.send_text(
      R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"client":{"name":"test","version":"1"},"protocol":1}})");
  EXPECT_NE(client.read_text().find("\"result\""), std::string::npos);
  return client;
}

}  // namespace hearth::transport
