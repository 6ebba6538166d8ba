#include "router/ledger_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include "ledger/rows.h"
#include "support/json.h"

namespace hearth::router {

namespace {

using storage::Database;
using storage::Statement;

std::string_view expression(LedgerKey key) {
  switch (key) {
    case LedgerKey::target: return "target";
    case LedgerKey::model: return "model";
    case LedgerKey::provider: return "CASE provider WHEN '' THEN 'this machine' ELSE provider END";
    case LedgerKey::session: return "session";
    case LedgerKey::project: return "project";
    case LedgerKey::task: return "class";
    case LedgerKey::token: return "token";
    case LedgerKey::day: break;
  }
  return "strftime('%Y-%m-%d', t / 1000, 'unixepoch', 'localtime')";
}

Result<Statement> over(Database& database, const std::string& sql, TimeRange range) {
  auto query = database.prepare(sql);
  if (!query) return query.error();
  query->bind(1, range.since_ms);
  query->bind(2, range.until_ms);
  return query;
}

// decisions.n, id, record, outcome, quality, body_hash, body; then what its attempts cost.
constexpr const char* kDecisionColumns =
    "d.record,d.outcome,d.quality,d.body_hash,"
    "(SELECT sum(cost) FROM attempts a WHERE a.decision=d.id),"
    "(SELECT count(*) FROM attempts a WHERE a.decision=d.id AND a.state<>'released')";

Result<StoredDecision> stored(const Statement& row, bool with_body) {
  StoredDecision found;
  auto record = json::decode<DecisionRecord>(row.text(0));
  if (!record) return Error{Errc::corrupt, "a decision in the ledger: " + record.error().message};
  found.record = std::move(*record);
  if (!row.is_null(1))
    if (auto outcome = json::decode<DecisionOutcome>(row.text(1))) found.outcome = *outcome;
  if (found.outcome) found.record.stand_in = found.outcome->stand_in;
  if (!row.is_null(2)) found.quality = static_cast<double>(row.integer(2)) / 1e6;
  found.body_hash = row.text(3);
  found.cost = PicoUsd(row.integer(4));
  found.n_attempts = static_cast<uint32_t>(row.integer(5));
  if (with_body && !row.is_null(6))
    if (auto body = json::decode<CompletionRequest>(row.text(6))) found.body = std::move(*body);
  return found;
}

Result<std::vector<AttemptRow>> rows_of(Statement& query) {
  std::vector<AttemptRow> found;
  for (;;) {
    auto row = query.step();
    if (!row) return row.error();
    if (!*row) return found;
    found.push_back(row_of(query));
  }
}

}  // namespace

Result<LedgerReader> LedgerReader::open(const std::string& folder) {
  const std::string path = Ledger::file_in(folder);
  if (::access(path.c_str(), F_OK) != 0)
    return Error{Errc::not_found,
                 path + ": there is no ledger yet; it begins with the daemon's first request"};
  auto database = Database::open(path, Database::Mode::read_only);
  if (!database) return database.error();
  auto version = database->number("PRAGMA user_version");
  if (!version) return version.error();
  const auto known = static_cast<int64_t>(ledger_schema().steps.size());
  if (*version != known)
    return Error{Errc::unsupported,
                 fmt::format("{}: of {} version of Hearth; start the daemon of this one first",
                             path, *version < known ? "an older" : "a newer")};
  return LedgerReader(std::move(*database));
}

Result<std::vector<LedgerSum>> LedgerReader::sums(LedgerKey by, TimeRange range) {
  auto query =
      over(database_,
           fmt::format(
               "SELECT {} AS key, count(*), sum(failed IS NOT NULL), sum(state='estimated'),"
               " sum(state='unknown'), sum(cost), sum(prompt), sum(cached),"
               " sum(cache_write + cache_write_1h), sum(output), sum(reasoning)"
               " FROM attempts WHERE t>=?1 AND t<?2 AND state<>'released'"
               " GROUP BY key ORDER BY {}",
               expression(by), by == LedgerKey::day ? "key" : "sum(cost) DESC, count(*) DESC, key"),
           range);
  if (!query) return query.error();
  std::vector<LedgerSum> sums;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return sums;
    auto count = [&](int column) { return static_cast<uint64_t>(query->integer(column)); };
    LedgerSum& sum = sums.emplace_back();
    sum.key = query->text(0);
    sum.n_attempts = count(1);
    sum.n_failed = count(2);
    sum.n_estimated = count(3);
    sum.n_unknown = count(4);
    sum.cost = PicoUsd(query->integer(5));
    sum.n_prompt = count(6);
    sum.n_cached = count(7);
    sum.n_cache_write = count(8);
    sum.n_output = count(9);
    sum.n_reasoning = count(10);
  }
}

Result<> LedgerReader::rows(TimeRange range, const std::function<bool(const AttemptRow&)>& visit) {
  auto query =
      over(database_,
           fmt::format("SELECT {} FROM attempts WHERE t>=?1 AND t<?2 ORDER BY t, id", kRowColumns),
           range);
  if (!query) return query.error();
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row || !visit(row_of(*query))) return {};
  }
}

Result<std::vector<AttemptRow>> LedgerReader::unknown() {
  auto query = database_.prepare(
      fmt::format("SELECT {} FROM attempts WHERE state='unknown' ORDER BY id", kRowColumns));
  if (!query) return query.error();
  return rows_of(*query);
}

Result<std::vector<AttemptRow>> LedgerReader::attempts(std::string_view decision_id) {
  auto query = database_.prepare(
      fmt::format("SELECT {} FROM attempts WHERE decision=?1 ORDER BY id", kRowColumns));
  if (!query) return query.error();
  query->bind(1, decision_id);
  return rows_of(*query);
}

Result<StoredDecision> LedgerReader::decision(std::string_view id) {
  auto query = database_.prepare(
      fmt::format("SELECT {},d.body FROM decisions d WHERE d.id=?1 OR d.request=?1 "
                  "ORDER BY d.n DESC LIMIT 1",
                  kDecisionColumns));
  if (!query) return query.error();
  query->bind(1, id);
  auto row = query->step();
  if (!row) return row.error();
  if (!*row)
    return Error{Errc::not_found,
                 fmt::format("no decision \"{}\" is kept: the header x-hearth-decision-id and the "
                             "log name them, [ledger] keep_days says how long they stay",
                             id.substr(0, 80))};
  return stored(*query, true);
}

Result<> LedgerReader::decisions(TimeRange range, bool with_bodies,
                                 const std::function<bool(StoredDecision)>& visit) {
  auto query = over(database_,
                    fmt::format("SELECT {},{} FROM decisions d WHERE d.t>=?1 AND d.t<?2 "
                                "ORDER BY d.t, d.n",
                                kDecisionColumns, with_bodies ? "d.body" : "NULL"),
                    range);
  if (!query) return query.error();
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return {};
    auto found = stored(*query, with_bodies);
    if (!found) return found.error();
    if (!visit(std::move(*found))) return {};
  }
}

}  // namespace hearth::router
