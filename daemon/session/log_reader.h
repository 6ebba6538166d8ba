// The event log's reading side: one read-only connection, used from one worker thread.
//
// It never blocks the writer (WAL), sees only what is committed, and is opened before the first
// write and closed after the last: see storage/writer.h for why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "session/log_writer.h"

namespace hearth::session {

struct EventRange {
  std::string session;
  uint64_t after = 0;
  uint64_t through = UINT64_MAX >> 1;
  size_t max_bytes = SIZE_MAX;  // of data; more is refused with over_budget
};

class LogReader {
 public:
  static Result<LogReader> open(const std::string& path, const std::string& vfs);

  Result<uint64_t> epoch();
  Result<std::vector<LoggedEvent>> events(const EventRange& range);
  Result<std::optional<protocol::SessionInfo>> session(const std::string& id);
  Result<protocol::SessionPage> page(const protocol::SessionList& query);
  // Sessions whose last turn has not ended.
  Result<std::vector<std::string>> unfinished();

 private:
  explicit LogReader(storage::Database database) : database_(std::move(database)) {}
  storage::Database database_;
};

}  // namespace hearth::session
