// The ledger: what every attempt cost, kept in ledger.db (SQLite, WAL) in a folder of its own.
//
// A row for each attempt, wherever it went. One that costs money is written before a byte leaves,
// with the most that it may cost; its end makes that the bill. What was never ended because the
// daemon was killed becomes "unknown" at the next start and counts at its most until the user
// settles it. Budgets are checked against sums in memory that hold exactly what the rows say.
//
// No text of a request is here. Lives on the loop thread; the disk is another thread's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "router/account.h"
#include "storage/writer.h"
#include "support/file.h"

namespace hearth::router {

class OutputHistory;

enum class AttemptState : uint8_t {
  reserved,   // under way
  settled,    // billed by what the provider reported
  estimated,  // the provider reported nothing, or nonsense
  unknown,    // the daemon ended while it was under way: counts at its most
  released,   // nothing was sent
  decided     // was unknown, and the user said what it cost
};

// One row.
struct AttemptRow {
  int64_t id = 0;
  std::string decision, request;
  uint32_t n_attempt = 1;
  int64_t time_ms = 0;  // when it was reserved, Unix
  int64_t ended_ms = 0;
  AttemptState state = AttemptState::reserved;
  Party party;
  std::string provider, model;   // provider "": this machine
  std::optional<Effort> effort;  // that was asked for
  bool is_hedge = false;         // a second leg
  PicoUsd reserved, cost;
  std::optional<PicoUsd> reported;  // by the provider
  Rates rates;
  Usage usage;
  std::optional<Errc> failed_as;
  std::string word;  // the provider's own, of a failure
};

class Ledger : public Account {
 public:
  struct Options {
    std::string folder;               // created with mode 0700
    std::string vfs;                  // SQLite's name of the file system; empty: default
    std::function<int64_t()> now_ms;  // Unix; empty: the system's clock
  };

  // A ledger that was damaged is set aside and a new one begun; while it lies in the folder nothing
  // is spent under a hard budget, since nobody knows what is left of it.
  static Result<std::unique_ptr<Ledger>> open(net::any_io_executor loop, Options options);
  ~Ledger() override;  // writes what is queued
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  Means means(const Policy& policy, const RequestFacts& facts, const Target& target,
              std::optional<Effort> effort) const override;
  Task<Result<Hold>> reserve(Spend spend) override;
  PicoUsd settle(const Hold& hold, const Settlement& settlement) override;
  void release(const Hold& hold) override;
  void recall(RequestFacts& facts) const override;

  // What an unknown attempt cost after all. not_found when there is none of that id.
  Task<Result<>> decide(int64_t id, PicoUsd cost);

  Task<Result<>> flush();  // all that was settled is on the disk

  // Running totals since the daemon started, and what budgets say now.
  struct ByTarget {
    uint64_t n_attempts = 0;
    PicoUsd spent;
  };
  struct Totals {
    std::map<std::string, ByTarget> targets;
    uint64_t n_refused = 0;    // by a budget
    uint64_t n_estimated = 0;  // attempts without the provider's word
    uint64_t n_drifted = 0;    // bills that differ from the provider's own
    uint64_t n_overshot = 0;   // cost more than was reserved
    uint64_t n_dropped = 0;    // free attempts that found the disk failing
  };
  const Totals& totals() const { return totals_; }
  size_t n_open() const { return open_.size(); }
  PicoUsd held() const;
  size_t n_unknown() const { return unknown_.size(); }
  Spending::Sums spent(const Budget& budget) const;  // not of a session's
  PicoUsd spent_since(Per per) const;
  std::optional<Error> failure() const { return writer_->failure(); }
  const std::string& set_aside() const { return set_aside_; }
  // For what is kept beside the attempts (decision_store.h).
  storage::Writer& writer() { return *writer_; }
  static std::string file_in(const std::string& folder);

 private:
  struct Open;  // an attempt under way

  Ledger(net::any_io_executor loop, Options options, file::Descriptor lock);
  Result<> load(storage::Database& database);
  int64_t now_ms() const;
  std::optional<Spending::Sums> tightest(const Policy& policy, const Party& party, int64_t now_ms,
                                         const Budget*& budget) const;
  void tell_of_soft_budgets(const Policy& policy, const Party& party, int64_t now_ms);
  void begin_run(const Spend& spend, int64_t now_ms);
  void end(const Open& attempt, AttemptRow row);

  const net::any_io_executor loop_;
  const Options options_;
  file::Descriptor lock_;
  std::string set_aside_;
  // Damaged ledgers that lie in the folder: what they held is in no sum.
  std::vector<std::string> lost_;

  Spending spending_;
  std::map<int64_t, std::unique_ptr<Open>> open_;
  std::map<int64_t, AttemptRow> unknown_;
  // Of each session, since its user last spoke.
  struct RunSoFar {
    uint32_t n_spoken = 0;
    int64_t begun_ms = 0;
    uint64_t n_tokens = 0;
  };
  std::map<std::string, RunSoFar> runs_;
  std::unique_ptr<OutputHistory> outputs_;
  int64_t next_id_ = 1;
  Totals totals_;
  std::set<std::pair<std::string, int64_t>> told_;  // soft budgets passed, by period

  std::unique_ptr<storage::Writer> writer_;
};

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::AttemptState> {
  using S = router::AttemptState;
  static constexpr std::pair<S, std::string_view> names[] = {
      {S::reserved, "reserved"}, {S::settled, "settled"},   {S::estimated, "estimated"},
      {S::unknown, "unknown"},   {S::released, "released"}, {S::decided, "decided"}};
};
}  // namespace hearth
