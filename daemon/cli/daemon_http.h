// The daemon's served wires, as any client has them: for commands that ask as a program would.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/discovery.h"
#include "outbound/http_client.h"
#include "support/result.h"

namespace hearth::cli {

struct DaemonReply {
  OutboundResponse head;
  std::string body;
};

// POSTs JSON to a path of the daemon and waits for the whole answer. A status of 400 and above is
// one, too. `headers` are lines ("name: value") beside those that the daemon needs.
Result<DaemonReply> post_to_daemon(const transport::Discovery& daemon, std::string_view path,
                                   std::string body, std::vector<std::string> headers = {});

}  // namespace hearth::cli
