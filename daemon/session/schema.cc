#include "session/schema.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "support/file.h"
#include "support/log.h"

namespace hearth::session {

namespace fs = std::filesystem;

namespace {

// Files up to this size are read whole at every start (about 10 ms); larger ones when damage was
// met while running (ask_for_check).
constexpr uintmax_t kAlwaysCheckedBytes = 16u << 20;

// Events lie in the order in which they are read: by session, then seq. `first` is set on merged
// deltas only: the seq of the first one inside.
constexpr std::string_view kVersion1 = R"sql(
  CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES('epoch', random() & 0x1fffffffffffff);
  CREATE TABLE sessions(
    id TEXT PRIMARY KEY, title TEXT NOT NULL, cwd TEXT NOT NULL, labels TEXT NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL, state TEXT NOT NULL, seq INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX sessions_by_update ON sessions(updated, id);
  CREATE TABLE events(
    session TEXT NOT NULL, seq INTEGER NOT NULL, first INTEGER, t INTEGER NOT NULL,
    kind TEXT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY(session, seq)
  ) WITHOUT ROWID;
)sql";

constexpr std::string_view kMigrations[] = {kVersion1};

std::string check_mark(const std::string& path) { return path + ".check"; }

// FULL: a commit is on the disk when it returns. Never less: after a failed fsync, frames that an
// earlier commit left unsynced would be a hole below later, acknowledged ones.
// secure_delete: what is purged is overwritten. Checkpoints are the writer's, so that nobody waits
// for one and their errors are seen.
constexpr const char* kSettings =
    "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=0;"
    "PRAGMA journal_size_limit=16777216;";

Result<> sync_file(const std::string& path) {
  file::Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor || ::fsync(descriptor.get()) != 0) return file::io_error("sync", path, errno);
  return {};
}

std::string sql_text(const std::string& text) {
  std::string sql = "'";
  for (char c : text) sql += c == '\'' ? "''" : std::string(1, c);
  return sql + "'";
}

// A migration may be killed at any point: the backup appears whole by its rename.
Result<> back_up(Database& database, const std::string& path, int64_t version) {
  std::string target = fmt::format("{}.bak-v{}", path, version);
  std::string unfinished = target + ".tmp";
  std::error_code ignored;
  fs::remove(unfinished, ignored);
  auto copied = database.run("VACUUM INTO " + sql_text(unfinished));
  if (!copied)
    return Error{copied.error().code, fmt::format("no backup before the upgrade of {}: {}", path,
                                                  copied.error().message)};
  if (auto synced = sync_file(unfinished); !synced) return synced;
  std::error_code failed;
  fs::rename(unfinished, target, failed);
  if (failed) return file::io_error("rename", unfinished, failed.value());
  return sync_file(fs::path(path).parent_path().string());
}

Result<> migrate(Database& database, const std::string& path,
                 std::span<const std::string_view> steps) {
  auto version = database.number("PRAGMA user_version");
  if (!version) return version.error();
  auto known = static_cast<int64_t>(steps.size());
  if (*version > known || *version < 0)
    return Error{Errc::unsupported,
                 fmt::format("{}: written by a newer Hearth (schema {}, this one knows up to {}); "
                             "install that version again, or move the file away to start empty",
                             path, *version, known)};
  if (*version > 0 && *version < known)
    if (auto copied = back_up(database, path, *version); !copied) return copied;
  for (int64_t next = *version; next < known; ++next) {
    std::string step(steps[static_cast<size_t>(next)]);
    auto done = database.run(
        fmt::format("BEGIN IMMEDIATE; {}; PRAGMA user_version={}; COMMIT;", step, next + 1));
    if (!done) return done;
    if (*version > 0) log::info("sessions upgraded", {{"schema", next + 1}});
  }
  return {};
}

// Damage that opening alone does not show.
Result<> check(Database& database, const std::string& path) {
  std::error_code failed;
  uintmax_t size = fs::file_size(path, failed);
  bool is_asked_for = fs::exists(check_mark(path), failed);
  if (!is_asked_for && size > kAlwaysCheckedBytes) return {};
  auto statement = database.prepare("PRAGMA quick_check(1)");
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  if (*row && statement->text(0) != "ok")
    return Error{Errc::corrupt, fmt::format("{}: damaged: {}", path, statement->text(0))};
  fs::remove(check_mark(path), failed);
  return {};
}

Result<Database> open_once(const std::string& path, const std::string& vfs,
                           std::span<const std::string_view> steps) {
  auto database = Database::open(path, Database::Mode::create, vfs);
  if (!database) return database.error();
  if (auto read = database->number("PRAGMA schema_version"); !read) return read.error();
  if (auto whole = check(*database, path); !whole) return whole.error();
  if (auto set = database->run(kSettings); !set) return set.error();
  if (auto current = migrate(*database, path, steps); !current) return current.error();
  return database;
}

Result<std::string> set_aside(const std::string& path) {
  std::string target = fmt::format("{}.damaged-{}", path, std::time(nullptr));
  for (int n = 2; fs::exists(target); ++n)
    target = fmt::format("{}.damaged-{}-{}", path, std::time(nullptr), n);
  std::error_code failed;
  fs::rename(path, target, failed);
  if (failed) return file::io_error("rename", path, failed.value());
  for (const char* part : {"-wal", "-shm"}) fs::rename(path + part, target + part, failed);
  fs::remove(check_mark(path), failed);
  return target;
}

std::vector<std::string> beside(const std::string& path, std::string_view infix) {
  std::vector<std::string> found;
  std::string prefix = fs::path(path).filename().string() + std::string(infix);
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(fs::path(path).parent_path(), failed))
    if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
  return found;
}

}  // namespace

std::span<const std::string_view> migrations() { return kMigrations; }

Result<OpenedLog> open_log(const std::string& path, const std::string& vfs,
                           std::span<const std::string_view> steps) {
  // Created here for its mode; SQLite gives the log and the index beside it the same.
  file::Descriptor created(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!created) return file::io_error("open", path, errno);
  created.reset();
  auto database = open_once(path, vfs, steps);
  if (database) return OpenedLog{std::move(*database), {}};
  if (database.error().code != Errc::corrupt) return database.error();
  auto target = set_aside(path);
  if (!target) return target.error();
  log::error("the sessions database is damaged: it was set aside and a new one started",
             {{"reason", database.error().message}, {"kept", *target}});
  auto fresh = open_once(path, vfs, steps);
  if (!fresh) return fresh.error();
  return OpenedLog{std::move(*fresh), *target};
}

Result<Database> reopen_log(const std::string& path, const std::string& vfs) {
  auto database = Database::open(path, Database::Mode::read_write, vfs);
  if (!database) return database.error();
  if (auto set = database->run(kSettings); !set) return set.error();
  return database;
}

void ask_for_check(const std::string& path) {
  (void)file::write_atomic(check_mark(path), "damage was met while running\n");
}

std::vector<std::string> backups_of(const std::string& path) { return beside(path, ".bak-"); }
std::vector<std::string> set_aside_of(const std::string& path) { return beside(path, ".damaged-"); }

}  // namespace hearth::session
