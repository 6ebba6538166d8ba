// The file by which editors and the command line find the running daemon: daemon.json in the
// runtime folder, owner-only, written whole and removed on exit.
#pragma once

#include <cstdint>
#include <string>

#include "support/result.h"

namespace hearth::transport {

struct Discovery {
  std::string url;     // http://127.0.0.1:48620
  std::string socket;  // path of the Unix socket
  std::string token;
  int64_t pid = 0;
  std::string epoch;  // of the event log
  std::string version;
  std::string commit;  // that it was built from

  static void fields(auto& self, auto&& field) {
    field("url", self.url);
    field("socket", self.socket);
    field("token", self.token);
    field("pid", self.pid);
    field("epoch", self.epoch);
    field("version", self.version);
    field.or_default("commit", self.commit);
  }
};

std::string discovery_path(const std::string& runtime_folder);

Result<> write_discovery(const std::string& path, const Discovery& daemon);

// For clients. Errc::not_found: no daemon has been started; Errc::denied: a file of someone else,
// or one that others can read, and so nothing to send a token by.
Result<Discovery> read_discovery(const std::string& path);

// Removes the file if it still names this process.
void remove_discovery(const std::string& path);

}  // namespace hearth::transport
