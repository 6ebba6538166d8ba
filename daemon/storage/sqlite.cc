#include "storage/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstring>

namespace hearth::storage {

namespace {

constexpr int kBusyTimeoutMs = 5000;

// What the user can do about it, by SQLite's primary code.
Error failure_of(sqlite3* database) {
  const char* path = sqlite3_db_filename(database, nullptr);
  std::string where = path && *path ? path : "database";
  int code = sqlite3_extended_errcode(database);
  std::string what = fmt::format("{} ({})", sqlite3_errmsg(database), code);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {Errc::io,
              fmt::format("{}: the disk is full; free some space, then try again", where)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Errc::busy, fmt::format("{}: locked by another program: {}", where, what)};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return {Errc::corrupt, fmt::format("{}: damaged: {}", where, what)};
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return {Errc::io, fmt::format("{}: not writable: {}; check its owner and mode", where, what)};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: {
      int system = sqlite3_system_errno(database);
      std::string reason = system ? std::strerror(system) : what;
      return {Errc::io, fmt::format("{}: the disk failed: {}: {}", where, what, reason)};
    }
    default: return {Errc::internal, fmt::format("{}: {}", where, what)};
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Statement::bind(int index, int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
}

void Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL where an empty text is meant.
  const char* data = text.empty() ? "" : text.data();
  sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void Statement::bind_null(int index) { sqlite3_bind_null(statement_.get(), index); }

Result<bool> Statement::step() {
  int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failure_of(sqlite3_db_handle(statement_.get()));
}

Result<> Statement::run() {
  auto row = step();
  reset();
  if (!row) return row.error();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (!data) return {};
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Result<Database> Database::open(const std::string& path, Mode mode, const std::string& vfs) {
  int flags = SQLITE_OPEN_READWRITE;
  if (mode == Mode::read_only) flags = SQLITE_OPEN_READONLY;
  if (mode == Mode::create) flags |= SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (!handle) return Error{Errc::internal, "out of memory while opening " + path};
  Database database(handle);
  if (code != SQLITE_OK) return failure_of(handle);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return database;
}

Result<> Database::run(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return failure_of(database_.get());
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return failure_of(database_.get());
  return Statement(statement);
}

Result<Statement*> Database::cached(std::string_view sql) {
  auto found = cache_.find(sql);
  if (found == cache_.end()) {
    auto statement = prepare(sql);
    if (!statement) return statement.error();
    found = cache_.emplace(sql, std::move(*statement)).first;
  }
  found->second.reset();
  return &found->second;
}

Result<int64_t> Database::number(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return *row ? statement->integer(0) : 0;
}

Result<> Database::checkpoint(bool truncate) {
  int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  int code = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, mode, nullptr, nullptr);
  if (code != SQLITE_OK) return failure_of(database_.get());
  return {};
}

}  // namespace hearth::storage
