#include "storage/database_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "support/file.h"
#include "support/log.h"
#include "support/path.h"

namespace hearth::storage {

namespace fs = std::filesystem;

namespace {

// Files up to this size are read whole at every start (about 10 ms); larger ones when damage was
// met while running (ask_for_check).
constexpr uintmax_t kAlwaysCheckedBytes = 16u << 20;

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

Result<> migrate(Database& database, const std::string& path, const Schema& schema) {
  auto version = database.number("PRAGMA user_version");
  if (!version) return version.error();
  auto known = static_cast<int64_t>(schema.steps.size());
  if (*version > known || *version < 0)
    return Error{Errc::unsupported,
                 fmt::format("{}: written by a newer Hearth (schema {}, this one knows up to {}); "
                             "install that version again, or move the file away to start empty",
                             path, *version, known)};
  if (*version > 0 && *version < known)
    if (auto copied = back_up(database, path, *version); !copied) return copied;
  for (int64_t next = *version; next < known; ++next) {
    std::string step(schema.steps[static_cast<size_t>(next)]);
    auto done = database.run(
        fmt::format("BEGIN IMMEDIATE; {}; PRAGMA user_version={}; COMMIT;", step, next + 1));
    if (!done) return done;
    if (*version > 0) log::info(fmt::format("{} upgraded", schema.subject), {{"schema", next + 1}});
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

Result<Database> open_once(const std::string& path, const std::string& vfs, const Schema& schema) {
  auto database = Database::open(path, Database::Mode::create, vfs);
  if (!database) return database.error();
  if (auto read = database->number("PRAGMA schema_version"); !read) return read.error();
  if (auto whole = check(*database, path); !whole) return whole.error();
  if (auto set = database->run(kSettings); !set) return set.error();
  if (auto current = migrate(*database, path, schema); !current) return current.error();
  return database;
}

// WAL needs memory shared between processes, which network file systems do not have.
Result<> refuse_network_folder(const std::string& folder, const Schema& schema) {
  struct statfs facts;
  if (::statfs(folder.c_str(), &facts) != 0) return file::io_error("statfs", folder, errno);
  constexpr long kSmb2 = 0xfe534d42;
  for (long magic : {long{NFS_SUPER_MAGIC}, long{SMB_SUPER_MAGIC}, kSmb2})
    if (facts.f_type == magic)
      return Error{Errc::unsupported,
                   fmt::format("{}: on a network file system, where {} cannot be kept safely; set "
                               "XDG_STATE_HOME to a local folder",
                               folder, schema.subject)};
  return {};
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

Result<OpenedFile> open_file(const std::string& path, const std::string& vfs,
                             const Schema& schema) {
  // Created here for its mode; SQLite gives the log and the index beside it the same.
  file::Descriptor created(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!created) return file::io_error("open", path, errno);
  created.reset();
  auto database = open_once(path, vfs, schema);
  if (database) return OpenedFile{std::move(*database), {}};
  if (database.error().code != Errc::corrupt) return database.error();
  auto target = set_aside(path);
  if (!target) return target.error();
  log::error(fmt::format("the {} database is damaged: it was set aside and a new one started",
                         schema.subject),
             {{"reason", database.error().message}, {"kept", *target}});
  auto fresh = open_once(path, vfs, schema);
  if (!fresh) return fresh.error();
  return OpenedFile{std::move(*fresh), *target};
}

Result<Database> reopen_file(const std::string& path, const std::string& vfs) {
  auto database = Database::open(path, Database::Mode::read_write, vfs);
  if (!database) return database.error();
  if (auto set = database->run(kSettings); !set) return set.error();
  return database;
}

Result<file::Descriptor> take_folder(const std::string& folder, const Schema& schema) {
  if (auto made = path::make_private_dir(folder); !made) return made.error();
  if (auto local = refuse_network_folder(folder, schema); !local) return local.error();
  std::string path = path::join(folder, fmt::format("{}.lock", schema.subject));
  file::Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return file::io_error("open", path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return file::io_error("lock", path, errno);
  return Error{Errc::busy, folder + ": in use by another hearth daemon; stop that one first"};
}

void ask_for_check(const std::string& path) {
  (void)file::write_atomic(check_mark(path), "damage was met while running\n");
}

std::vector<std::string> backups_of(const std::string& path) { return beside(path, ".bak-"); }
std::vector<std::string> set_aside_of(const std::string& path) { return beside(path, ".damaged-"); }

}  // namespace hearth::storage
