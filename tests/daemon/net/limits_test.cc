// Time and number limits, clients that leave, and the way to stop: reliability.md, rows N4, N11,
// D1. Deadlines are a few milliseconds where a test waits for one, and an hour where it must not
// come.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <vector>

#include "daemon/net/test_server.h"

namespace hearth::transport {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSoon{30};
constexpr milliseconds kNever{3'600'000};

HttpOptions patient() {
  HttpOptions options;
  options.head_deadline = kNever;
  options.body_deadline = kNever;
  options.idle_deadline = kNever;
  options.write_deadline = kNever;
  options.linger = kSoon;
  options.ws_ping_interval = kNever;
  options.ws_dead_after = kNever;
  return options;
}

Task<> say_yes(HttpRequest, HttpResponder& responder) {
  (void)co_await responder.respond(200, "text/plain", "yes");
}

void add_yes(HttpServer& server) { server.route("GET", "/yes", say_yes); }

TEST(Deadlines, ASlowHeadIsToldAndClosed) {
  HttpOptions options = patient();
  options.head_deadline = milliseconds(500);  // the deadline of the honest client, too
  TestServer server(add_yes, options);
  std::vector<RawClient> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(server.connect());
    slow.back().send("GET /yes HTTP/1.1\r\nHo");
  }
  EXPECT_EQ(server.exchange(server.request("GET", "/yes")).status, 200) << "others are served";
  for (RawClient& client : slow) {
    EXPECT_EQ(client.read_response().status, 408);
    EXPECT_TRUE(client.is_closed_by_peer());
  }
}

TEST(Deadlines, AHeadThatDripsDoesNotRestartTheClock) {
  HttpOptions options = patient();
  options.head_deadline = kSoon;
  options.max_head_bytes = 1 << 30;
  TestServer server(add_yes, options);
  RawClient client = server.connect();
  while (client.send("X")) {
  }
  EXPECT_TRUE(client.is_closed_by_peer());
}

TEST(Deadlines, AConnectionThatSaysNothingIsClosed) {
  HttpOptions options = patient();
  options.head_deadline = kSoon;
  TestServer server(add_yes, options);
  EXPECT_EQ(server.connect().read_response().status, 408);
}

TEST(Deadlines, ASlowBodyIsToldAndClosed) {
  HttpOptions options = patient();
  options.body_deadline = kSoon;
  TestServer server([](HttpServer& http) { http.route("POST", "/yes", say_yes); }, options);
  RawClient client = server.connect();
  client.send(server.request("POST", "/yes", "Content-Length: 10\r\n") + "half");
  EXPECT_EQ(client.read_response().status, 408);
  EXPECT_TRUE(client.is_closed_by_peer());
}

TEST(Deadlines, AnIdleConnectionIsClosedWithoutAWord) {
  HttpOptions options = patient();
  options.idle_deadline = kSoon;
  TestServer server(add_yes, options);
  RawClient client = server.connect();
  client.send(server.request("GET", "/yes"));
  EXPECT_EQ(client.read_response().status, 200);
  EXPECT_EQ(client.read_to_end(), "");
}

Task<> write_for_ever(HttpResponder& responder, std::promise<Errc>& outcome) {
  (void)responder.begin_stream(200, "text/plain");
  for (;;) {
    auto written = co_await responder.write(std::string(64 << 10, 'x'));
    if (written) continue;
    outcome.set_value(written.error().code);
    co_return;
  }
}

TEST(Deadlines, AClientThatTakesNothingIsCutOff) {
  HttpOptions options = patient();
  options.write_deadline = kSoon;
  std::promise<Errc> outcome;
  TestServer server(
      [&](HttpServer& http) {
        http.route("GET", "/flood", [&](HttpRequest, HttpResponder& responder) {
          return write_for_ever(responder, outcome);
        });
      },
      options);
  RawClient client = server.connect();
  client.send(server.request("GET", "/flood"));
  EXPECT_EQ(outcome.get_future().get(), Errc::cancelled);
}

// A handler that waits until it is cancelled, and says when it started and how it ended.
struct Waiting {
  std::promise<void> started;
  std::promise<bool> cancelled;
};

Task<> wait_for_cancel(Waiting& waiting) {
  net::steady_timer never(co_await net::this_coro::executor, net::steady_timer::time_point::max());
  waiting.started.set_value();
  auto [error] = co_await never.async_wait(as_result);
  waiting.cancelled.set_value(error == net::error::operation_aborted);
}

std::function<void(HttpServer&)> wait_route(Waiting& waiting) {
  return [&waiting](HttpServer& http) {
    http.route("GET", "/wait",
               [&waiting](HttpRequest, HttpResponder&) { return wait_for_cancel(waiting); });
  };
}

TEST(Disconnect, CancelsTheHandler) {
  Waiting waiting;
  TestServer server(wait_route(waiting), patient());
  RawClient client = server.connect();
  client.send(server.request("GET", "/wait"));
  waiting.started.get_future().get();
  client.close();
  EXPECT_TRUE(waiting.cancelled.get_future().get());
}

TEST(Disconnect, CancelsTheHandlerEvenBehindAPipelinedRequest) {
  Waiting waiting;
  TestServer server(wait_route(waiting), patient());
  RawClient client = server.connect();
  client.send(server.request("GET", "/wait") + server.request("GET", "/healthz"));
  waiting.started.get_future().get();
  client.close();
  EXPECT_TRUE(waiting.cancelled.get_future().get());
}

TEST(Disconnect, EndsTheConnection) {
  Waiting waiting;
  TestServer server(wait_route(waiting), patient());
  {
    RawClient client = server.connect();
    client.send(server.request("GET", "/wait"));
    waiting.started.get_future().get();
  }
  waiting.cancelled.get_future().get();
  server.stop(kNever);  // returns: nothing is left to wait for
  EXPECT_EQ(server.server().n_connections(), 0u);
}

TEST(Numbers, AboveTheLimitConnectionsAreTurnedAway) {
  HttpOptions options = patient();
  options.max_connections = 3;
  TestServer server(add_yes, options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    clients.back().send(server.request("GET", "/yes"));
    EXPECT_EQ(clients.back().read_response().status, 200);
  }
  RawClient fourth = server.connect();
  RawResponse response = fourth.read_response();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers["retry-after"], "1");
  EXPECT_TRUE(fourth.is_closed_by_peer());
  clients[0].send(server.request("GET", "/yes"));
  EXPECT_EQ(clients[0].read_response().status, 200) << "those who are in stay in";
}

#if !defined(HEARTH_SANITIZED)  // which opens a pipe to look at an object it has not seen before
// Gives the process a small number of descriptors and takes all of them but `n_free`.
class DescriptorShortage {
 public:
  explicit DescriptorShortage(size_t n_free) {
    ::getrlimit(RLIMIT_NOFILE, &old_);
    rlimit small = old_;
    small.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &small);
    for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) held_.emplace_back(fd);
    held_.resize(held_.size() - n_free);
  }
  ~DescriptorShortage() { ::setrlimit(RLIMIT_NOFILE, &old_); }

 private:
  rlimit old_{};
  std::vector<file::Descriptor> held_;
};

TEST(Numbers, OutOfDescriptorsItSaysSoAndGoesOnLater) {
  HttpOptions options = patient();
  options.accept_pause = milliseconds(1);
  TestServer server(add_yes, options);
  {
    DescriptorShortage shortage(1);  // one, for the client's end of the connection
    RawClient client = server.connect();
    EXPECT_EQ(client.read_response().status, 503);
  }
  EXPECT_EQ(server.exchange(server.request("GET", "/yes")).status, 200);
}
#endif

TEST(Stop, ClosesIdleConnectionsAtOnce) {
  TestServer server(add_yes, patient());
  RawClient fresh = server.connect();
  RawClient used = server.connect();
  used.send(server.request("GET", "/yes"));
  EXPECT_EQ(used.read_response().status, 200);
  server.stop(kNever);
  EXPECT_EQ(used.read_to_end(), "");
  EXPECT_LT(server.connect().fd(), 0) << "nobody listens any more";
}

// A handler that answers when it is told to.
struct Gatekeeper {
  std::promise<void> started;
  std::optional<net::steady_timer> gate;
};

Task<> answer_when_told(Gatekeeper& keeper, HttpResponder& responder) {
  keeper.gate.emplace(co_await net::this_coro::executor, net::steady_timer::time_point::max());
  keeper.started.set_value();
  co_await keeper.gate->async_wait(as_result);
  keeper.gate.reset();  // before the loop that it belongs to
  (void)co_await responder.respond(200, "text/plain", "finished");
}

TEST(Stop, LetsARequestFinish) {
  Gatekeeper keeper;
  TestServer server(
      [&](HttpServer& http) {
        http.route("GET", "/slow", [&](HttpRequest, HttpResponder& responder) {
          return answer_when_told(keeper, responder);
        });
      },
      patient());
  RawClient client = server.connect();
  client.send(server.request("GET", "/slow"));
  keeper.started.get_future().get();
  auto stopped =
      net::co_spawn(server.loop().executor(), server.server().stop(kNever), net::use_future);
  server.loop().call([&] { keeper.gate->cancel(); });
  RawResponse response = client.read_response();
  EXPECT_EQ(response.body, "finished");
  EXPECT_EQ(response.headers["connection"], "close");
  client.close();
  stopped.get();
}

TEST(Stop, CancelsWhatIsNotDoneInTime) {
  Waiting waiting;
  TestServer server(wait_route(waiting), patient());
  RawClient client = server.connect();
  client.send(server.request("GET", "/wait"));
  waiting.started.get_future().get();
  server.stop(milliseconds(1));
  EXPECT_TRUE(waiting.cancelled.get_future().get());
  EXPECT_TRUE(client.is_closed_by_peer());
}

TEST(Stop, MayBeAskedTwice) {
  TestServer server(add_yes, patient());
  server.stop();
  server.stop();
  EXPECT_EQ(server.server().n_connections(), 0u);
}

}  // namespace
}  // namespace hearth::transport
