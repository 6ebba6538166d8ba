// `hearth gc`: frees disk space that nobody will miss, and says what it frees.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "daemon/protocol/session.h"

namespace hearth::cli {

namespace fs = std::filesystem;

namespace {

struct Options {
  uint32_t older_than_days = 30;
  bool dry_run = false;
};

uint64_t size_below(const fs::path& path) {
  std::error_code failed;
  if (fs::is_regular_file(path, failed)) return fs::file_size(path, failed);
  uint64_t n_bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, failed))
    if (entry.is_regular_file(failed) && !entry.is_symlink(failed))
      n_bytes += entry.file_size(failed);
  return n_bytes;
}

// A download that was written to so lately may be under way.
constexpr auto kMayStillGrow = std::chrono::hours(1);

bool is_abandoned(const fs::path& folder) {
  std::error_code failed;
  fs::file_time_type newest = fs::last_write_time(folder, failed);
  for (const auto& entry : fs::directory_iterator(folder, failed))
    newest = std::max(newest, entry.last_write_time(failed));
  return newest + kMayStillGrow < fs::file_time_type::clock::now();
}

// Unfinished downloads, rotated logs, databases that were set aside as damaged, and their copies of
// before an upgrade, once nobody will go back to the version that wrote them.
void remove_files(const Common& common, const Options& options) {
  const bool dry_run = options.dry_run;
  const std::chrono::days age(std::min(options.older_than_days, 36'500u));
  const auto outdated = fs::file_time_type::clock::now() - age;
  std::error_code failed;
  auto remove = [&](const fs::path& path, std::string_view what) {
    std::string size = size_text(size_below(path));
    std::error_code refused;
    if (!dry_run) fs::remove_all(path, refused);
    if (refused)
      fmt::print(stderr, "cannot remove {}: {}\n", path.string(), refused.message());
    else
      fmt::print("{} {}: {} ({})\n", dry_run ? "would remove" : "removed", what, path.string(),
                 size);
  };
  for (const auto& entry :
       fs::directory_iterator(path::join(common.folders.data, "models"), failed))
    if (entry.path().extension() == ".part" && is_abandoned(entry.path()))
      remove(entry.path(), "unfinished download");
  for (const auto& entry : fs::directory_iterator(common.folders.state, failed))
    for (std::string_view log : {"hearth.log.", "engine.log."})
      if (entry.path().filename().string().starts_with(log)) remove(entry.path(), "old log");
  for (const char* folder : {"sessions", "ledger"})
    for (const auto& entry :
         fs::directory_iterator(path::join(common.folders.state, folder), failed)) {
      const std::string name = entry.path().filename();
      if (name.find(".damaged-") != name.npos)
        remove(entry.path(), "damaged database");
      else if (name.find(".bak-v") != name.npos && entry.last_write_time(failed) <= outdated)
        remove(entry.path(), "copy of an older database");
    }
}

int remove_sessions(const Common& common, uint32_t older_than_days, bool dry_run) {
  auto client = connect_to_daemon(common.folders);
  if (!client && client.error().code == Errc::not_found) {
    fmt::print(stderr, "sessions are left alone: {}\n", client.error().message);
    return 0;
  }
  if (!client) return fail(client.error());
  int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  int64_t limit_ms = now_ms - int64_t{older_than_days} * 86'400'000;
  std::vector<protocol::SessionInfo> old;
  protocol::SessionList query;
  query.limit = 500;
  do {
    auto page = client->call<protocol::SessionPage>("session/list", query);
    if (!page) return fail(page.error());
    for (protocol::SessionInfo& session : page->sessions)
      if (session.updated_ms < limit_ms && session.state == protocol::Activity::idle)
        old.push_back(std::move(session));
    query.after = page->next;
  } while (query.after);
  for (const protocol::SessionInfo& session : old) {
    protocol::SessionRef which{session.id};
    if (!dry_run)
      if (auto done = client->call<protocol::SessionPurged>("session/delete", which); !done)
        return fail(done.error());
    fmt::print("{} session: {} \"{}\"\n", dry_run ? "would remove" : "removed", session.id,
               printable(session.title));
  }
  if (old.empty()) fmt::print(stderr, "no session is older than {} days\n", older_than_days);
  return 0;
}

int run(const Common& common, const Options& options) {
  remove_files(common, options);
  return remove_sessions(common, options.older_than_days, options.dry_run);
}

}  // namespace

Command gc() {
  auto declare = [](Form& form, Options& options) {
    form.option("--older-than", options.older_than_days,
                "Sessions, and databases of before an upgrade, untouched for so many days");
    form.flag("--dry-run", options.dry_run, "Say what would go, remove nothing");
  };
  return command("gc",
                 "Free disk space: old sessions, unfinished downloads, old logs, damaged and "
                 "outdated databases",
                 run, declare);
}

}  // namespace hearth::cli
