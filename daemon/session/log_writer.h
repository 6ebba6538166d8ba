// What the event log's writer (storage/writer.h) is given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/protocol/session.h"
#include "storage/writer.h"

namespace hearth::session {

struct LoggedEvent {
  uint64_t seq = 0;
  uint64_t first = 0;  // merged deltas: the first seq inside; 0 for all other events
  int64_t t_ms = 0;    // unix time
  std::string kind;
  int version = 1;
  std::string data;  // JSON
};

// One step of a session; applied wholly or not at all.
struct Append {
  std::string session;
  std::vector<LoggedEvent> events;
  std::optional<protocol::SessionInfo> info;  // its line in the list, as of these events
  uint64_t drops_deltas_from = 0;             // deletes merged deltas from this seq on; 0: none
};

storage::Writer::Write write_of(Append append);

// Rows, free pages, log file and backups of a session, of the log at `path`.
storage::Writer::Write purge_of(std::string session, std::string path);

}  // namespace hearth::session
