#include "session/schema.h"

namespace hearth::session {

namespace {

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

}  // namespace

storage::Schema schema() { return {"sessions", kMigrations}; }

}  // namespace hearth::session
