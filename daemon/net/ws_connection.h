// /hearth: JSON-RPC 2.0 over one WebSocket (no batches). Each request is a task of the connection,
// answers go out in the order they are ready, `$/cancelRequest {id}` cancels.
//
// Back-pressure: two queues. Control (answers) is never dropped and goes first; a client that does
// not read its answers is not read from either. Stream (events, EventSink::send) is watched by the
// sessions through queued_bytes(): they merge, then fall to snapshots; a stream that grows past
// max_stream_bytes in spite of that is closed, and so is, by the WebSocket below, a client that
// takes nothing for HttpOptions::write_deadline. Lives on the loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "daemon/protocol/life.h"
#include "jsonrpc/dispatcher.h"
#include "net/http_message.h"
#include "net/websocket.h"
#include "daemon/protocol/event_sink.h"
#include "support/task.h"

namespace hearth::transport {

struct RpcOptions {
  std::string server_name = "hearth";
  std::string server_version;
  std::string epoch;  // of the event log
  // Stated in initialize's result; give what HttpOptions says.
  std::chrono::milliseconds heartbeat{10'000};
  std::chrono::milliseconds dead_after{30'000};
  size_t max_message_bytes = 4u << 20;

  size_t max_in_flight = 64;  // requests running or answered but not yet sent; -32001 above
  size_t max_stream_bytes = 16u << 20;
  std::chrono::milliseconds retry_after{250};  // told with -32001

  // The client has introduced itself; its answer is queued. The place to resume subscriptions: a
  // task of the connection, which joins it before the sink dies.
  std::function<Task<>(EventSink&, protocol::Initialize)> on_initialized;
  // The client is gone and its requests have ended: forget the sink.
  std::function<void(uint64_t client_id)> on_client_gone;
};

// Binds `initialize` and `ping`, so that the table of methods is whole.
void bind_life_methods(jsonrpc::Dispatcher& dispatcher);

// Serves one client until it is gone: the handler for HttpServer::websocket("/hearth", ...).
Task<> serve_rpc(const jsonrpc::Dispatcher& dispatcher, const RpcOptions& options,
                 HttpRequest request, WebSocket& socket);

}  // namespace hearth::transport
