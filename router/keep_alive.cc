#include "keep_alive.h"

#include <algorithm>

#include "providers/affinity.h"
#include "providers/cache_markers.h"
#include "providers/table.h"
#include "router/effort.h"
#include "support/id.h"
#include "support/log.h"

namespace hearth::router {

namespace {

constexpr size_t kMostKept = 16, kMostSeen = 1024;
// Before the cache dies; of a short life a quarter.
constexpr std::chrono::milliseconds kMargin{20'000};
constexpr int kLeastOfLife = 4;

std::string name_of(const std::string& conversation) { return "keep alive " + conversation; }

const Target* target_of(const Policy& policy, const DecisionRecord& record) {
  auto found = std::ranges::find(policy.targets, record.decision.target, &Target::name);
  return found == policy.targets.end() ? nullptr : &*found;
}

// 0: it keeps nothing that reading again would renew.
std::chrono::seconds life_of(const Target& target) {
  if (target.cache_life_s) return std::chrono::seconds(*target.cache_life_s);
  return row_of(target.provider).quirks.cache_life;
}

}  // namespace

double Pauses::chance(size_t n_lives) const {
  constexpr double kGuess = 0.2, kWeight = 5;  // of the guess, in pauses
  if (n_lives == 0 || n_lives >= kMostLives) return n_lives == 0 ? 1 : 0;
  const double guess = kGuess / static_cast<double>(size_t{1} << (n_lives - 1));
  const Count& count = counts_[n_lives];
  return (count.n_went_on + kWeight * guess) / (count.n + kWeight);
}

void Pauses::add(size_t n_lives) {
  for (size_t i = 0; i < std::min(n_lives + 1, kMostLives); ++i) {
    counts_[i].n += 1;
    counts_[i].n_went_on += i == n_lives;
  }
}

bool keeping_pays(double chance, double n_tokens, const Rates& rates) {
  const double cold = std::max(rates.input.usd(), rates.cache_write.usd());
  const double asking = n_tokens * rates.cached.usd() + rates.output.usd();
  return chance * n_tokens * (cold - rates.cached.usd()) > asking;
}

void KeepAlive::asked(const RouteRequest& request) {
  if (seen_.empty()) return;
  const std::string conversation = affinity_of(request);
  auto seen = seen_.find(conversation);
  if (seen == seen_.end()) return;
  tasks_->cancel_named(name_of(conversation));
  pauses_.add(static_cast<size_t>((clock_.now() - seen->second.last) / seen->second.life));
  seen_.erase(seen);
}

std::unique_ptr<RouteRequest> KeepAlive::copy_of(const Policy& policy, const DecisionRecord& record,
                                                 const RouteRequest& request) const {
  if (policy.keep_alive == KeepWarm::never || record.facts.asks_for_hour_cache) return nullptr;
  const Target* target = target_of(policy, record);
  if (!target || !target->price || life_of(*target).count() == 0) return nullptr;
  // Thoughts do not go with an answer of one token.
  for (std::optional<Effort> effort :
       {asked_effort(request.body.reasoning), record.decision.effort})
    if (effort.value_or(Effort::none) != Effort::none) return nullptr;
  if (request.facts.n_prompt_estimate < min_cached_tokens(target->model)) return nullptr;
  if (affinity_of(request).empty()) return nullptr;
  return std::make_unique<RouteRequest>(request);
}

void KeepAlive::answered(const Policy& policy, const DecisionRecord& record, RouteRequest request,
                         const Usage& usage, net::any_io_executor executor) {
  const Target* target = target_of(policy, record);
  if (!target || !target->price) return;
  if (!tasks_) tasks_ = std::make_unique<TaskGroup>(executor);
  const std::string conversation = affinity_of(request);
  const auto life = life_of(*target);
  // Who has not gone on for as long as anybody waits does not.
  for (auto seen = seen_.begin(); seen != seen_.end();) {
    const bool is_gone = clock_.now() - seen->second.last > Pauses::kMostLives * seen->second.life;
    if (is_gone) pauses_.add(Pauses::kMostLives);
    seen = is_gone ? seen_.erase(seen) : std::next(seen);
  }
  if (seen_.size() >= kMostSeen) return;
  seen_[conversation] = {clock_.now(), life};
  tasks_->cancel_named(name_of(conversation));
  if (tasks_->size() >= kMostKept) return;
  auto kept = std::make_shared<Kept>();
  kept->record.facts = record.facts;
  kept->record.decision.target = record.decision.target;
  kept->record.decision.model = record.decision.model;
  kept->record.decision.effort = record.decision.effort;
  kept->record.decision.labels = record.decision.labels;
  kept->record.policy_hash = record.policy_hash;
  kept->request = std::move(request);
  kept->request.body.max_tokens = 1;
  kept->n_tokens = usage.n_prompt;
  kept->price = *target->price;
  kept->life = life;
  tasks_->spawn(name_of(conversation), keep(std::move(kept)));
}

Task<> KeepAlive::keep(std::shared_ptr<const Kept> kept) {
  Clock::Time read = clock_.now();
  for (size_t n_lives = 1; n_lives < Pauses::kMostLives; ++n_lives) {
    const auto margin = std::min<Clock::Time::duration>(kMargin, kept->life / kLeastOfLife);
    Task<> wait = clock_.wait_until(read + kept->life - margin);
    co_await std::move(wait);
    const auto now_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_.date().time_since_epoch());
    const Rates rates =
        rates_at(kept->price, static_cast<uint64_t>(kept->n_tokens), now_ms.count());
    if (!keeping_pays(pauses_.chance(n_lives), kept->n_tokens, rates)) co_return;
    DecisionRecord record = kept->record;
    record.time_ms = now_ms.count();
    record.decision.id = make_id("keep");
    record.decision.reason = "its prompt is kept in the provider's cache";
    RouteRequest request = kept->request;
    read = clock_.now();
    Task<Answer> asking = send_(record, std::move(request));
    Answer answer = co_await std::move(asking);
    log::info("kept warm", {{"decision", record.decision.id},
                            {"request", record.facts.id},
                            {"target", record.decision.target},
                            {"cached", answer ? answer->usage.n_cached : 0},
                            {"error", answer ? "" : answer.error().message}});
    if (!answer || answer->usage.n_cached == 0) co_return;  // it was gone already
  }
}

Task<> KeepAlive::join() {
  if (!tasks_) co_return;
  tasks_->cancel();
  Task<> ending = tasks_->join();
  co_await std::move(ending);
}

}  // namespace hearth::router
