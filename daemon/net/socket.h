// One socket type for loopback TCP and the Unix socket, so that everything above exists once.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <cstdint>
#include <string>

#include "support/task.h"

namespace hearth::transport {

using Socket = net::generic::stream_protocol::socket;

// Who is at the other end.
struct Peer {
  bool is_unix = false;
  uint16_t local_port = 0;  // of the TCP listener; 0 on the Unix socket
  std::string description;  // "tcp 127.0.0.1:51234" or "unix pid 4711", for logs
};

}  // namespace hearth::transport
