// The ledger's tables: rows in and out.
#pragma once

#include "router/ledger.h"
#include "storage/database_file.h"

namespace hearth::router {

storage::Schema ledger_schema();

// Inserts the row, or replaces the one of its id.
Result<> put_row(storage::Database& database, const AttemptRow& row);
Result<> drop_row(storage::Database& database, int64_t id);

// For queries over kRowColumns.
extern const char* const kRowColumns;
AttemptRow row_of(const storage::Statement& query);

}  // namespace hearth::router
