#include "session/log_writer.h"

#include <filesystem>
#include <memory>

#include "storage/database_file.h"
#include "support/json.h"

namespace hearth::session {

namespace {

using storage::Database;

Result<> put_event(Database& database, const std::string& session, const LoggedEvent& event) {
  auto put = database.cached("INSERT OR REPLACE INTO events VALUES(?1,?2,?3,?4,?5,?6,?7)");
  if (!put) return put.error();
  storage::Statement& row = **put;
  row.bind(1, session);
  row.bind(2, static_cast<int64_t>(event.seq));
  event.first ? row.bind(3, static_cast<int64_t>(event.first)) : row.bind_null(3);
  row.bind(4, event.t_ms);
  row.bind(5, event.kind);
  row.bind(6, static_cast<int64_t>(event.version));
  row.bind(7, event.data);
  return row.run();
}

Result<> put_info(Database& database, const protocol::SessionInfo& info) {
  auto put = database.cached("INSERT OR REPLACE INTO sessions VALUES(?1,?2,?3,?4,?5,?6,?7,?8)");
  if (!put) return put.error();
  const std::string labels = json::encode(info.labels);
  storage::Statement& row = **put;
  row.bind(1, info.id);
  row.bind(2, info.title);
  row.bind(3, info.cwd);
  row.bind(4, labels);
  row.bind(5, info.created_ms);
  row.bind(6, info.updated_ms);
  row.bind(7, enum_name(info.state));
  row.bind(8, static_cast<int64_t>(info.seq));
  return row.run();
}

// Runs a statement on a session's events, from or at a seq.
Result<> drop(Database& database, std::string_view sql, const std::string& session, uint64_t seq) {
  auto statement = database.cached(sql);
  if (!statement) return statement.error();
  (*statement)->bind(1, session);
  (*statement)->bind(2, static_cast<int64_t>(seq));
  return (*statement)->run();
}

Result<> put(Database& database, const Append& append) {
  if (append.drops_deltas_from)
    if (auto done =
            drop(database, "DELETE FROM events WHERE session=?1 AND seq>=?2 AND first IS NOT NULL",
                 append.session, append.drops_deltas_from);
        !done)
      return done;
  for (const LoggedEvent& event : append.events)
    if (auto done = put_event(database, append.session, event); !done) return done;
  return append.info ? put_info(database, *append.info) : Result<>();
}

// Deleted rows are overwritten (secure_delete); free pages, the log file and the copies made before
// an upgrade remain. A failure leaves nothing half-known: the same purge may be asked for again.
Result<> purge(Database& database, const std::string& session, const std::string& path) {
  if (auto begun = database.run("BEGIN IMMEDIATE"); !begun) return begun;
  Result<> outcome;
  for (std::string_view sql :
       {"DELETE FROM events WHERE session=?1", "DELETE FROM sessions WHERE id=?1"}) {
    auto statement = database.cached(sql);
    if (!statement) outcome = statement.error();
    if (!outcome) break;
    (*statement)->bind(1, session);
    outcome = (*statement)->run();
  }
  if (outcome) outcome = database.run("COMMIT; PRAGMA incremental_vacuum");
  if (!outcome) {
    (void)database.run("ROLLBACK");
    return outcome;
  }
  if (auto emptied = database.checkpoint(true); !emptied) return emptied;
  for (const std::string& copy : storage::backups_of(path)) {
    std::error_code failed;
    if (!std::filesystem::remove(copy, failed) && failed)
      return Error{Errc::io, "a backup still holds the session, remove it by hand: " + copy};
  }
  return {};
}

}  // namespace

storage::Writer::Write write_of(Append append) {
  storage::Writer::Write write;
  auto shared = std::make_shared<const Append>(std::move(append));
  write.work = [shared](Database& database) { return put(database, *shared); };
  write.withdraw = [shared](Database& database) -> Result<> {
    for (const LoggedEvent& event : shared->events)
      if (auto done = drop(database, "DELETE FROM events WHERE session=?1 AND seq=?2",
                           shared->session, event.seq);
          !done)
        return done;
    return {};
  };
  return write;
}

storage::Writer::Write purge_of(std::string session, std::string path) {
  storage::Writer::Write write;
  write.is_alone = true;
  write.work = [session = std::move(session), path = std::move(path)](Database& database) {
    return purge(database, session, path);
  };
  return write;
}

}  // namespace hearth::session
