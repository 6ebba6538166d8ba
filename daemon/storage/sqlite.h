// SQLite with owners and Results. Only what logs and ledgers need.
//
// A Database and its Statements belong to one thread at a time (SQLite is built without its own
// locks around a connection). Statements die before their Database.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "support/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hearth::storage {

class Statement {
 public:
  // Parameters count from 1. Text is borrowed until the next reset().
  void bind(int index, int64_t value);
  void bind(int index, std::string_view text);
  void bind_null(int index);
  void bind(int index, const std::optional<int64_t>& value) {
    value ? bind(index, *value) : bind_null(index);
  }

  // True: a row is there to read. False: done.
  Result<bool> step();
  // Runs to the end and resets, for statements without rows.
  Result<> run();
  void reset();

  // Columns count from 0. Text is valid until the next step.
  int64_t integer(int column) const;
  std::string_view text(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  enum class Mode { read_only, read_write, create };
  // `vfs`: SQLite's name of the file system to use; empty: the default one.
  static Result<Database> open(const std::string& path, Mode mode, const std::string& vfs = {});

  Result<> run(const std::string& sql);  // one or more statements, rows dropped
  Result<Statement> prepare(std::string_view sql);
  // Prepared once, reset, kept with the connection. Not null.
  Result<Statement*> cached(std::string_view sql);
  Result<int64_t> number(std::string_view sql);  // the one integer that it yields

  // Copies the log into the database file. truncate: and empties the log's file, which fails with
  // busy while a reader is inside.
  Result<> checkpoint(bool truncate);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(sqlite3* database) : database_(database) {}
  std::unique_ptr<sqlite3, Close> database_;
  std::map<std::string, Statement, std::less<>> cache_;  // dies first
};

}  // namespace hearth::storage
