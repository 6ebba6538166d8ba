// One accepted WebSocket, as the protocols above see it: text messages in, text messages out.
// Framing, masks, UTF-8, size limits, pings and dead peers are settled below this line.
// Lives on the loop thread, as long as its handler runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "net/http_message.h"
#include "support/result.h"
#include "support/task.h"

namespace hearth::transport {

class WebSocket {
 public:
  virtual ~WebSocket() = default;

  // The next message. An error (Errc::cancelled) means the connection is over, whoever ended it.
  virtual Task<Result<std::string>> receive() = 0;

  // Returns when the kernel has taken the message. One send at a time.
  virtual Task<Result<>> send(std::shared_ptr<const std::string> text) = 0;

  // Says goodbye with a close code; receive() then ends. Idempotent, never waits.
  virtual void close(uint16_t code, std::string reason) = 0;

  // The goodbye comes after what the caller still has to send: it asks this before, and after each
  // send(), for as long as the peer is given to answer a goodbye.
  virtual void close_after(std::function<bool()> has_unsent) = 0;
};

// RFC 6455 section 7.4.1, those we send.
enum CloseCode : uint16_t {
  kCloseNormal = 1000,
  kCloseUnsupportedData = 1003,
  kClosePolicy = 1008,
  kCloseTooBig = 1009,
  kCloseRestart = 1012,
  kCloseTryAgain = 1013,
};

using WebSocketHandler = std::function<Task<>(HttpRequest, WebSocket&)>;

}  // namespace hearth::transport
