#include "session/log_writer.h"

#include <chrono>
#include <filesystem>

#include "session/schema.h"
#include "support/json.h"
#include "support/log.h"

namespace hearth::session {

namespace fs = std::filesystem;

namespace {

constexpr auto kRetryAfter = std::chrono::seconds(1);

uint64_t size_of(const std::string& path) {
  std::error_code failed;
  uintmax_t size = fs::file_size(path, failed);
  return failed ? 0 : size;
}

}  // namespace

LogWriter::LogWriter(Database database, std::string path, std::string vfs,
                     uint64_t checkpoint_bytes)
    : path_(std::move(path)),
      vfs_(std::move(vfs)),
      checkpoint_bytes_(checkpoint_bytes),
      database_(std::move(database)) {
  measure();
  thread_ = std::thread([this] { run(); });
}

LogWriter::~LogWriter() {
  {
    std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LogWriter::queue(Write write) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(write));
  }
  wake_.notify_one();
}

std::optional<Error> LogWriter::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void LogWriter::run() {
  for (;;) {
    Batch batch;
    {
      std::unique_lock lock(mutex_);
      auto has_work = [this] { return !queue_.empty() || is_closing_; };
      if (kept_.empty() && withdrawn_.empty()) {
        wake_.wait(lock, has_work);
      } else {
        wake_.wait_for(lock, kRetryAfter, has_work);
      }
      batch.swap(queue_);
      if (batch.empty() && is_closing_) break;
    }
    process(std::move(batch));
  }
  // Leaves one whole file, and nothing for the next start to recover. The connection that closes
  // last is the reader's, which cannot do it.
  if (database_ && !failure()) (void)database_->checkpoint(true);
}

// A purge stands between the appends before and after it.
void LogWriter::process(Batch batch) {
  Batch appends;
  for (Write& write : batch) {
    if (!write.is_purge) {
      appends.push_back(std::move(write));
      continue;
    }
    record(std::exchange(appends, {}));
    write.done(purge(write.append.session));
  }
  record(std::move(appends));
  measure();
}

void LogWriter::record(Batch batch) {
  if (batch.empty() && kept_.empty() && withdrawn_.empty()) return;
  Result<> outcome = commit(batch);
  if (!outcome) {
    if (outcome.error().code == Errc::corrupt) ask_for_check(path_);
    outcome = Error{outcome.error().code, "nothing was recorded: " + outcome.error().message};
  }
  {
    std::lock_guard lock(mutex_);
    if (outcome && failure_) log::info("sessions are recorded again");
    if (!outcome && !failure_)
      log::error("sessions cannot be recorded", {{"reason", outcome.error().message}});
    failure_ = outcome ? std::nullopt : std::optional(outcome.error());
  }
  if (!outcome) keep(batch);
  for (Write& write : batch)
    if (write.done) write.done(outcome);
  // Nobody waits any more. A failure here loses nothing: the log keeps what it holds.
  if (outcome && size_of(path_ + "-wal") > checkpoint_bytes_)
    if (auto copied = database_->checkpoint(false); !copied) {
      log::warn("sessions checkpoint failed", {{"reason", copied.error().message}});
      is_log_suspect_ = true;
    }
}

// What was reported as failed must not appear later, and what nobody waits for must not be lost.
void LogWriter::keep(Batch& batch) {
  for (Write& write : batch) {
    if (write.done) {
      for (const LoggedEvent& event : write.append.events)
        withdrawn_.emplace_back(write.append.session, event.seq);
      continue;
    }
    kept_.push_back(std::move(write));
  }
  std::erase_if(batch, [](const Write& write) { return !write.done; });
}

Result<> LogWriter::commit(const Batch& batch) {
  if (failure() || !database_)
    if (auto open = reopen(); !open) return open;
  if (!statements_)
    if (auto ready = prepare(); !ready) return ready;
  if (is_log_suspect_)
    if (auto emptied = database_->checkpoint(true); !emptied) return emptied;
  is_log_suspect_ = false;
  if (auto begun = database_->run("BEGIN IMMEDIATE"); !begun) return begun;
  Result<> outcome;
  for (const auto& [session, seq] : withdrawn_) {
    Statement& drop = statements_->drop_event;
    drop.bind(1, session);
    drop.bind(2, static_cast<int64_t>(seq));
    if (outcome) outcome = drop.run();
  }
  for (const Batch* writes : {&std::as_const(kept_), &batch})
    for (const Write& write : *writes)
      if (outcome) outcome = put(write.append);
  if (outcome) outcome = database_->run("COMMIT");
  if (!outcome) {
    // The log may have rolled back by itself already; then this says so and changes nothing.
    (void)database_->run("ROLLBACK");
    return outcome;
  }
  kept_.clear();
  withdrawn_.clear();
  return {};
}

Result<> LogWriter::put(const Append& append) {
  if (append.drops_deltas_from) {
    Statement& drop = statements_->drop_deltas;
    drop.bind(1, append.session);
    drop.bind(2, static_cast<int64_t>(append.drops_deltas_from));
    if (auto done = drop.run(); !done) return done;
  }
  for (const LoggedEvent& event : append.events) {
    Statement& put = statements_->put_event;
    put.bind(1, append.session);
    put.bind(2, static_cast<int64_t>(event.seq));
    event.first ? put.bind(3, static_cast<int64_t>(event.first)) : put.bind_null(3);
    put.bind(4, event.t_ms);
    put.bind(5, event.kind);
    put.bind(6, static_cast<int64_t>(event.version));
    put.bind(7, event.data);
    if (auto done = put.run(); !done) return done;
  }
  if (!append.info) return {};
  const protocol::SessionInfo& info = *append.info;
  std::string labels = json::encode(info.labels);
  Statement& put = statements_->put_session;
  put.bind(1, info.id);
  put.bind(2, info.title);
  put.bind(3, info.cwd);
  put.bind(4, labels);
  put.bind(5, info.created_ms);
  put.bind(6, info.updated_ms);
  put.bind(7, enum_name(info.state));
  put.bind(8, static_cast<int64_t>(info.seq));
  return put.run();
}

// Deleted rows are overwritten (secure_delete); free pages, the log file and the copies made before
// an upgrade remain. A failure leaves nothing half-known: the same purge may be asked for again.
Result<> LogWriter::purge(const std::string& session) {
  if (auto ready = commit({}); !ready) return ready;  // what was kept, and a sound connection
  if (auto begun = database_->run("BEGIN IMMEDIATE"); !begun) return begun;
  Result<> outcome;
  for (Statement* purge : {&statements_->purge_events, &statements_->purge_session}) {
    purge->bind(1, session);
    if (outcome) outcome = purge->run();
  }
  if (outcome) outcome = database_->run("COMMIT; PRAGMA incremental_vacuum");
  if (!outcome) {
    (void)database_->run("ROLLBACK");
    return outcome;
  }
  if (auto emptied = database_->checkpoint(true); !emptied) return emptied;
  for (const std::string& copy : backups_of(path_)) {
    std::error_code failed;
    if (!fs::remove(copy, failed) && failed)
      return Error{Errc::io, "a backup still holds the session, remove it by hand: " + copy};
  }
  return {};
}

Result<> LogWriter::reopen() {
  statements_.reset();
  database_.reset();
  auto database = reopen_log(path_, vfs_);
  if (!database) return database.error();
  database_ = std::move(*database);
  return {};
}

Result<> LogWriter::prepare() {
  auto put_event = database_->prepare("INSERT OR REPLACE INTO events VALUES(?1,?2,?3,?4,?5,?6,?7)");
  auto put_session =
      database_->prepare("INSERT OR REPLACE INTO sessions VALUES(?1,?2,?3,?4,?5,?6,?7,?8)");
  auto drop_deltas =
      database_->prepare("DELETE FROM events WHERE session=?1 AND seq>=?2 AND first IS NOT NULL");
  auto drop_event = database_->prepare("DELETE FROM events WHERE session=?1 AND seq=?2");
  auto purge_events = database_->prepare("DELETE FROM events WHERE session=?1");
  auto purge_session = database_->prepare("DELETE FROM sessions WHERE id=?1");
  for (auto* statement :
       {&put_event, &put_session, &drop_deltas, &drop_event, &purge_events, &purge_session})
    if (!*statement) return statement->error();
  statements_ =
      Statements{std::move(*put_event),  std::move(*put_session),  std::move(*drop_deltas),
                 std::move(*drop_event), std::move(*purge_events), std::move(*purge_session)};
  return {};
}

void LogWriter::measure() { size_bytes_ = size_of(path_) + size_of(path_ + "-wal"); }

}  // namespace hearth::session
