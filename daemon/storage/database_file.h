// A database in a file of its own: created, brought up to this version's schema, or set aside when
// damaged. One daemon at a time holds its folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite.h"
#include "support/file.h"
#include "support/result.h"

namespace hearth::storage {

// What is kept, and in which form.
struct Schema {
  std::string_view subject;  // for messages: "sessions"
  // steps[i] takes it (PRAGMA user_version) from i to i + 1. Append only.
  std::span<const std::string_view> steps;
};

struct OpenedFile {
  Database database;
  std::string set_aside;  // where a damaged file went; empty: there was none
};

// Opens or creates the file at `path` for writing. An older schema is copied to path.bak-vN, then
// migrated; a newer one is refused (unsupported); a damaged file is renamed, never deleted.
Result<OpenedFile> open_file(const std::string& path, const std::string& vfs, const Schema& schema);

// Opens a file that open_file has seen, with the same settings.
Result<Database> reopen_file(const std::string& path, const std::string& vfs);

// Makes the folder (mode 0700) and takes it for as long as the result lives. Errors: busy when
// another daemon has it, unsupported for a network file system, where WAL does not work.
Result<file::Descriptor> take_folder(const std::string& folder, const Schema& schema);

// Makes the next open_file read the whole file, whatever its size.
void ask_for_check(const std::string& path);

// Files beside it that hold copies of its content: backups, and damaged ones set aside.
std::vector<std::string> backups_of(const std::string& path);
std::vector<std::string> set_aside_of(const std::string& path);

}  // namespace hearth::storage
