// A recorded load - when requests came, how long they and their answers were, which blocks of
// prompts they shared - through the whole router: decision, failover, budget, learning. Prices are
// the catalogue's, caches keep the providers' rules, accounts have limits; hours pass on a
// simulated clock. Prints one JSON object; run by routing_bench.mjs.
//
//   trace_bench FILE.jsonl   {"at_ms", "input_tokens", "output_tokens", "blocks"?, "block_tokens"?}
//
// Blocks are numbers that stand for so many tokens of a prompt and all before them; a row's last
// one may be shorter. Where prompts have none the load is taken for completions, each in vain if it
// comes late.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <random>
#include <unordered_map>

#include "daemon/session/loop.h"
#include "router/catalogue.h"
#include "router/learner.h"
#include "router/ledger.h"
#include "router/router.h"
#include "support/json.h"
#include "support/simulated_clock.h"
#include "support/task_group.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

using testing::SimulatedClock;
using Milliseconds = std::chrono::milliseconds;

struct Row {
  double at_ms = 0;
  uint32_t n_input = 0, n_output = 0;
  std::vector<uint64_t> blocks;
  uint32_t n_of_block = 0;  // tokens
  static void fields(auto& self, auto&& field) {
    field("at_ms", self.at_ms);
    field("input_tokens", self.n_input);
    field("output_tokens", self.n_output);
    field.or_default("blocks", self.blocks);
    field.or_default("block_tokens", self.n_of_block);
  }
};

// ---- the world: providers, their caches, their limits ----

// What a provider says of its cache; who is not listed keeps none.
struct CacheRule {
  std::string_view provider;
  double life_s;
  uint32_t least_tokens;
};
constexpr CacheRule kCacheRules[] = {
    {"anthropic", 300, 1024}, {"openai", 600, 1024}, {"moonshot", 1800, 256},
    {"deepseek", 7200, 64},   {"fireworks", 300, 0}, {"hearth", 1e9, 0},
};
constexpr double kLostEarly = 1 / 30.0;  // of entries, whatever their provider says
constexpr size_t kEngineBlocks = 600;    // that its memory holds
constexpr double kSlowOnce = 100;        // requests; one of so many takes
constexpr double kSlow = 4;              // times as long to begin
constexpr double kSpreadOfFirst = 0.25;  // of the logarithm of the time to the first word
constexpr double kForecastError = 0.03;  // of the engine's own forecast

// Speeds, limits and quality are invented, of the size that is published for such places.
struct Place {
  std::string_view name, provider, model;
  double quality = 0;
  double first_ms = 0, read_per_s = 0, write_per_s = 0;  // first word, tokens
  double tokens_per_min = 0;                             // not found in the cache; 0: no limit
};

struct Scenario {
  std::string_view name;
  std::vector<Place> places;
  Value value;
  uint32_t deadline_ms = 0;  // an answer after it is in vain
};

constexpr uint32_t kOfChat = 120'000;

Scenario accounts() {
  Scenario scenario{"one model, four accounts", {}, {0.05, 0.2, 0, 0}, kOfChat};
  for (std::string_view name : {"one", "two", "three", "four"})
    scenario.places.push_back(
        {name, "anthropic", "claude-sonnet-5", 0.9, 900, 20'000, 70, 1'000'000});
  return scenario;
}

Scenario mixed() {
  return {"dear, middle, cheap and an engine",
          {{"strong", "anthropic", "claude-sonnet-5", 0.9, 900, 20'000, 70, 2'000'000},
           {"strong-2", "anthropic", "claude-sonnet-5", 0.9, 900, 20'000, 70, 2'000'000},
           {"middle", "moonshot", "kimi-k2.7-code", 0.85, 1200, 15'000, 50, 2'000'000},
           {"cheap", "deepseek", "deepseek-v4-flash", 0.8, 1100, 15'000, 60, 1'500'000},
           {"engine", "hearth", "coder", 0.78, 40, 8'000, 60, 0}},
          {0.05, 0.2, 0, 0},
          kOfChat};
}

Scenario completions() {
  return {"completions within 800 ms",
          {{"strong", "anthropic", "claude-sonnet-5", 0.75, 900, 20'000, 70, 2'000'000},
           {"small", "openai", "gpt-5.4-nano", 0.6, 420, 40'000, 180, 400'000},
           {"open", "fireworks", "accounts/fireworks/models/gpt-oss-120b", 0.65, 250, 40'000, 250,
            250'000},
           {"cheap", "deepseek", "deepseek-v4-flash", 0.66, 1100, 15'000, 60, 1'500'000},
           {"engine", "hearth", "coder", 0.6, 30, 20'000, 110, 0}},
          {0.05, 0.002, 0, 0},
          800};
}

Policy policy_of(const Scenario& scenario) {
  Policy policy;
  policy.value = scenario.value;
  for (const Place& place : scenario.places) {
    Target target;
    target.name = place.name;
    target.model = place.model;
    target.quality = place.quality;
    target.ttft_ms = place.first_ms;
    target.tokens_per_s = place.write_per_s;
    if (place.provider != "hearth") {
      const CatalogueEntry* entry = Catalogue::built_in().find(place.provider, place.model);
      if (!entry) {
        fmt::print(stderr, "trace_bench: the catalogue has no price of {}\n", place.model);
        std::exit(1);
      }
      target.kind = TargetKind::api;
      target.provider = place.provider;
      target.key_env = fmt::format("KEY_OF_{}", place.name);
      target.trust = Trust::retained;
      target.price = entry->price;
      target.n_context = entry->n_context;
      target.n_max_output = entry->n_max_output;
    }
    policy.targets.push_back(std::move(target));
  }
  return policy;
}

class World : public Provider {
 public:
  World(const Scenario& scenario, const Policy& policy, const std::vector<Row>& rows, Clock& clock)
      : rows_(rows), clock_(clock) {
    for (size_t i = 0; i < policy.targets.size(); ++i) {
      Site& site = sites_[policy.targets[i].name];
      site.place = scenario.places[i];
      site.n_left = site.place.tokens_per_min;
      site.as_of = clock.now();
      for (const CacheRule& rule : kCacheRules)
        if (rule.provider == site.place.provider) site.cache_rule = rule;
    }
  }

  TargetState state(const Target&) const override { return {}; }

  void foresee(const Target& target, const CompletionRequest& request, const engine::PromptPoints&,
               TargetState& state) const override {
    if (target.kind != TargetKind::engine) return;
    const Site& site = sites_.at(target.name);
    const Row& row = row_of(request);
    Forecast forecast;
    forecast.n_prompt = row.n_input;
    forecast.n_cached = found(site, row);
    const double ms = first_word_ms(site, row, forecast.n_cached, 1);
    forecast.ttft_ms = {ms, kForecastError * ms};
    forecast.token_ms = {1000 / site.place.write_per_s, 0};
    state.forecast = forecast;
  }

  Task<Answer> complete(const Target& target, RouteRequest request, DeltaSink sink,
                        Attempt& attempt) override {
    Site& site = sites_.at(target.name);
    const Row& row = row_of(request.body);
    const Clock::Time begun = clock_.now();
    const bool has_lost = unit() < kLostEarly && target.kind == TargetKind::api;
    const uint32_t n_cached = has_lost ? 0 : found(site, row);
    const double n_new = row.n_input - n_cached;
    attempt.is_sent = true;
    if (site.place.tokens_per_min > 0) {
      refill(site);
      const double wanted = std::min(n_new, site.place.tokens_per_min);
      if (site.n_left < wanted) {
        attempt.is_refused = true;
        ++n_limited;
        Failure failure = Error{Errc::busy, "too many tokens in this minute"};
        failure.speaker = target.provider;
        failure.http_status = 429;
        failure.retry_after = std::chrono::seconds(static_cast<int64_t>(
            std::ceil(60 * (wanted - site.n_left) / site.place.tokens_per_min)));
        co_return failure;
      }
      site.n_left -= wanted;
      attempt.room.tokens = {
          static_cast<uint64_t>(site.n_left), static_cast<uint64_t>(site.place.tokens_per_min),
          Milliseconds(
              static_cast<int64_t>(60'000 * (1 - site.n_left / site.place.tokens_per_min)))};
    }
    const double luck = std::exp(kSpreadOfFirst * normal()) * (unit() * kSlowOnce < 1 ? kSlow : 1);
    const double first_ms = first_word_ms(site, row, n_cached, luck);
    if (target.kind == TargetKind::engine)  // one prompt after the other
      site.busy_until = begun + duration(first_ms - site.place.first_ms);
    co_await clock_.wait_until(begun + duration(first_ms));
    attempt.first_word_ms = first_ms;
    keep(site, row);
    StreamDelta word;
    word.text = "word";
    sink(word);
    Completion completion;
    completion.message.role = Role::assistant;
    Usage& usage = completion.usage;
    usage.n_prompt = row.n_input;
    usage.n_cached = n_cached;
    if (target.price && target.price->cache_write) usage.n_cache_write = row.n_input - n_cached;
    usage.n_completion =
        std::min(row.n_output, request.body.max_tokens ? request.body.max_tokens : UINT32_MAX);
    co_await clock_.wait_until(clock_.now() +
                               duration(1000 * usage.n_completion / site.place.write_per_s));
    attempt.usage = usage;
    co_return completion;
  }

  double quality_of(const std::string& target) const { return sites_.at(target).place.quality; }

  uint64_t n_limited = 0;  // requests that an account had no room for

 private:
  struct Site {
    Place place;
    std::optional<CacheRule> cache_rule;
    std::unordered_map<uint64_t, Clock::Time> held;  // when it was read last, by block
    double n_left = 0;                               // of this minute's tokens
    Clock::Time as_of{}, busy_until{};
  };

  static Clock::Time::duration duration(double ms) {
    return std::chrono::duration_cast<Clock::Time::duration>(
        std::chrono::duration<double, std::milli>(ms));
  }
  double unit() { return std::uniform_real_distribution<double>()(dice_); }
  double normal() { return std::normal_distribution<double>()(dice_); }

  // A request is told by its lane, which nothing here looks at.
  const Row& row_of(const CompletionRequest& request) const {
    return rows_[std::stoul(request.lane)];
  }

  uint32_t found(const Site& site, const Row& row) const {
    if (!site.cache_rule) return 0;
    const auto life = std::chrono::duration<double>(site.cache_rule->life_s);
    size_t n = 0;
    for (uint64_t block : row.blocks) {
      auto at = site.held.find(block);
      if (at == site.held.end() || clock_.now() - at->second > life) break;
      ++n;
    }
    const auto n_tokens = static_cast<uint32_t>(
        std::min<uint64_t>(n * row.n_of_block, row.n_input > 0 ? row.n_input - 1 : 0));
    return n_tokens < site.cache_rule->least_tokens ? 0 : n_tokens;
  }

  void keep(Site& site, const Row& row) {
    if (!site.cache_rule) return;
    for (uint64_t block : row.blocks) site.held[block] = clock_.now();
    if (site.place.provider != "hearth") return;
    while (site.held.size() > kEngineBlocks)
      site.held.erase(
          std::ranges::min_element(site.held, {}, [](const auto& block) { return block.second; }));
  }

  double first_word_ms(const Site& site, const Row& row, uint32_t n_cached, double luck) const {
    const double reading = 1000 * (row.n_input - n_cached) / site.place.read_per_s;
    if (site.place.provider != "hearth") return luck * site.place.first_ms + reading;
    const std::chrono::duration<double, std::milli> queue =
        std::max(site.busy_until - clock_.now(), Clock::Time::duration{});
    return queue.count() + site.place.first_ms + reading;
  }

  void refill(Site& site) {
    const std::chrono::duration<double> since = clock_.now() - site.as_of;
    site.as_of = clock_.now();
    site.n_left = std::min(site.place.tokens_per_min,
                           site.n_left + since.count() * site.place.tokens_per_min / 60);
  }

  const std::vector<Row>& rows_;
  Clock& clock_;
  std::map<std::string, Site, std::less<>> sites_;
  std::mt19937_64 dice_{5};
};

// ---- money ----

// The ledger waits for a real disk, and the simulated clock for the ledger.
class Books : public Account {
 public:
  Books(const std::string& folder, Clock& clock) {
    Ledger::Options options;
    options.folder = folder;
    options.now_ms = [&clock] {
      return std::chrono::duration_cast<Milliseconds>(clock.date().time_since_epoch()).count();
    };
    auto opened = Ledger::open(disk_.executor(), std::move(options));
    if (!opened) {
      fmt::print(stderr, "trace_bench: {}\n", opened.error().message);
      std::exit(1);
    }
    ledger_ = std::move(*opened);
  }

  Means means(const Policy& policy, const RequestFacts& facts,
              const Target& target) const override {
    return ledger_->means(policy, facts, target);
  }
  Task<Result<Hold>> reserve(Spend spend) override {
    Task<Result<Hold>> reserving = ledger_->reserve(std::move(spend));
    co_return disk_.run(std::move(reserving));
  }
  PicoUsd settle(const Hold& hold, const Settlement& settlement) override {
    return ledger_->settle(hold, settlement);
  }
  void release(const Hold& hold) override { ledger_->release(hold); }
  void recall(RequestFacts& facts) const override { ledger_->recall(facts); }

  PicoUsd spent() const { return ledger_->spent_since(Per::ever); }
  const Ledger::Totals& totals() const { return ledger_->totals(); }

 private:
  test::Loop disk_;
  std::unique_ptr<Ledger> ledger_;
};

// ---- who decides ----

constexpr uint32_t kMostOfAnswer = 2048, kMostOfCompletion = 128;  // tokens, as clients ask for

enum class Who { router, forgetful, cheapest, in_turn, strongest };
constexpr std::pair<Who, std::string_view> kNames[] = {
    {Who::router, "router"},
    {Who::forgetful, "router without memory of conversations and caches"},
    {Who::cheapest, "always the cheapest list price"},
    {Who::in_turn, "in turn"},
    {Who::strongest, "always the strongest"},
};

struct Tally {
  uint64_t n = 0, n_answered = 0, n_late = 0, n_refused = 0, n_limited = 0;
  double usd = 0, right = 0, n_prompt = 0, n_cached = 0, minutes = 0;
  std::vector<double> seconds;
  std::map<std::string, uint64_t> chosen;
  int64_t overshoot_pico = 0, misbilled_pico = 0;
};

struct NoLog : DecisionLog {
  void decided(const DecisionRecord&) override {}
  void ended(const DecisionRecord&, const Answer&) override {}
};

class Run {
 public:
  Run(const Scenario& scenario, const std::vector<Row>& rows, Who who, double budget_usd)
      : scenario_(scenario), rows_(rows), who_(who), budget_usd_(budget_usd) {}

  Tally go() {
    Policy policy = policy_of(scenario_);
    if (budget_usd_ > 0) policy.budgets = {{"all", budget_usd_, Per::ever, true}};
    policy_ = std::make_shared<const Policy>(policy);
    world_.emplace(scenario_, *policy_, rows_, clock_);
    const test::TemporaryFolder folder;
    books_.emplace(folder / "ledger", clock_);
    router_.emplace(
        Router::Services{.provider = [this](TargetKind) -> Provider& { return *world_; },
                         .policy = [this] { return policy_; },
                         .log = log_,
                         .account = &*books_,
                         .clock = clock_,
                         .random = [this] { return unit(); },
                         .learner = &learner_});
    TaskGroup group(io_.get_executor());
    group.spawn("arrivals", arrive(group));
    clock_.run();
    Task<> joining = end(group);
    net::co_spawn(io_, std::move(joining), [](std::exception_ptr) {});
    clock_.run();
    if (budget_usd_ > 0) {
      const PicoUsd limit = PicoUsd::from_usd(budget_usd_);
      tally_.overshoot_pico = std::max<int64_t>(0, (books_->spent() - limit).pico());
    }
    if (is_router()) tally_.misbilled_pico = (books_->spent() - PicoUsd(billed_pico_)).pico();
    tally_.usd = PicoUsd(billed_pico_).usd();
    tally_.n_limited = world_->n_limited;
    router_.reset();
    books_.reset();
    return std::move(tally_);
  }

 private:
  bool is_router() const { return who_ == Who::router || who_ == Who::forgetful; }
  double unit() { return std::uniform_real_distribution<double>()(dice_); }

  Task<> arrive(TaskGroup& group) {
    const Clock::Time begun = clock_.now();
    for (size_t i = 0; i < rows_.size(); ++i) {
      const auto after = Milliseconds(static_cast<int64_t>(rows_[i].at_ms - rows_[0].at_ms));
      co_await clock_.wait_until(begun + after);
      group.spawn("request", serve(i));
    }
  }
  Task<> end(TaskGroup& group) {
    Task<> routing = router_->join();
    co_await std::move(routing);
    Task<> serving = group.join();
    co_await std::move(serving);
  }

  // A text as long as the row says, which begins as others with the same blocks do.
  RouteRequest request_of(size_t i) const {
    const Row& row = rows_[i];
    RouteRequest request;
    request.facts.id = fmt::format("r{}", i);
    request.body.lane = std::to_string(i);
    constexpr size_t kPerToken = 4, kOfMessage = 8;
    if (row.blocks.empty()) {
      request.facts.task = TaskClass::completion;
      request.body.prompt = std::string(kPerToken * row.n_input, 'x');
      request.body.max_tokens = kMostOfCompletion;
      return request;
    }
    if (who_ == Who::forgetful) request.facts.session = request.facts.id;
    request.body.max_tokens = kMostOfAnswer;
    uint64_t n_left = row.n_input;
    for (size_t n = 0; n < row.blocks.size(); ++n) {
      const uint64_t n_tokens = std::min<uint64_t>(n_left, row.n_of_block);
      n_left -= n_tokens;
      std::string text = fmt::format("{:x}", row.blocks[n]);
      text.resize(std::max(text.size() + kOfMessage, kPerToken * n_tokens) - kOfMessage, 'x');
      request.body.messages.push_back(
          text_message(n == 0 ? Role::system : Role::user, std::move(text)));
    }
    return request;
  }

  Task<> serve(size_t i) {
    const Clock::Time begun = clock_.now();
    const Milliseconds deadline(scenario_.deadline_ms);
    ++tally_.n;
    std::string chosen;
    Answer answer = Error{Errc::busy, ""};
    for (;;) {
      RouteRequest request = request_of(i);
      const auto left = std::chrono::duration_cast<Milliseconds>(begun + deadline - clock_.now());
      request.facts.deadline_ms = static_cast<uint32_t>(left.count());
      if (is_router()) {
        auto hear = [&chosen](const Decision& decision) { chosen = decision.target; };
        Task<Answer> routing =
            router_->complete(std::move(request), [](const StreamDelta&) {}, std::move(hear));
        answer = co_await std::move(routing);
      } else {
        Task<Answer> asking = without_router(i, std::move(request), chosen);
        answer = co_await std::move(asking);
      }
      if (answer || answer.error().code != Errc::busy) break;
      // Who is told to wait does, as clients do, while there is time.
      const std::chrono::seconds second(1);
      const Clock::Time again =
          clock_.now() + std::max(answer.error().retry_after.value_or(second), second);
      if (again >= begun + deadline) break;
      co_await clock_.wait_until(again);
    }
    if (!answer) {
      ++tally_.n_refused;
      co_return;
    }
    const double ms = std::chrono::duration<double, std::milli>(clock_.now() - begun).count();
    const bool is_late = ms > scenario_.deadline_ms;
    const auto target = std::ranges::find(policy_->targets, chosen, &Target::name);
    ++tally_.n_answered;
    tally_.n_late += is_late;
    tally_.minutes += ms / 60'000;
    tally_.seconds.push_back(ms / 1000);
    if (!is_late) tally_.right += world_->quality_of(chosen);
    tally_.n_prompt += answer->usage.n_prompt;
    tally_.n_cached += answer->usage.n_cached;
    ++tally_.chosen[chosen];
    // Not what the ledger says: what the provider charges.
    if (target->price) {
      const auto now_ms =
          std::chrono::duration_cast<Milliseconds>(clock_.date().time_since_epoch()).count();
      billed_pico_ += bill(answer->usage, *target->price, now_ms).pico();
    }
  }

  // One after the other, in its order, until one has room.
  Task<Answer> without_router(size_t i, RouteRequest request, std::string& chosen) {
    std::optional<Failure> soonest;
    for (size_t at : order_of(i)) {
      const Target& target = policy_->targets[at];
      chosen = target.name;
      Attempt attempt;
      RouteRequest copy = request;
      Task<Answer> asking =
          world_->complete(target, std::move(copy), [](const StreamDelta&) {}, attempt);
      Answer answer = co_await std::move(asking);
      if (answer) co_return answer;
      if (!soonest || answer.error().retry_after < soonest->retry_after) soonest = answer.error();
    }
    co_return *soonest;
  }

  std::vector<size_t> order_of(size_t i) const {
    const auto& targets = policy_->targets;
    std::vector<size_t> order(targets.size());
    std::iota(order.begin(), order.end(), size_t{0});
    if (who_ == Who::in_turn) {
      std::ranges::rotate(order, order.begin() + static_cast<long>(i % order.size()));
      return order;
    }
    auto list_usd = [&](size_t at) {
      const Price& price = *targets[at].price;
      return rows_[i].n_input * price.input + 400 * price.output;
    };
    if (who_ == Who::cheapest) {
      // Of those that have a price: what costs nothing would have to take all there is.
      std::erase_if(order, [&](size_t at) { return !targets[at].price; });
      std::ranges::stable_sort(order, {}, list_usd);
    } else {
      std::ranges::stable_sort(order, std::greater{},
                               [&](size_t at) { return targets[at].quality; });
      std::erase_if(order,
                    [&](size_t at) { return targets[at].quality < targets[order[0]].quality; });
    }
    return order;
  }

  const Scenario& scenario_;
  const std::vector<Row>& rows_;
  const Who who_;
  const double budget_usd_;
  net::io_context io_;
  SimulatedClock clock_{io_};
  std::mt19937_64 dice_{11};
  std::shared_ptr<const Policy> policy_;
  std::optional<World> world_;
  std::optional<Books> books_;
  NoLog log_;
  Learner learner_{[this] { return unit(); }};
  std::optional<Router> router_;
  Tally tally_;
  int64_t billed_pico_ = 0;
};

// ---- tables ----

// Of all blocks, those that a cache would find which keeps what was read for so long.
double found_share(const std::vector<Row>& rows, double life_s) {
  std::unordered_map<uint64_t, double> read_ms;
  double n = 0, n_found = 0;
  for (const Row& row : rows)
    for (uint64_t block : row.blocks) {
      auto [at, is_new] = read_ms.try_emplace(block, row.at_ms);
      n += 1;
      n_found += !is_new && row.at_ms - at->second <= 1000 * life_s;
      at->second = row.at_ms;
    }
  return n > 0 ? n_found / n : 0;
}

// Requests that come late wherever they are sent, with nobody before them and no bad luck.
int64_t late_anyway(const Scenario& scenario, const std::vector<Row>& rows) {
  return std::ranges::count_if(rows, [&](const Row& row) {
    const uint32_t n_output =
        std::min(row.n_output, row.blocks.empty() ? kMostOfCompletion : kMostOfAnswer);
    return std::ranges::all_of(scenario.places, [&](const Place& place) {
      return place.first_ms + 1000 * row.n_input / place.read_per_s +
                 1000 * n_output / place.write_per_s >
             scenario.deadline_ms;
    });
  });
}

std::string line_of(std::string_view who, const Scenario& scenario, Tally tally, double budget) {
  std::ranges::sort(tally.seconds);
  auto quantile = [&](double q) {
    if (tally.seconds.empty()) return 0.0;
    return tally.seconds[static_cast<size_t>(q * static_cast<double>(tally.seconds.size() - 1))];
  };
  const double worth = scenario.value.success_usd * tally.right - tally.usd -
                       scenario.value.minute_usd * tally.minutes;
  std::string chosen;
  for (const auto& [name, n] : tally.chosen)
    chosen += fmt::format("{}\"{}\":{}", chosen.empty() ? "" : ",", name, n);
  return fmt::format(
      "{{\"who\":\"{}\",\"requests\":{},\"answered\":{},\"late\":{},\"refused\":{},\"limited\":{},"
      "\"usd\":{:.4f},\"right\":{:.2f},\"worth\":{:.4f},\"cached\":{:.4f},\"p50_s\":{:.3f},"
      "\"p95_s\":{:.3f},\"budget\":{:.2f},\"overshoot_pico\":{},\"misbilled_pico\":{},"
      "\"chosen\":{{{}}}}}",
      who, tally.n, tally.n_answered, tally.n_late, tally.n_refused, tally.n_limited, tally.usd,
      tally.right, worth, tally.n_prompt > 0 ? tally.n_cached / tally.n_prompt : 0, quantile(0.5),
      quantile(0.95), budget, tally.overshoot_pico, tally.misbilled_pico, chosen);
}

std::string table_of(const Scenario& scenario, const std::vector<Row>& rows) {
  std::string lines;
  auto add = [&](std::string_view who, const Tally& tally, double budget) {
    lines += (lines.empty() ? "" : ",") + line_of(who, scenario, tally, budget);
  };
  const bool has_blocks = !rows[0].blocks.empty();
  bool is_one_model = true;
  for (const Place& place : scenario.places)
    is_one_model = is_one_model && place.model == scenario.places[0].model;
  double usd = 0;
  for (const auto& [who, name] : kNames) {
    if (who == Who::forgetful && !has_blocks) continue;  // nothing to remember
    if (who == Who::strongest && is_one_model) continue;
    const Tally tally = Run(scenario, rows, who, 0).go();
    if (who == Who::router) usd = tally.usd;
    add(is_one_model && who == Who::cheapest ? "always the first that has room" : name, tally, 0);
  }
  const double half = std::max(0.01, std::floor(50 * usd) / 100);
  add("router with a budget of half of that", Run(scenario, rows, Who::router, half).go(), half);
  return fmt::format("{{\"name\":\"{}\",\"late_anyway\":{},\"rows\":[{}]}}", scenario.name,
                     late_anyway(scenario, rows), lines);
}

std::vector<Row> read_rows(const std::string& path) {
  std::ifstream file(path);
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    auto row = json::decode<Row>(line, "row");
    if (!row) {
      fmt::print(stderr, "{}:{}: {}\n", path, rows.size() + 1, row.error().message);
      std::exit(1);
    }
    rows.push_back(std::move(*row));
  }
  if (rows.empty()) {
    fmt::print(stderr, "{}: no rows\n", path);
    std::exit(1);
  }
  std::ranges::stable_sort(rows, {}, &Row::at_ms);
  return rows;
}

void replay_trace(const std::string& path) {
  const std::vector<Row> rows = read_rows(path);
  std::string tables;
  const bool has_blocks = !rows[0].blocks.empty();
  const std::vector<Scenario> scenarios =
      has_blocks ? std::vector{accounts(), mixed()} : std::vector{completions()};
  for (const Scenario& scenario : scenarios)
    tables += (tables.empty() ? "" : ",") + table_of(scenario, rows);
  fmt::print(
      "{{\"requests\":{},\"hours\":{:.3f},\"endless\":{:.4f},\"five_minutes\":{:.4f},\"tables\":[{}"
      "]}}\n",
      rows.size(), (rows.back().at_ms - rows[0].at_ms) / 3.6e6, found_share(rows, INFINITY),
      found_share(rows, 300), tables);
}

}  // namespace
}  // namespace hearth::router

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: trace_bench FILE.jsonl\n");
    return 2;
  }
  hearth::router::replay_trace(argv[1]);
  return 0;
}
