#include "dispatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <cmath>
#include <list>
#include <utility>

#include "money/payment.h"
#include "providers/affinity.h"
#include "race.h"
#include "router/effort.h"

namespace hearth::router {

using std::chrono::milliseconds;

namespace {

constexpr uint32_t kMaxAttempts = 6, kMaxHere = 3;  // of a request, at one target
constexpr milliseconds kFirstBackoff{200}, kLongestBackoff{5'000};
// What a request waits at most between attempts where nobody else is left: those who ask know how
// to wait, and are told for how long.
constexpr milliseconds kPatience{5'000};
constexpr double kMostHedged = 0.05, kMostSpentOnHedges = 0.03;  // of requests, of money

double ms(Clock::Time::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// One server of a pool, as a target.
Target server_of(const Target& pool, const std::string& endpoint) {
  Target server = pool;
  server.base_url = endpoint;
  server.endpoints.clear();
  return server;
}

// Those behind which nobody waits leave a part of the room to the others.
Health::Need need_of(const Policy& policy, const RequestFacts& facts, const Target& target) {
  Health::Need need{facts.n_prompt_estimate, 0};
  const TaskClass task = facts.task;
  const bool is_in_background =
      task == TaskClass::summary || task == TaskClass::title || task == TaskClass::commit_message;
  if (!is_in_background || policy.rates.empty()) return need;
  auto rate = policy.rates.find((target.is_pool ? "pool:" : "api:") + target.provider);
  if (rate != policy.rates.end()) need.reserve = rate->second.reserve_pct / 100.0;
  return need;
}

}  // namespace

// One request's way through the targets that it may be answered by.
class Dispatcher::Run {
 public:
  Run(Dispatcher& dispatcher, Order order)
      : dispatcher_(dispatcher),
        clock_(dispatcher.services_.clock),
        services_(dispatcher.services_),
        health_(dispatcher.health_),
        order_(std::move(order)),
        named_(decision().target) {
    add(decision().target);
    for (const std::string& name : decision().fallbacks) add(name);
  }

  // Keeps itself.
  Task<Answer> go(std::unique_ptr<Run> /*self*/) {
    if (!pools_.empty()) {
      net::any_io_executor executor = co_await net::this_coro::executor;
      for (const Target* pool : pools_) dispatcher_.look_at_servers(*pool, executor);
    }
    std::optional<Failure> first;
    const Target* first_by = nullptr;
    while (n_attempts_ < kMaxAttempts) {
      Place* place = next_place();
      if (!place) break;
      if (place->not_before > clock_.now()) {
        if (place->not_before - clock_.now() > kPatience - waited_) break;
        const Clock::Time from = clock_.now();
        Task<> wait = clock_.wait_until(place->not_before);
        co_await std::move(wait);
        waited_ += std::chrono::duration_cast<milliseconds>(clock_.now() - from);
        continue;  // it may have been closed meanwhile
      }
      Place* second = n_attempts_ == 0 ? second_leg(*place) : nullptr;
      if (!second) name(*place->target);
      Task<Answer> asking =
          second ? race_with(*place, *second) : attempt(*place, order_.sink, false);
      Answer answer = co_await std::move(asking);
      if (answer || answer.error().code == Errc::cancelled) co_return answer;
      if (!first) first_by = place->target;
      if (!first) first = answer.error();
      if (is_shown_ || answer.error().remedy == Remedy::stop_request) co_return answer;
      heed(*place, answer.error());
    }
    if (first_by) name(*first_by);
    if (!first && !places_.empty()) first = places_.front().why;
    co_return first.value_or(
        Error{Errc::busy, fmt::format("{} cannot be asked", decision().target)});
  }

 private:
  // A target on the list, and when it may be asked.
  struct Place {
    const Target* target;
    Clock::Time not_before{};
    uint32_t n_tries = 0;
    bool is_out = false;
    std::optional<Failure> why;  // it is not asked now
  };

  const Decision& decision() const { return order_.record.decision; }
  const RequestFacts& facts() const { return order_.record.facts; }

  void add(const std::string& name) {
    auto target = std::ranges::find(order_.policy->targets, name, &Target::name);
    if (target == order_.policy->targets.end()) return;
    if (!target->is_pool) {
      places_.push_back({&*target, {}, 0, false, std::nullopt});
      return;
    }
    constexpr size_t kMostServers = 3;
    std::vector<std::string> order =
        dispatcher_.pools_.order(*target, affinity_of(*order_.request));
    order.resize(std::min(order.size(), kMostServers));
    for (const std::string& endpoint : order)
      places_.push_back(
          {&servers_.emplace_back(server_of(*target, endpoint)), {}, 0, false, std::nullopt});
    pools_.push_back(&*target);
  }

  // The one that may be asked first; of those that may be asked now, the one that was asked least,
  // then the one that the decision likes best.
  Place* next_place() {
    const Clock::Time now = clock_.now();
    Place* best = nullptr;
    for (Place& place : places_) {
      if (place.is_out || place.n_tries >= kMaxHere) continue;
      if (auto closed = health_.bar(*place.target, need_of(*place.target))) {
        place.not_before = std::max(place.not_before, closed->until);
        place.why = std::move(closed->why);
      }
      auto rank = [now](const Place& each) {
        return std::pair(std::max(each.not_before, now), each.n_tries);
      };
      if (!best || rank(place) < rank(*best)) best = &place;
    }
    return best;
  }

  // Who may be asked beside the first, if anybody.
  Place* second_leg(const Place& first) {
    const auto& hedge = decision().hedge;
    if (!hedge || first.target->name != decision().target || !health_.has_heavy_tail(*first.target))
      return nullptr;
    for (const std::string& name : hedge->targets) {
      auto at = std::ranges::find(places_, name, [](const Place& p) { return p.target->name; });
      if (at == places_.end()) {
        add(name);
        if (places_.empty() || places_.back().target->name != name) continue;
        at = std::prev(places_.end());
      }
      if (&*at != &first && !at->is_out && !health_.bar(*at->target, need_of(*at->target)))
        return &*at;
    }
    return nullptr;
  }

  // Says whose answer it is from here on.
  void name(const Target& target) {
    if (target.name == named_) return;
    named_ = target.name;
    if (!order_.on_stand_in) return;
    if (named_ == decision().target) return order_.on_stand_in(std::nullopt);
    auto decided = std::ranges::find(places_, decision().target,
                                     [](const Place& p) { return p.target->name; });
    std::string why = "was slow to say its first word";
    if (decided != places_.end() && decided->why)
      why = fmt::format("gave no answer ({}{}{})", enum_name(decided->why->code),
                        decided->why->word.empty() ? "" : ", ", decided->why->word);
    order_.on_stand_in(
        StandIn{target.name, target.model,
                fmt::format("{} answers: {} {}", target.name, decision().target, why)});
  }

  double expected_usd(const Target& target) const {
    const Candidate* at =
        find_candidate(decision(), target.name, effort_at(decision(), target.name));
    return at ? at->cost_usd : 0;
  }

  Task<Answer> race_with(Place& first, Place& second) {
    double after_ms = decision().hedge->after_ms;
    if (after_ms <= 0) after_ms = health_.first_word_ms(*first.target, 0.95).value_or(3'000);
    const Clock::Time due = clock_.now() + milliseconds(static_cast<int64_t>(after_ms));
    RaceLeg one{[this, &first](DeltaSink sink) { return attempt(first, std::move(sink), false); },
                [this, &first] { name(*first.target); }};
    RaceLeg other{
        [this, &second](DeltaSink sink) { return attempt(second, std::move(sink), true); },
        [this, &second] { name(*second.target); }};
    auto may_begin = [this, &second] {
      const bool may =
          dispatcher_.may_hedge(expected_usd(*second.target), decision().hedge->max_pct);
      if (may) ++dispatcher_.n_hedges_;
      return may;
    };
    Task<Answer> running =
        race(clock_, std::move(one), std::move(other), due, order_.sink, std::move(may_begin));
    co_return co_await std::move(running);
  }

  Health::Need need_of(const Target& target) const {
    return router::need_of(*order_.policy, facts(), target);
  }
  uint64_t n_tokens() const { return facts().n_prompt_estimate; }

  // What a failure means for who is asked next.
  void heed(Place& place, const Failure& failure) {
    const Clock::Time now = clock_.now();
    switch (failure.remedy) {
      case Remedy::retry_same:
      case Remedy::retry_after:
        // An engine keeps its own count of crashes, and what killed it would do so again.
        place.is_out = place.is_out || place.target->kind == TargetKind::engine;
        place.not_before = now + backoff(place.n_tries);
        if (failure.retry_after) place.not_before = now + *failure.retry_after;
        return;
      case Remedy::shrink_context:
        for (Place& other : places_)
          other.is_out =
              other.is_out || &other == &place || !is_larger(*other.target, *place.target);
        return;
      case Remedy::other_target:
      case Remedy::stop_account:
      case Remedy::stop_request: break;
    }
    place.is_out = true;
  }

  static bool is_larger(const Target& a, const Target& than) {
    return a.n_context > 0 && than.n_context > 0 && a.n_context > than.n_context;
  }

  // Between half and all of it, doubling.
  milliseconds backoff(uint32_t n_tries) {
    const double whole =
        std::min(static_cast<double>(kLongestBackoff.count()),
                 static_cast<double>(kFirstBackoff.count()) * std::exp2(n_tries - 1));
    return milliseconds(static_cast<int64_t>(whole * (0.5 + 0.5 * services_.random())));
  }

  // Ends what begin() began: pays, and writes the attempt down, also when its task is cancelled.
  struct Witness {
    Run& run;
    const Target& target;
    Payment payment;
    Attempt attempt;
    AttemptRecord record;
    const Clock::Time sent;
    bool is_told = false;

    Witness(Run& whose, const Target& asked, Payment paid, bool is_hedge)
        : run(whose), target(asked), payment(std::move(paid)), sent(whose.clock_.now()) {
      record.target = target.name;
      record.provider = target.kind == TargetKind::engine ? "hearth" : target.provider;
      record.model = target.model;
      if (target.is_pool) {
        record.endpoint = target.base_url;
        run.dispatcher_.pools_.begin(target.base_url);
      }
      record.number = run.n_attempts_;
      record.is_hedge = is_hedge;
      run.health_.begin(target, run.n_tokens());
    }
    ~Witness() {
      if (is_told) return;
      Answer withdrawn = Error{Errc::cancelled, "the client withdrew"};
      tell(withdrawn);
    }
    Witness(const Witness&) = delete;
    Witness& operator=(const Witness&) = delete;

    // Writes into the answer's usage what it cost.
    void tell(Answer& answer) {
      is_told = true;
      run.health_.end(target, attempt, answer);
      if (target.is_pool) run.dispatcher_.pools_.end(target.base_url);
      const Settlement settlement = settlement_of(attempt, answer, run.n_tokens());
      const bool is_billed = answer || attempt.is_sent;
      if (is_billed) {
        const PicoUsd cost = payment.settle(settlement);
        run.dispatcher_.note_spent(cost, record.is_hedge);
        if (answer && run.services_.account) answer->usage.cost_pico = cost.pico();
      }
      record.total_ms = ms(run.clock_.now() - sent);
      record.first_word_ms = attempt.first_word_ms;
      if (is_billed) record.usage = settlement.reported.value_or(settlement.estimate);
      if (is_billed && !settlement.reported)
        record.basis = answer ? attempt.basis : UsageBasis::estimated;
      if (!answer) {
        record.failed_as = answer.error().code;
        record.word = answer.error().word;
        record.http_status = answer.error().http_status;
      }
      if (run.order_.on_attempt) run.order_.on_attempt(record);
    }
  };

  // Whatever was decided: what a target may not see is not sent there, and nothing leaves that
  // cannot be written down.
  Result<> may_send(const Target& target) {
    if (!may_see(*order_.policy, target, facts().labels))
      return Error{Errc::denied,
                   fmt::format("target {} may not see what the request carries", target.name)};
    if (!services_.egress || target.kind == TargetKind::engine) return {};
    return services_.egress->sending(order_.record, target, order_.request->manifest);
  }

  Task<Result<Payment>> pay_for(const Target& target, std::optional<Effort> effort, bool is_hedge) {
    Spend spend = spend_of(order_.policy, facts(), order_.request->body, target, effort,
                           decision().id, n_attempts_);
    spend.is_hedge = is_hedge;
    return Payment::open(services_.account, std::move(spend));
  }

  // It was not asked; another one may fit.
  static Failure passed_over(Place& place, Failure why) {
    why.remedy = Remedy::other_target;
    place.why = why;
    return why;
  }

  Task<Answer> attempt(Place& place, DeltaSink heard, bool is_hedge) {
    ++place.n_tries;
    ++n_attempts_;
    const Target& target = *place.target;
    const std::optional<Effort> effort = effort_at(decision(), target.name);
    const Failure is_late = Error{Errc::cancelled, "another target answers already"};
    if (!order_.request) co_return is_late;
    Task<Result<Payment>> paying = pay_for(target, effort, is_hedge);
    auto payment = co_await std::move(paying);
    if (!payment) co_return passed_over(place, payment.error());
    if (!order_.request) co_return is_late;  // the other leg has spoken meanwhile
    if (auto may = may_send(target); !may) co_return passed_over(place, may.error());
    DeltaSink sink = [this, heard = std::move(heard)](const StreamDelta& delta) {
      if (order_.is_seen && !is_shown_ && shows(delta)) {
        is_shown_ = true;
        order_.request.reset();  // nobody else will be asked
      }
      heard(delta);
    };
    Witness witness(*this, target, std::move(*payment), is_hedge);
    witness.record.effort = effort;
    Task<Answer> answering = ask(target, witness, std::move(sink));
    Answer answer = co_await std::move(answering);
    witness.tell(answer);
    if (!answer) place.why = answer.error();
    co_return answer;
  }

  static bool shows(const StreamDelta& delta) {
    return (delta.kind == StreamDelta::Kind::text && !delta.text.empty()) ||
           delta.kind == StreamDelta::Kind::tool_call || delta.kind == StreamDelta::Kind::opaque;
  }

  // With a copy of the request: another may have to be asked after it.
  Task<Answer> ask(const Target& target, Witness& witness, DeltaSink sink) {
    RouteRequest request = *order_.request;
    // How hard to think, where the client leaves it open.
    ReasoningControls& reasoning = request.body.reasoning;
    if (!asked_effort(reasoning)) reasoning.effort = witness.record.effort;
    witness.payment.limit(request.body);
    return services_.provider(target.kind)
        .complete(target, std::move(request), std::move(sink), witness.attempt);
  }

  Dispatcher& dispatcher_;
  Clock& clock_;
  const Services& services_;
  Health& health_;
  Order order_;
  milliseconds waited_{0};
  std::list<Target> servers_;  // of pools, as targets of their own
  std::vector<const Target*> pools_;
  std::list<Place> places_;  // in the order of the decision
  std::string named_;        // whose answer was last said to be coming
  uint32_t n_attempts_ = 0;
  bool is_shown_ = false;  // text, a part of a call, a signature: nothing may be said again
};

void Dispatcher::look(const Policy& policy, const Target& target, const RequestFacts& facts,
                      TargetState& state) const {
  const Health::Need need = need_of(policy, facts, target);
  if (!target.is_pool) return health_.look(target, need, state);
  std::optional<TargetState> best;
  for (const std::string& endpoint : target.endpoints) {
    TargetState each = state;
    health_.look(server_of(target, endpoint), need, each);
    if (!best || each.wait_ms < best->wait_ms) best = std::move(each);
  }
  if (best) state = std::move(*best);
}

std::optional<Failure> Dispatcher::stopped(const Policy& policy, const Target& target,
                                           const RequestFacts& facts) const {
  if (target.is_pool || target.kind == TargetKind::engine) return std::nullopt;
  auto bar = health_.bar(target, need_of(policy, facts, target));
  if (!bar) return std::nullopt;
  return std::move(bar->why);
}

std::vector<TargetStanding> Dispatcher::standings(const Policy& policy) const {
  std::vector<TargetStanding> rows;
  for (const Target& target : policy.targets) {
    if (!target.is_pool) rows.push_back(health_.standing(target));
    for (const std::string& endpoint : target.endpoints) {
      TargetStanding& row = rows.emplace_back(health_.standing(server_of(target, endpoint)));
      row.endpoint = endpoint;
      auto figures = pools_.figures(endpoint);
      if (!figures) continue;
      row.server_running = figures->n_running;
      row.server_waiting = figures->n_waiting;
      row.cache_use = figures->cache_use;
      row.hit_rate = figures->hit_rate;
    }
  }
  return rows;
}

// Beside the request that comes by: no server is looked at when nobody asks, and nobody waits.
void Dispatcher::look_at_servers(const Target& pool, net::any_io_executor executor) {
  if (!looks_) looks_ = std::make_unique<TaskGroup>(executor);
  for (const std::string& endpoint : pool.endpoints) {
    if (!pools_.wants_look(endpoint)) continue;
    Task<> look = look_at(server_of(pool, endpoint));
    looks_->spawn("pool", std::move(look));
  }
}

Task<> Dispatcher::look_at(Target server) {
  const std::string endpoint = server.base_url;
  Provider& provider = services_.provider(server.kind);
  Task<Result<std::string>> looking = provider.published(std::move(server));
  Result<std::string> text = co_await std::move(looking);
  pools_.note(endpoint, text ? read_figures(*text) : std::nullopt);
}

Task<> Dispatcher::join() {
  if (!looks_) co_return;
  looks_->cancel();
  Task<> ending = looks_->join();
  co_await std::move(ending);
}

bool Dispatcher::may_hedge(double expected_usd, uint32_t max_pct) const {
  const double most = std::min(kMostHedged, max_pct / 100.0);
  const double spent = spent_.usd(), on_hedges = spent_on_hedges_.usd() + expected_usd;
  return static_cast<double>(n_hedges_ + 1) <= most * static_cast<double>(n_requests_) &&
         (expected_usd == 0 || on_hedges <= kMostSpentOnHedges * spent);
}

void Dispatcher::note_spent(PicoUsd cost, bool is_hedge) {
  spent_ += cost;
  if (is_hedge) spent_on_hedges_ += cost;
}

Task<Answer> Dispatcher::carry_out(Order order) {
  ++n_requests_;
  auto run = std::make_unique<Run>(*this, std::move(order));
  Run& self = *run;
  return self.go(std::move(run));
}

}  // namespace hearth::router
