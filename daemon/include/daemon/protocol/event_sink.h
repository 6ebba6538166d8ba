// Where a session's events go: one connected client. Implemented by the WebSocket connection,
// scripted in tests. Lives on the loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace hearth {

class EventSink {
 public:
  virtual ~EventSink() = default;

  // Queues one complete JSON-RPC notification. Never blocks; the text is shared between clients.
  virtual void send(std::shared_ptr<const std::string> text) = 0;

  // Bytes queued by send() and not yet written to the socket.
  virtual size_t queued_bytes() const = 0;

  // Calls back once, on the loop thread, when the queue has drained (at once when it is empty).
  virtual void when_drained(std::function<void()> callback) = 0;

  // False for kinds of events that the client opted out of: their seqs are missing from what it
  // gets, snapshots hold what they did.
  virtual bool wants(std::string_view kind) const = 0;

  // Unique for the life of the daemon.
  virtual uint64_t client_id() const = 0;
};

}  // namespace hearth
