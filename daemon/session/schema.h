// The event log's file: created, brought up to this version's schema, or set aside when damaged.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "session/sqlite.h"
#include "support/result.h"

namespace hearth::session {

// kMigrations[i] takes the schema (PRAGMA user_version) from i to i + 1. Append only.
std::span<const std::string_view> migrations();

struct OpenedLog {
  Database database;
  std::string set_aside;  // where a damaged file went; empty: there was none
};

// Opens or creates the log at `path` for writing. An older schema is copied to path.bak-vN, then
// migrated; a newer one is refused (unsupported); a damaged file is renamed, never deleted.
Result<OpenedLog> open_log(const std::string& path, const std::string& vfs,
                           std::span<const std::string_view> steps = migrations());

// Opens a log that open_log has seen, with the same settings.
Result<Database> reopen_log(const std::string& path, const std::string& vfs);

// Makes the next open_log read the whole file, whatever its size.
void ask_for_check(const std::string& path);

// Files beside the log that hold copies of its content: backups, and damaged ones set aside.
std::vector<std::string> backups_of(const std::string& path);
std::vector<std::string> set_aside_of(const std::string& path);

}  // namespace hearth::session
