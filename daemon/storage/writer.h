// A database's one writer: a thread that turns whatever is queued into one transaction.
//
// Group commit: a batch is everything that was queued while the commit before it ran, so the cost
// of an fsync (about 0.2 ms on an SSD, 10 ms on a disk) is shared by all who wait for it, and an
// idle database answers after a single one.
//
// When a commit fails (disk full, I/O error) nothing in the batch is acknowledged: those who wait
// get the error and what they wrote is withdrawn; writes that nobody waits for are kept and go into
// the next transaction that succeeds, so that the file stays a prefix of what was seen. Every later
// batch tries again, and while writes are kept so does a timer: recording resumes by itself when
// space is back.
//
// A failed fsync is never taken for a success later. The kernel may have dropped the pages while
// calling them clean, so the frames of a failed commit must be written again, not synced again:
// SQLite leaves them beyond the end that its shared index records, and the next transaction
// overwrites them. That index lives as long as any connection is open, which is why the connection
// is reopened (cold page cache) while a reader's stays. The same holds for a checkpoint whose
// sync failed: what the disk then lost of the log may lie below frames still to come, so the log is
// emptied into the database before anything more is acknowledged.
//
// The queue, and what is kept, are bounded by those who write: they start nothing new while
// failure() is set.
//
// Own synchronisation: queue() from any thread. Dies before the last reader's connection.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "storage/sqlite.h"
#include "support/result.h"
#include "support/task.h"

namespace hearth::storage {

class Writer {
 public:
  using Work = std::function<Result<>(Database&)>;  // runs on the writer's thread
  using Done = std::function<void(Result<>)>;       // called on the writer's thread

  struct Write {
    Work work{};      // within a transaction; again, from the start, when a commit failed
    Work withdraw{};  // removes what was reported as failed, wherever it may have got to
    Done done{};      // empty: nobody waits
    // Outside of any transaction, after all that came before and before all that comes behind. Is
    // waited for, and not tried again.
    bool is_alone = false;
    // Nobody waits, and half a second's worth may go in one transaction.
    bool may_wait = false;
  };

  // The write-ahead log is copied into the database when it has grown beyond this.
  static constexpr uint64_t kCheckpointBytes = 4u << 20;

  // Takes over a connection from open_file. `subject`: for messages, "sessions".
  Writer(std::string subject, Database database, std::string path, std::string vfs,
         uint64_t checkpoint_bytes = kCheckpointBytes);
  ~Writer();  // writes what is queued, then ends
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void queue(Write write);

  // Returns when the disk has answered; not cancellable. `write.done` is taken.
  Task<Result<>> commit(net::any_io_executor loop, Write write);

  uint64_t size_bytes() const { return size_bytes_; }  // of database and log, after the last commit
  std::optional<Error> failure() const;                // why the last commit failed

 private:
  using Batch = std::vector<Write>;

  void run();
  void process(Batch batch);
  void record(Batch batch);
  Result<> write_out(const Batch& batch);
  Result<> reopen();
  void keep(Batch& batch);
  void measure();

  const std::string subject_;
  const std::string path_;
  const std::string vfs_;
  const uint64_t checkpoint_bytes_;

  std::atomic<uint64_t> size_bytes_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Batch queue_;                   // guarded by mutex_
  size_t n_urgent_ = 0;           // in queue_; guarded by mutex_
  bool is_closing_ = false;       // guarded by mutex_
  std::optional<Error> failure_;  // guarded by mutex_

  // The writer thread's own.
  std::optional<Database> database_;
  Batch kept_;                   // of failed commits
  std::vector<Work> withdrawn_;  // of what was reported as failed
  bool is_log_suspect_ = false;  // a checkpoint failed

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace hearth::storage
