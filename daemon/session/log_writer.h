// The event log's one writer: a thread that turns whatever is queued into one transaction.
//
// Group commit: a batch is everything that was queued while the commit before it ran, so the cost
// of an fsync (about 0.2 ms on an SSD, 10 ms on a disk) is shared by all who wait for it, and an
// idle log answers after a single one.
//
// When a commit fails (disk full, I/O error) nothing in the batch is acknowledged: those who wait
// get the error and their events are withdrawn; events that nobody waits for are kept and go into
// the next transaction that succeeds, so that the log stays a prefix of what was seen. Every later
// batch tries again, and while events are kept so does a timer: recording resumes by itself when
// space is back.
//
// A failed fsync is never taken for a success later. The kernel may have dropped the pages while
// calling them clean, so the frames of a failed commit must be written again, not synced again:
// SQLite leaves them beyond the end that its shared index records, and the next transaction
// overwrites them. That index lives as long as any connection is open, which is why the connection
// is reopened (cold page cache) while the reader's stays. The same holds for a checkpoint whose
// sync failed: what the disk then lost of the log may lie below frames still to come, so the log is
// emptied into the database before anything more is acknowledged.
//
// The queue, and what is kept, are bounded by what running turns produce: no new turn starts
// without the disk.
//
// Own synchronisation: queue() from any thread. Owned by Store.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/protocol/session.h"
#include "session/sqlite.h"
#include "support/result.h"

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

class LogWriter {
 public:
  using Done = std::function<void(Result<>)>;  // called on the writer's thread

  struct Write {
    Append append;
    Done done;              // empty: nobody waits
    bool is_purge = false;  // of append.session: rows, free pages, log file, backups
  };

  // The log's file is copied into the database when it has grown beyond this.
  static constexpr uint64_t kCheckpointBytes = 4u << 20;

  // Takes over a connection from open_log.
  LogWriter(Database database, std::string path, std::string vfs,
            uint64_t checkpoint_bytes = kCheckpointBytes);
  ~LogWriter();  // writes what is queued, then ends
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void queue(Write write);

  uint64_t size_bytes() const { return size_bytes_; }  // of database and log, after the last commit
  std::optional<Error> failure() const;                // why the last commit failed

 private:
  using Batch = std::vector<Write>;
  struct Statements {
    Statement put_event, put_session, drop_deltas, drop_event, purge_events, purge_session;
  };

  void run();
  void process(Batch batch);
  void record(Batch batch);
  Result<> commit(const Batch& batch);
  Result<> put(const Append& append);
  Result<> purge(const std::string& session);
  Result<> reopen();
  Result<> prepare();
  void keep(Batch& batch);
  void measure();

  const std::string path_;
  const std::string vfs_;
  const uint64_t checkpoint_bytes_;

  std::atomic<uint64_t> size_bytes_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Batch queue_;                   // guarded by mutex_
  bool is_closing_ = false;       // guarded by mutex_
  std::optional<Error> failure_;  // guarded by mutex_

  // The writer thread's own.
  std::optional<Database> database_;
  std::optional<Statements> statements_;
  Batch kept_;                                               // of failed commits
  std::vector<std::pair<std::string, uint64_t>> withdrawn_;  // (session, seq) reported as failed
  bool is_log_suspect_ = false;                              // a checkpoint failed

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace hearth::session
