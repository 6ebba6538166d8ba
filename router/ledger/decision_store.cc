#include "router/decision_store.h"

#include <openssl/sha.h>

#include <memory>

#include "support/hex.h"
#include "support/json.h"

namespace hearth::router {

namespace {

using storage::Database;

constexpr uint32_t kTidyEvery = 2'000;  // decisions
constexpr int64_t kDayMs = 24 * 3'600'000;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string sha256(std::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return hex_of(digest);
}

Result<> insert(Database& database, const DecisionRecord& record) {
  const std::string text = json::encode(record);
  auto put = database.cached(
      "INSERT OR IGNORE INTO decisions(id,request,t,record,body_hash) VALUES(?1,?2,?3,?4,'')");
  if (!put) return put.error();
  (*put)->bind(1, std::string_view(record.decision.id));
  (*put)->bind(2, std::string_view(record.facts.id));
  (*put)->bind(3, record.time_ms);
  (*put)->bind(4, std::string_view(text));
  return (*put)->run();
}

// `sql` has the text as ?1 and the id as ?2.
Result<> update(Database& database, std::string_view sql, std::string_view text,
                std::string_view id) {
  auto put = database.cached(sql);
  if (!put) return put.error();
  (*put)->bind(1, text);
  (*put)->bind(2, id);
  return (*put)->run();
}

Result<> remove_before(Database& database, std::string_view sql, int64_t time_ms) {
  auto drop = database.cached(sql);
  if (!drop) return drop.error();
  (*drop)->bind(1, time_ms);
  return (*drop)->run();
}

// Money stays as long as the file; what cost nothing goes with the decisions.
Result<> remove_old(Database& database, int64_t before_ms, uint64_t quota_bytes) {
  for (std::string_view sql :
       {"DELETE FROM decisions WHERE t<?1",
        "DELETE FROM attempts WHERE t<?1 AND cost=0 AND state<>'reserved' AND state<>'unknown'"})
    if (auto done = remove_before(database, sql, before_ms); !done) return done;
  auto pages = database.number(
      "SELECT page_count - freelist_count FROM pragma_page_count, "
      "pragma_freelist_count");
  auto page_bytes = database.number("PRAGMA page_size");
  if (!pages || !page_bytes) return pages ? page_bytes.error() : pages.error();
  const auto used = static_cast<uint64_t>(*pages * *page_bytes);
  if (used <= quota_bytes) return {};
  // A quarter of them, so that it is not at once full again.
  return database.run(
      "DELETE FROM decisions WHERE n < (SELECT min(n) + (max(n) - min(n)) / 4 + 1 FROM decisions)");
}

}  // namespace

void DecisionStore::write(storage::Writer::Work work) {
  if (ledger_.failure()) return;
  storage::Writer::Write write;
  write.work = std::move(work);
  write.may_wait = true;
  ledger_.writer().queue(std::move(write));
}

void DecisionStore::decided(const DecisionRecord& record) {
  auto copy = std::make_shared<const DecisionRecord>(record);
  write([copy](Database& database) { return insert(database, *copy); });
}

void DecisionStore::asked(const DecisionRecord& record, const CompletionRequest& body,
                          const LedgerRules& rules) {
  if (++n_since_tidy_ % kTidyEvery == 1) tidy(rules);
  if (rules.bodies == Bodies::none) return;
  const bool keeps_words = rules.bodies == Bodies::full && record.facts.labels.empty();
  auto copy = std::make_shared<const CompletionRequest>(body);
  write([copy, id = record.decision.id, keeps_words](Database& database) -> Result<> {
    const std::string text = json::encode(*copy);
    if (auto done =
            update(database, "UPDATE decisions SET body_hash=?1 WHERE id=?2", sha256(text), id);
        !done)
      return done;
    if (!keeps_words) return {};
    return update(database, "UPDATE decisions SET body=?1 WHERE id=?2", text, id);
  });
}

void DecisionStore::ended(const DecisionRecord& record, const Answer& answer) {
  DecisionOutcome outcome;
  outcome.ended_ms = now_ms();
  outcome.latency_ms = static_cast<double>(std::max<int64_t>(0, outcome.ended_ms - record.time_ms));
  outcome.stand_in = record.stand_in;
  if (answer) {
    outcome.finish_reason = answer->finish_reason;
    outcome.model = answer->message.model.value_or("");
    outcome.usage = answer->usage;
    outcome.timings = answer->timings;
  } else {
    outcome.failed_as = answer.error().code;
    outcome.speaker = answer.error().speaker;
    outcome.failure = answer.error().message.substr(0, 300);
  }
  write([outcome = std::move(outcome), id = record.decision.id](Database& database) {
    return update(database, "UPDATE decisions SET outcome=?1 WHERE id=?2", json::encode(outcome),
                  id);
  });
}

void DecisionStore::judged(const std::string& decision_id, double quality) {
  write([millionths = static_cast<int64_t>(std::clamp(quality, 0.0, 1.0) * 1e6),
         decision_id](Database& database) -> Result<> {
    auto put = database.cached("UPDATE decisions SET quality=?1 WHERE id=?2");
    if (!put) return put.error();
    (*put)->bind(1, millionths);
    (*put)->bind(2, std::string_view(decision_id));
    return (*put)->run();
  });
}

void DecisionStore::tidy(const LedgerRules& rules) {
  const int64_t before = now_ms() - rules.keep_days * kDayMs;
  write([before, quota = rules.quota_bytes](Database& database) {
    return remove_old(database, before, quota);
  });
}

}  // namespace hearth::router
