#include "router/account.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::router {

Spend spend_of(std::shared_ptr<const Policy> policy, const RequestFacts& facts,
               const CompletionRequest& body, const Target& target, std::optional<Effort> effort,
               const std::string& decision, uint32_t n_attempt) {
  Spend spend;
  spend.policy = std::move(policy);
  spend.decision = decision;
  spend.request = facts.id;
  spend.n_attempt = n_attempt;
  spend.party = {facts.session, facts.project, facts.token, target.name, facts.task};
  spend.provider = target.kind == TargetKind::engine ? "" : target.provider;
  spend.model = target.model;
  spend.price = target.price;
  spend.n_prompt_estimate = facts.n_prompt_estimate;
  spend.max_output = body.max_tokens;
  spend.n_model_output = target.n_max_output;
  spend.only_reads = body.only_reads;
  spend.asks_for_hour_cache = facts.asks_for_hour_cache;
  spend.n_spoken = facts.rounds.n_spoken;
  spend.effort = effort;
  return spend;
}

Usage estimate_usage(uint64_t n_prompt_estimate, uint64_t n_answer_bytes) {
  constexpr uint64_t kMost = UINT32_MAX, kBytesPerToken = 3;  // on the dear side for prose and code
  Usage usage;
  usage.n_prompt = static_cast<uint32_t>(std::min(kMost, n_prompt_estimate));
  usage.n_completion = static_cast<uint32_t>(
      std::min(kMost, (n_answer_bytes + kBytesPerToken - 1) / kBytesPerToken));
  return usage;
}

std::optional<std::string> shortfall(const Means& means) { return shortfall(means, means.needed); }

std::optional<std::string> shortfall(const Means& means, int64_t needed_pico) {
  if (means.budget.empty()) return std::nullopt;
  const PicoUsd left = PicoUsd(means.limit) - PicoUsd(means.spent) - PicoUsd(means.held);
  const PicoUsd needed(needed_pico);
  if (needed <= left || needed == PicoUsd()) return std::nullopt;
  return fmt::format("budget {} is {}; {} is spent and {} held {}, and this may cost {}",
                     means.budget, in_words(PicoUsd(means.limit)), in_words(PicoUsd(means.spent)),
                     in_words(PicoUsd(means.held)), means.period, in_words(needed));
}

}  // namespace hearth::router
