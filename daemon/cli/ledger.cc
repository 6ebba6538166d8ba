// `hearth ledger`: what was spent, by what. Reads the ledger's file; a daemon may run beside it.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "cli/time_option.h"
#include "daemon/protocol/ledger.h"
#include "daemon/protocol/model.h"
#include "router/ledger_reader.h"
#include "support/json.h"
#include "support/path.h"

namespace hearth::cli {

namespace {

using router::AttemptRow;
using router::LedgerKey;
using router::LedgerReader;
using router::LedgerSum;
using router::PicoUsd;

struct Range {
  std::string since, until;
};

struct Options {
  Range range;
  std::string by = "target";
  bool csv = false;
};

struct ExportOptions {
  Range range;
  bool csv = false;
};

struct SettleOptions {
  uint64_t id = 0;
  std::string usd;
};

Result<router::TimeRange> range_of(const Range& asked) {
  router::TimeRange range;
  for (auto [text, into] :
       {std::pair(&asked.since, &range.since_ms), {&asked.until, &range.until_ms}}) {
    if (text->empty()) continue;
    auto time = parse_time(*text, now_ms());
    if (!time) return time.error();
    *into = *time;
  }
  return range;
}

std::string ledger_folder(const Common& common) {
  return path::join(common.folders.state, "ledger");
}

// As RFC 4180 has it. A text that a spreadsheet would take for a formula is kept from being one.
std::string csv_field(std::string_view text) {
  std::string field(text);
  if (!field.empty() && std::string_view("=+-@\t\r").find(field[0]) != std::string_view::npos)
    field.insert(0, "'");
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (char c : field) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

json::Object object_of(const LedgerSum& sum, const std::string& by) {
  return {{by, sum.key},
          {"attempts", sum.n_attempts},
          {"failed", sum.n_failed},
          {"estimated", sum.n_estimated},
          {"unknown", sum.n_unknown},
          {"costUsd", router::to_text(sum.cost)},
          {"promptTokens", sum.n_prompt},
          {"cachedTokens", sum.n_cached},
          {"cacheWriteTokens", sum.n_cache_write},
          {"completionTokens", sum.n_output},
          {"reasoningTokens", sum.n_reasoning}};
}

LedgerSum total_of(const std::vector<LedgerSum>& sums) {
  LedgerSum total;
  total.key = "in all";
  for (const LedgerSum& sum : sums) {
    total.n_attempts += sum.n_attempts;
    total.n_failed += sum.n_failed;
    total.n_estimated += sum.n_estimated;
    total.n_unknown += sum.n_unknown;
    total.cost += sum.cost;
    total.n_prompt += sum.n_prompt;
    total.n_cached += sum.n_cached;
    total.n_cache_write += sum.n_cache_write;
    total.n_output += sum.n_output;
    total.n_reasoning += sum.n_reasoning;
  }
  return total;
}

void print_sum(const LedgerSum& sum) {
  std::string notes;
  if (sum.n_failed) notes += fmt::format("  {} failed", sum.n_failed);
  if (sum.n_estimated) notes += fmt::format("  {} estimated", sum.n_estimated);
  if (sum.n_unknown) notes += fmt::format("  {} of unknown cost", sum.n_unknown);
  const double cached =
      sum.n_prompt ? 100.0 * static_cast<double>(sum.n_cached) / static_cast<double>(sum.n_prompt)
                   : 0;
  fmt::print("{:<32} {:>8} {:>14} {:>12} {:>7.0f}% {:>11}{}\n",
             sum.key.empty() ? "-" : printable(sum.key), sum.n_attempts, router::in_words(sum.cost),
             sum.n_prompt, cached, sum.n_output, notes);
}

int run(const Common& common, const Options& options) {
  auto range = range_of(options.range);
  if (!range) return fail(range.error());
  auto reader = LedgerReader::open(ledger_folder(common));
  if (!reader) return fail(reader.error());
  const LedgerKey by = *enum_from_name<LedgerKey>(options.by);
  auto sums = reader->sums(by, *range);
  if (!sums) return fail(sums.error());
  if (common.json) {
    json::Array list;
    for (const LedgerSum& sum : *sums) list.push_back(object_of(sum, options.by));
    json::Object whole{{"by", options.by}, {"sums", std::move(list)}};
    whole["total"] = object_of(total_of(*sums), options.by);
    whole["total"].as_object().erase(options.by);
    fmt::print("{}\n", boost::json::serialize(whole));
    return 0;
  }
  if (options.csv) {
    fmt::print(
        "{},attempts,failed,estimated,unknown,cost_usd,prompt_tokens,cached_tokens,"
        "cache_write_tokens,completion_tokens,reasoning_tokens\n",
        options.by);
    for (const LedgerSum& sum : *sums)
      fmt::print("{},{},{},{},{},{},{},{},{},{},{}\n", csv_field(sum.key), sum.n_attempts,
                 sum.n_failed, sum.n_estimated, sum.n_unknown, router::to_text(sum.cost),
                 sum.n_prompt, sum.n_cached, sum.n_cache_write, sum.n_output, sum.n_reasoning);
    return 0;
  }
  fmt::print("{}{:<32} {:>8} {:>14} {:>12} {:>8} {:>11}{}\n", dim(1), options.by, "attempts",
             "cost", "prompt", "cached", "answer", reset(1));
  for (const LedgerSum& sum : *sums) print_sum(sum);
  print_sum(total_of(*sums));
  return 0;
}

json::Object object_of(const AttemptRow& row) {
  json::Object object{{"id", row.id},
                      {"time", utc_text(row.time_ms)},
                      {"decision", row.decision},
                      {"request", row.request},
                      {"attempt", row.n_attempt},
                      {"state", enum_name(row.state)},
                      {"class", enum_name(row.party.task)},
                      {"target", row.party.target},
                      {"provider", row.provider},
                      {"model", row.model},
                      {"session", row.party.session},
                      {"project", row.party.project},
                      {"token", row.party.token},
                      {"costUsd", router::to_text(row.cost)},
                      {"reservedUsd", router::to_text(row.reserved)},
                      {"freshTokens", row.usage.n_fresh()},
                      {"cachedTokens", row.usage.n_cached},
                      {"cacheWriteTokens", row.usage.n_cache_write},
                      {"cacheWriteHourTokens", row.usage.n_cache_write_1h},
                      {"completionTokens", row.usage.n_completion},
                      {"reasoningTokens", row.usage.n_reasoning},
                      {"ms", row.ended_ms ? row.ended_ms - row.time_ms : 0}};
  if (row.reported) object["reportedUsd"] = router::to_text(*row.reported);
  if (row.effort) object["effort"] = enum_name(*row.effort);
  if (row.is_hedge) object["hedge"] = true;
  if (row.failed_as) object["failed"] = enum_name(*row.failed_as);
  if (!row.word.empty()) object["word"] = row.word;
  return object;
}

// The columns of a row in CSV: its members, those that may be missing included.
constexpr std::string_view kColumns[] = {"id",
                                         "time",
                                         "decision",
                                         "request",
                                         "attempt",
                                         "state",
                                         "class",
                                         "target",
                                         "provider",
                                         "model",
                                         "session",
                                         "project",
                                         "token",
                                         "costUsd",
                                         "reservedUsd",
                                         "reportedUsd",
                                         "freshTokens",
                                         "cachedTokens",
                                         "cacheWriteTokens",
                                         "cacheWriteHourTokens",
                                         "completionTokens",
                                         "reasoningTokens",
                                         "ms",
                                         "failed",
                                         "effort",
                                         "hedge",
                                         "word"};

std::string csv_line(const json::Object& row) {
  std::string line;
  for (std::string_view column : kColumns) {
    if (!line.empty() || column != kColumns[0]) line += ',';
    const json::Value* value = row.if_contains(column);
    if (!value) continue;
    line += value->is_string() ? csv_field(value->as_string()) : boost::json::serialize(*value);
  }
  return line;
}

int run_export(const Common& common, const ExportOptions& options) {
  auto range = range_of(options.range);
  if (!range) return fail(range.error());
  auto reader = LedgerReader::open(ledger_folder(common));
  if (!reader) return fail(reader.error());
  if (options.csv) fmt::print("{}\n", fmt::join(kColumns, ","));
  auto done = reader->rows(*range, [&](const AttemptRow& row) {
    const json::Object object = object_of(row);
    fmt::print("{}\n", options.csv ? csv_line(object) : boost::json::serialize(object));
    return true;
  });
  return done ? 0 : fail(done.error());
}

int run_unknown(const Common& common) {
  auto reader = LedgerReader::open(ledger_folder(common));
  if (!reader) return fail(reader.error());
  auto rows = reader->unknown();
  if (!rows) return fail(rows.error());
  if (common.json) {
    json::Array list;
    for (const AttemptRow& row : *rows) list.push_back(object_of(row));
    fmt::print("{}\n", boost::json::serialize(list));
    return 0;
  }
  if (rows->empty()) fmt::print("the cost of every attempt is known\n");
  for (const AttemptRow& row : *rows)
    fmt::print("{:>8}  {}  {} ({})  counts as {}\n", row.id, utc_text(row.time_ms),
               printable(row.party.target), printable(row.model), router::in_words(row.cost));
  if (!rows->empty())
    fmt::print("`hearth ledger settle ID USD` says what one cost after all, 0 if nothing\n");
  return 0;
}

int run_settle(const Common& common, const SettleOptions& options) {
  auto cost = router::parse_usd(options.usd);
  if (!cost) return fail(cost.error());
  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());
  protocol::LedgerSettle settle;
  settle.id = static_cast<int64_t>(options.id);
  settle.usd = options.usd;
  auto done = client->call<protocol::Empty>("ledger/settle", settle);
  if (!done) return fail(done.error());
  fmt::print("attempt {} cost {}\n", options.id, router::in_words(*cost));
  return 0;
}

void range_options(Form& form, Range& range) {
  form.option("--since", range.since, "From then on: 2026-11-30, 2026-11-30T12:00, 12h, 7d");
  form.option("--until", range.until, "Up to then");
}

std::vector<std::string> key_names() {
  std::vector<std::string> names;
  for (const auto& [key, name] : EnumNames<LedgerKey>::names) names.emplace_back(name);
  return names;
}

}  // namespace

Command ledger() {
  return command("ledger", "What requests cost", run, [](Form& form, Options& options) {
    range_options(form, options.range);
    form.option("--by", options.by, "What sums are made by").one_of(key_names());
    form.flag("--csv", options.csv, "Comma-separated values");
    form.json();
  });
}

Command ledger_export() {
  return command("export", "Every attempt, one a line: JSON, or --csv", run_export,
                 [](Form& form, ExportOptions& options) {
                   range_options(form, options.range);
                   form.flag("--csv", options.csv, "Comma-separated values");
                   form.json();
                 });
}

Command ledger_unknown() {
  return command("unknown", "Attempts whose cost is not known since the daemon ended under them",
                 run_unknown, [](Form& form) { form.json(); });
}

Command ledger_settle() {
  return command("settle", "Say what an attempt of unknown cost cost after all", run_settle,
                 [](Form& form, SettleOptions& options) {
                   form.option("id", options.id, "As `hearth ledger unknown` lists it").required();
                   form.option("usd", options.usd, "Dollars, such as 0.0123").required();
                 });
}

}  // namespace hearth::cli
