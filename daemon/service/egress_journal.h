// Writes down what leaves: the outbound client tells the bytes, the router whose they are.
//
// Lives on the loop thread. Every HttpClient of the daemon is made with sink().
#pragma once

#include <deque>
#include <map>
#include <string>

#include "egress/ledger.h"
#include "outbound/http_client.h"
#include "router/router.h"

namespace hearth {

class EgressJournal : public router::EgressWatch {
 public:
  explicit EgressJournal(egress::Ledger ledger) : ledger_(std::move(ledger)) {}

  // Refuses when it could not be written down.
  Result<> sending(const router::DecisionRecord& record, const router::Target& target,
                   const router::Manifest& manifest) override;
  EgressSink sink() {
    return [this](const Egress& egress) { write(egress); };
  }
  void prune(uint32_t keep_days);

 private:
  void write(const Egress& egress);

  egress::Ledger ledger_;
  // By request: what its transfers carry. The oldest are forgotten beyond kMaxRequests.
  static constexpr size_t kMaxRequests = 4096;
  std::map<std::string, egress::Record, std::less<>> requests_;
  std::deque<std::string> order_;
};

}  // namespace hearth
