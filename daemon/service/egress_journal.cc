#include "service/egress_journal.h"

#include <fmt/format.h>

#include <chrono>

#include "support/log.h"

namespace hearth {

namespace {

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<> EgressJournal::sending(const router::DecisionRecord& record, const router::Target& target,
                                const router::Manifest& manifest) {
  if (auto may = ledger_.may_send(); !may) return may;
  const std::string& request = record.facts.id;
  auto [place, is_new] = requests_.try_emplace(request);
  if (is_new) order_.push_back(request);
  ++place->second.n_under_way;
  egress::Record& known = place->second.record;
  known.decision = record.decision.id;
  known.target = target.name;
  known.trust = enum_name(target.trust);
  known.labels = record.facts.labels;
  known.blocks = manifest.blocks;
  known.sources = manifest.sources;
  if (order_.size() > kMaxRequests) {
    requests_.erase(order_.front());
    order_.pop_front();
  }
  return {};
}

void EgressJournal::write(const Egress& egress) {
  log::info("egress", {{"cause", egress.cause},
                       {"host", fmt::format("{}", fmt::join(egress.hosts, " > "))},
                       {"sent", egress.n_sent},
                       {"received", egress.n_received},
                       {"status", egress.status}});
  auto request = requests_.find(egress.cause);
  egress::Record record;
  if (request != requests_.end()) {
    record = request->second.record;
    if (--request->second.n_under_way == 0) requests_.erase(request);
  }
  record.time_ms = now_ms();
  record.hosts = egress.hosts;
  record.method = egress.method;
  record.status = egress.status;
  record.n_sent = egress.n_sent;
  record.n_received = egress.n_received;
  record.cause = egress.cause;
  const int64_t now = record.time_ms;
  (void)ledger_.append(std::move(record));  // it says so itself, and refuses what comes next
  if (std::string today = egress::day_of(now); today != pruned_on_) {
    pruned_on_ = std::move(today);
    if (const size_t n = ledger_.prune(keep_days_(), now))
      log::info("old days of the egress ledger removed", {{"days", n}});
  }
}

}  // namespace hearth
