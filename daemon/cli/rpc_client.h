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
#include "support/path.h"
#include "support/result.h"

namespace hearth::cli {

// The running daemon, as daemon.json names it. Errc::not_found says how to start one.
Result<transport::Discovery> find_daemon(const path::Folders& folders);

// What to tell a user whose command and daemon are of different versions or commits; empty: they
// are the same.
std::string version_note(const transport::Discovery& daemon);

class RpcClient {
 public:
  // Connects and introduces itself. Errc::not_found: no daemon is there (daemon.json may have
  // outlived it); the message says how to start one. Errc::timeout: it does not answer within
  // seconds; the message says how to end it.
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

  // Called on SIGINT while waiting; returning false ends the wait with Errc::cancelled. Without one
  // SIGINT ends the program.
  void on_interrupt(std::function<bool()> interrupted);
  void forget_interrupt();

 private:
  struct State;
  explicit RpcClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// find_daemon() and connect(), with a note on stderr when the versions differ.
Result<RpcClient> connect_to_daemon(const path::Folders& folders);

}  // namespace hearth::cli
