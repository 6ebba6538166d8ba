// Writes down what leaves: the outbound client tells the bytes, the router whose they are.
//
// Lives on the loop thread. Every HttpClient of the daemon is made with sink().
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "egress/ledger.h"
#include "outbound/http_client.h"
#include "router/router.h"

namespace hearth {

class EgressJournal : public router::EgressWatch {
 public:
  // `keep_days`: as the policy says it now; what is older goes when a new day begins.
  EgressJournal(egress::Ledger ledger, std::function<uint32_t()> keep_days)
      : ledger_(std::move(ledger)), keep_days_(std::move(keep_days)) {}

  // Refuses when it could not be written down.
  Result<> sending(const router::DecisionRecord& record, const router::Target& target,
                   const router::Manifest& manifest) override;
  EgressSink sink() {
    return [this](const Egress& egress) { write(egress); };
  }

 private:
  void write(const Egress& egress);

  egress::Ledger ledger_;
  std::function<uint32_t()> keep_days_;
  std::string pruned_on_;  // a day
  // By request: what its transfers carry, until they have ended. The oldest are forgotten beyond
  // kMaxRequests, for not everything that may be sent is.
  struct Carried {
    egress::Record record;
    uint32_t n_under_way = 0;
  };
  static constexpr size_t kMaxRequests = 4096;
  std::map<std::string, Carried, std::less<>> requests_;
  std::deque<std::string> order_;
};

}  // namespace hearth
