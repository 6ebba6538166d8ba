// The ledger as it can be read: sums, rows, decisions. From any process, also beside a running
// daemon: it sees what is on the disk.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/ledger.h"
#include "router/stored_decision.h"

namespace hearth::router {

// What sums are made by.
enum class LedgerKey : uint8_t { target, model, provider, session, project, task, token, day };

// Unix ms, [since, until).
struct TimeRange {
  int64_t since_ms = 0;
  int64_t until_ms = INT64_MAX;
};

struct LedgerSum {
  std::string key;
  uint64_t n_attempts = 0;
  uint64_t n_failed = 0;
  uint64_t n_estimated = 0;
  uint64_t n_unknown = 0;
  PicoUsd cost;
  uint64_t n_prompt = 0, n_cached = 0, n_cache_write = 0, n_output = 0, n_reasoning = 0;
};

class LedgerReader {
 public:
  // not_found when there is no ledger yet.
  static Result<LedgerReader> open(const std::string& folder);

  // The dearest first; days in their order (local time).
  Result<std::vector<LedgerSum>> sums(LedgerKey by, TimeRange range);

  // In the order of their time; `visit` returns false to stop.
  Result<> rows(TimeRange range, const std::function<bool(const AttemptRow&)>& visit);
  Result<std::vector<AttemptRow>> unknown();

  // By its id, or by the id of the request that it was made for (the last one of it). not_found
  // names what was looked for.
  Result<StoredDecision> decision(std::string_view id);
  // What was tried for a decision, in the order in which it began: legs, fallbacks, a cascade's
  // steps.
  Result<std::vector<AttemptRow>> attempts(std::string_view decision_id);
  // In the order of their time; `visit` returns false to stop. Bodies only when asked for.
  Result<> decisions(TimeRange range, bool with_bodies,
                     const std::function<bool(StoredDecision)>& visit);

 private:
  explicit LedgerReader(storage::Database database) : database_(std::move(database)) {}
  storage::Database database_;
};

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::LedgerKey> {
  using K = router::LedgerKey;
  static constexpr std::pair<K, std::string_view> names[] = {
      {K::target, "target"},   {K::model, "model"},     {K::provider, "provider"},
      {K::session, "session"}, {K::project, "project"}, {K::task, "class"},
      {K::token, "token"},     {K::day, "day"}};
};
}  // namespace hearth
