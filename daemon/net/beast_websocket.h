// The server end of a WebSocket (Boost.Beast). Everything but the handler's own reads and writes
// happens in its tasks: pings, the watch on dead and stuck peers, the closing handshake.
#pragma once

#include <chrono>
#include <memory>

#include "net/socket.h"
#include "net/websocket.h"

namespace hearth::transport {

struct WebSocketOptions {
  size_t max_message_bytes = 4u << 20;
  std::chrono::milliseconds handshake_deadline{10'000};
  std::chrono::milliseconds ping_interval{10'000};
  std::chrono::milliseconds dead_after{30'000};      // without a message or pong; seen at a ping
  std::chrono::milliseconds write_deadline{30'000};  // for one message; seen at a ping
  std::chrono::milliseconds close_deadline{1'000};   // for the peer to answer a goodbye
  int max_pings = 1000;                              // from the peer, between two of ours
};

class AcceptedWebSocket : public WebSocket {
 public:
  // Answers the upgrade request. An error: the peer has been told, or is gone.
  virtual Task<Result<>> accept(const HttpRequest& request) = 0;
  // Ends it now.
  virtual void cut() = 0;
  // After the handler: waits for the goodbye and for all tasks. Required before destruction.
  virtual Task<> finish() = 0;
};

std::unique_ptr<AcceptedWebSocket> make_websocket(Socket socket, WebSocketOptions options);

}  // namespace hearth::transport
