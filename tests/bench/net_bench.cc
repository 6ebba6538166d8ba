// JSON-RPC ping round trips per second over loopback WebSocket, server and clients in one process:
// the server on one thread, the clients (one message in flight each) on another.
//   net_bench [seconds]; goal: 35,000 /s at 64 connections on 2 cores (reliability.md, section 5)
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"
#include "net/ws_connection.h"
#include "support/log.h"
#include "support/raw_client.h"

using namespace hearth;
using namespace hearth::transport;
using hearth::testing::RawClient;
using Clock = std::chrono::steady_clock;

namespace {

// CPU time that a thread has used. Tells what a round trip costs on a machine that others use too.
double cpu_seconds(std::thread& thread) {
  clockid_t clock;
  timespec used{};
  if (::pthread_getcpuclockid(thread.native_handle(), &clock) == 0) ::clock_gettime(clock, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

RawClient connected(uint16_t port, const std::string& token) {
  RawClient client = RawClient::tcp(port);
  client.upgrade("/hearth", "127.0.0.1:" + std::to_string(port),
                 "Authorization: Bearer " + token + "\r\n");
  client.send_text(
      R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"client":{"name":"b","version":"1"},"protocol":1}})");
  client.read_text();
  return client;
}

void measure(std::thread& server, uint16_t port, const std::string& token, size_t n_connections,
             double seconds) {
  std::vector<RawClient> clients;
  for (size_t i = 0; i < n_connections; ++i) clients.push_back(connected(port, token));
  const std::string ping = R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{}})";
  std::vector<pollfd> polls;
  std::vector<Clock::time_point> sent(n_connections, Clock::now());
  for (RawClient& client : clients) {
    polls.push_back({client.fd(), POLLIN, 0});
    client.send_text(ping);
  }
  std::vector<double> micros;
  double cpu_before = cpu_seconds(server);
  auto start = Clock::now();
  auto end = start + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    ::poll(polls.data(), polls.size(), 1000);
    for (size_t i = 0; i < clients.size(); ++i) {
      if (!(polls[i].revents & POLLIN)) continue;
      clients[i].read_text();
      auto now = Clock::now();
      micros.push_back(std::chrono::duration<double, std::micro>(now - sent[i]).count());
      sent[i] = now;
      clients[i].send_text(ping);
    }
  }
  double server_micros = (cpu_seconds(server) - cpu_before) * 1e6;
  double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  std::ranges::sort(micros);
  double n_trips = static_cast<double>(micros.size());
  auto at = [&](double part) { return micros[static_cast<size_t>(part * (n_trips - 1))]; };
  std::printf("%4zu connections: %8.0f /s, p50 %6.0f us, p99 %6.0f us, server CPU %5.1f us each\n",
              n_connections, n_trips / elapsed, at(0.5), at(0.99), server_micros / n_trips);
}

// User memory that an idle client costs, the client's own few hundred bytes included.
void weigh(uint16_t port, const std::string& token, size_t n_connections) {
  std::vector<RawClient> clients;
  clients.reserve(n_connections);
  auto in_use = [] { return ::mallinfo2().uordblks; };
  size_t before = in_use();
  for (size_t i = 0; i < n_connections; ++i) clients.push_back(connected(port, token));
  std::printf("%4zu idle connections: %zu bytes each\n", n_connections,
              (in_use() - before) / n_connections);
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = argc > 1 ? std::atof(argv[1]) : 3;
  log::set_level(log::Level::error);
  std::string folder = std::filesystem::temp_directory_path() / "hearth-bench-XXXXXX";
  if (!::mkdtemp(folder.data())) return 1;
  auto token = Token::open(folder + "/token");
  if (!token) return 1;

  net::io_context context(1);
  Gate gate(*token, GateOptions{});
  HttpServer server(context.get_executor(), gate, HttpOptions{});
  jsonrpc::Dispatcher dispatcher;
  bind_life_methods(dispatcher);
  RpcOptions rpc;
  server.websocket("/hearth", [&](HttpRequest request, WebSocket& socket) {
    return serve_rpc(dispatcher, rpc, std::move(request), socket);
  });
  ListenOptions listen;
  listen.runtime_folder = folder + "/run";
  listen.port = 0;
  auto listener = Listener::open(context.get_executor(), listen);
  if (!listener) return 1;
  uint16_t port = listener->port();
  server.serve(std::move(*listener));
  std::thread loop([&] { context.run(); });

  for (size_t n_connections : {1, 64}) measure(loop, port, token->text(), n_connections, seconds);
  weigh(port, token->text(), 500);

  net::co_spawn(context, server.stop(std::chrono::milliseconds(100)), net::use_future).get();
  loop.join();
  std::filesystem::remove_all(folder);
}
