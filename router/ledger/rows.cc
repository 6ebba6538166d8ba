#include "ledger/rows.h"

#include <fmt/format.h>

#include <charconv>

namespace hearth::router {

namespace {

// Money is in pico-dollars. `rates` are six amounts for one token, in the order of Rates. Rows that
// cost something are summed at every start, from the second index alone.
constexpr std::string_view kVersion1 = R"sql(
  CREATE TABLE attempts(
    id INTEGER PRIMARY KEY, decision TEXT NOT NULL, request TEXT NOT NULL, n INTEGER NOT NULL,
    t INTEGER NOT NULL, ended INTEGER NOT NULL, state TEXT NOT NULL,
    session TEXT NOT NULL, project TEXT NOT NULL, token TEXT NOT NULL, class TEXT NOT NULL,
    target TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    reserved INTEGER NOT NULL, cost INTEGER NOT NULL CHECK(cost >= 0), reported INTEGER,
    rates TEXT NOT NULL,
    prompt INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    failed TEXT
  );
  CREATE INDEX attempts_by_time ON attempts(t);
  CREATE INDEX attempts_paid ON attempts(t,session,project,token,class,target,cost) WHERE cost > 0;
  CREATE INDEX attempts_open ON attempts(state) WHERE state IN ('reserved','unknown');
)sql";

// `record`, `outcome`, `body`: JSON. `quality` in millionths.
constexpr std::string_view kVersion2 = R"sql(
  CREATE TABLE decisions(
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request TEXT NOT NULL, t INTEGER NOT NULL,
    record TEXT NOT NULL, outcome TEXT, quality INTEGER, body_hash TEXT NOT NULL, body TEXT
  );
  CREATE INDEX decisions_by_time ON decisions(t);
  CREATE INDEX decisions_by_request ON decisions(request);
  CREATE INDEX attempts_by_decision ON attempts(decision);
)sql";

// `effort`: as it was asked for, "" where nobody said. `word`: the provider's own, of a failure.
constexpr std::string_view kVersion3 = R"sql(
  ALTER TABLE attempts ADD COLUMN effort TEXT NOT NULL DEFAULT '';
  ALTER TABLE attempts ADD COLUMN hedge INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE attempts ADD COLUMN word TEXT NOT NULL DEFAULT '';
)sql";

constexpr std::string_view kSteps[] = {kVersion1, kVersion2, kVersion3};

constexpr PicoUsd Rates::* kRates[] = {&Rates::input,          &Rates::cached, &Rates::cache_write,
                                       &Rates::cache_write_1h, &Rates::output, &Rates::reasoning};

std::string rates_text(const Rates& rates) {
  std::string text;
  for (auto rate : kRates)
    text += fmt::format("{}{}", text.empty() ? "" : ",", (rates.*rate).pico());
  return text;
}

Rates rates_of(std::string_view text) {
  Rates rates;
  const char* at = text.data();
  const char* end = at + text.size();
  for (auto rate : kRates) {
    int64_t pico = 0;
    auto [rest, failed] = std::from_chars(at, end, pico);
    if (failed != std::errc()) return rates;
    rates.*rate = PicoUsd(pico);
    at = rest == end ? end : rest + 1;
  }
  return rates;
}

std::optional<int64_t> pico_of(const std::optional<PicoUsd>& amount) {
  return amount ? std::optional(amount->pico()) : std::nullopt;
}

}  // namespace

storage::Schema ledger_schema() { return {"ledger", kSteps}; }

const char* const kRowColumns =
    "id,decision,request,n,t,ended,state,session,project,token,class,target,provider,model,"
    "reserved,cost,reported,rates,prompt,cached,cache_write,cache_write_1h,output,reasoning,failed,"
    "effort,hedge,word";

Result<> put_row(storage::Database& database, const AttemptRow& row) {
  auto put = database.cached(
      "INSERT OR REPLACE INTO attempts VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,"
      "?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28)");
  if (!put) return put.error();
  storage::Statement& out = **put;
  const std::string rates = rates_text(row.rates);
  int column = 0;
  auto add = [&](auto&& value) { out.bind(++column, value); };
  auto count = [&](uint32_t value) { out.bind(++column, int64_t{value}); };
  add(row.id);
  add(std::string_view(row.decision));
  add(std::string_view(row.request));
  count(row.n_attempt);
  add(row.time_ms);
  add(row.ended_ms);
  add(enum_name(row.state));
  add(std::string_view(row.party.session));
  add(std::string_view(row.party.project));
  add(std::string_view(row.party.token));
  add(enum_name(row.party.task));
  add(std::string_view(row.party.target));
  add(std::string_view(row.provider));
  add(std::string_view(row.model));
  add(row.reserved.pico());
  add(row.cost.pico());
  add(pico_of(row.reported));
  add(std::string_view(rates));
  count(row.usage.n_prompt);
  count(row.usage.n_cached);
  count(row.usage.n_cache_write);
  count(row.usage.n_cache_write_1h);
  count(row.usage.n_completion);
  count(row.usage.n_reasoning);
  if (row.failed_as)
    add(enum_name(*row.failed_as));
  else
    out.bind_null(++column);
  add(row.effort ? enum_name(*row.effort) : std::string_view());
  add(int64_t{row.is_hedge});
  add(std::string_view(row.word));
  return out.run();
}

Result<> drop_row(storage::Database& database, int64_t id) {
  auto drop = database.cached("DELETE FROM attempts WHERE id=?1");
  if (!drop) return drop.error();
  (*drop)->bind(1, id);
  return (*drop)->run();
}

AttemptRow row_of(const storage::Statement& query) {
  AttemptRow row;
  int column = 0;
  auto text = [&] { return std::string(query.text(column++)); };
  auto integer = [&] { return query.integer(column++); };
  auto count = [&] { return static_cast<uint32_t>(query.integer(column++)); };
  row.id = integer();
  row.decision = text();
  row.request = text();
  row.n_attempt = count();
  row.time_ms = integer();
  row.ended_ms = integer();
  row.state = enum_from_name<AttemptState>(text()).value_or(AttemptState::unknown);
  row.party.session = text();
  row.party.project = text();
  row.party.token = text();
  row.party.task = enum_from_name<TaskClass>(text()).value_or(TaskClass::chat);
  row.party.target = text();
  row.provider = text();
  row.model = text();
  row.reserved = PicoUsd(integer());
  row.cost = PicoUsd(integer());
  if (!query.is_null(column)) row.reported = PicoUsd(query.integer(column));
  ++column;
  row.rates = rates_of(query.text(column++));
  row.usage.n_prompt = count();
  row.usage.n_cached = count();
  row.usage.n_cache_write = count();
  row.usage.n_cache_write_1h = count();
  row.usage.n_completion = count();
  row.usage.n_reasoning = count();
  row.failed_as = enum_from_name<Errc>(query.text(column++));
  row.effort = enum_from_name<Effort>(query.text(column++));
  row.is_hedge = integer() != 0;
  row.word = text();
  return row;
}

}  // namespace hearth::router
