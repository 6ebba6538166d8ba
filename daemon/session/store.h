// The durable home of sessions: sessions.db (SQLite, WAL) in a folder, one daemon at a time.
//
//   auto appended = co_await store.append(append);   // on the disk, or an error and not there
//   store.append_later(append);                      // goes with the next commit
//
// Lives on the loop thread; a writer thread and a reading thread do the work, so that no disk
// access ever blocks the loop. Order is kept: what is appended first is committed first.
// Promise: what was acknowledged survives SIGKILL and power loss; what was reported as failed is
// not there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "daemon/protocol/session.h"
#include "session/log_reader.h"
#include "session/log_writer.h"
#include "support/file.h"
#include "support/result.h"
#include "support/task.h"

namespace hearth::session {

class Store {
 public:
  struct Options {
    std::string folder;                        // created with mode 0700
    std::string vfs;                           // SQLite's name of the file system; empty: default
    uint64_t quota_bytes = uint64_t{2} << 30;  // of database and log
  };

  // Errors: busy when another daemon holds the folder, unsupported for a newer schema or a network
  // file system. A damaged database is not an error: see set_aside().
  static Result<std::unique_ptr<Store>> open(net::any_io_executor loop, Options options);
  ~Store();  // commits what is queued
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Not cancellable: the answer comes when the disk has answered.
  Task<Result<>> append(Append append);
  void append_later(Append append);
  Task<Result<>> flush();  // everything appended before is on the disk

  // Removes every byte of a session. Nothing of it may be appended afterwards.
  Task<Result<>> purge(std::string session);

  Task<Result<std::vector<LoggedEvent>>> events(EventRange range);
  Task<Result<protocol::SessionInfo>> session(std::string id);  // or not_found
  Task<Result<protocol::SessionPage>> page(protocol::SessionList query);
  Task<Result<std::vector<std::string>>> unfinished();

  // over_budget once the quota is used up; the message names the way out.
  Result<> has_room() const;
  void set_quota(uint64_t bytes) { options_.quota_bytes = bytes; }
  std::optional<Error> failure() const { return writer_->failure(); }

  uint64_t epoch() const { return epoch_; }
  // Where a damaged database went when this one was opened; empty: there was none.
  const std::string& set_aside() const { return set_aside_; }
  std::vector<std::string> set_aside_files() const;

 private:
  Store(net::any_io_executor loop, Options options, file::Descriptor lock);

  // Runs a member of LogReader on the reading thread.
  template <class T, class... Args>
  Task<Result<T>> read(Result<T> (LogReader::*query)(const Args&...), Args... args);

  const net::any_io_executor loop_;
  Options options_;
  const std::string path_;
  uint64_t epoch_ = 0;     // constant after open
  std::string set_aside_;  // constant after open

  file::Descriptor lock_;
  std::optional<LogReader> reader_;  // the reading thread's
  net::thread_pool reading_{1};
  std::unique_ptr<storage::Writer> writer_;  // ends first: its last connection must not be the last
};

}  // namespace hearth::session
