// The life of a connection: the first exchange and the heartbeat.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/record.h"

namespace hearth::protocol {

// The range of protocol versions that this daemon speaks.
inline constexpr int64_t kOldestProtocol = 1;
inline constexpr int64_t kNewestProtocol = 1;

struct Program {
  std::string name;
  std::string version;  // may be left out
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field.or_default("version", self.version);
  }
};

// Whether a client means this epoch: initialize and daemon.json tell it as a string, events as a
// number, and either may be said back.
inline bool is_epoch(const RawJson& said, uint64_t epoch) {
  const std::string number = std::to_string(epoch);
  return said.text == number || said.text == '"' + number + '"';
}

// Where a client that comes back left off: the last seq it saw of each session.
struct Resume {
  RawJson epoch;  // that the cursors were taken in (is_epoch()); absent: the current one
  std::map<std::string, uint64_t> cursors;
  static void fields(auto& self, auto&& field) {
    field("epoch", self.epoch);
    field.or_default("cursors", self.cursors);
  }
};

// A client has to say its name, nothing else.
struct Initialize {
  Program client;
  int64_t protocol = kNewestProtocol;  // absent: the newest of the daemon, which its reply names
  RawJson capabilities;
  std::vector<std::string> opt_out;  // kinds of events that the client does not want
  std::optional<Resume> resume;
  static void fields(auto& self, auto&& field) {
    field("client", self.client);
    field.or_default("protocol", self.protocol);
    field("capabilities", self.capabilities);
    field("optOut", self.opt_out);
    field("resume", self.resume);
  }
};

struct Initialized {
  Program server;
  int64_t protocol = kNewestProtocol;
  std::string epoch;         // of the event log; another one than in Resume: cursors are void
  int64_t heartbeat_ms = 0;  // the daemon pings so often
  int64_t dead_ms = 0;       // and gives up a peer that was silent for so long
  int64_t max_message_bytes = 0;
  std::vector<std::string> methods;
  static void fields(auto& self, auto&& field) {
    field("server", self.server);
    field("protocol", self.protocol);
    field("epoch", self.epoch);
    field("heartbeatMs", self.heartbeat_ms);
    field("deadMs", self.dead_ms);
    field("maxMessageBytes", self.max_message_bytes);
    field("methods", self.methods);
  }
};

struct Ping {
  static void fields(auto&, auto&&) {}
};

struct Pong {
  static void fields(auto&, auto&&) {}
};

}  // namespace hearth::protocol
