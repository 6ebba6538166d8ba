// A blocking client of the daemon's native protocol, for the command line: JSON-RPC over WebSocket
// on the Unix socket. One thread; not for the daemon itself.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/discovery.h"
#include "support/json.h"
#include "support/result.h"

namespace hearth::cli {

class RpcClient {
 public:
  // Connects and introduces itself. An error says how to start a daemon, or that CLI and daemon
  // are of different versions and cannot talk.
  static Result<RpcClient> connect(const transport::Discovery& daemon);
  RpcClient(RpcClient&&) noexcept;
  RpcClient& operator=(RpcClient&&) noexcept;
  ~RpcClient();

  // One call; notifications that arrive meanwhile are kept for next(). Errors of the daemon come
  // back with their message.
  Result<json::Document> call(std::string_view method, const json::Value& params);
  template <class Reply, class Params>
  Result<Reply> call(std::string_view method, const Params& params) {
    auto reply = call(method, json::to_value(params));
    if (!reply) return reply.error();
    return json::decode<Reply>(reply->root()["result"].value(), "result");
  }

  // Sends a call without waiting; its reply is dropped when it comes.
  Result<> send(std::string_view method, const json::Value& params);

  // The next notification (its text). Errc::cancelled when `interrupted` returned false.
  Result<std::string> next();

  // Called on SIGINT while waiting; returning false ends the wait with Errc::cancelled.
  void on_interrupt(std::function<bool()> interrupted);

  const std::string& daemon_version() const;

 private:
  struct State;
  explicit RpcClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth::cli
