// A server with /hearth and a few methods to try the connection by.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/net/test_server.h"
#include "net/ws_connection.h"

namespace hearth::transport {

class RpcServer {
 public:
  explicit RpcServer(RpcOptions options = {}, HttpOptions http = {});

  // A connection after the WebSocket handshake; initialized, unless said otherwise.
  RawClient connect();
  RawClient connect_uninitialized();

  TestServer& http() { return *http_; }
  // What on_client_gone reported, and how many test/wait calls have started and ended.
  std::vector<uint64_t> gone();
  int n_waits_started() const { return n_waits_started_; }
  int n_waits_ended() const { return n_waits_ended_; }

 private:
  jsonrpc::Dispatcher dispatcher_;
  RpcOptions options_;
  std::vector<uint64_t> gone_;
  std::atomic<int> n_waits_started_ = 0;
  std::atomic<int> n_waits_ended_ = 0;
  std::unique_ptr<TestServer> http_;  // last: its end ends the connections, which use the above
};

}  // namespace hearth::transport
