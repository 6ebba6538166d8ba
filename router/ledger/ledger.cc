#include "router/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "ledger/rows.h"
#include "money/output_history.h"
#include "router/effort.h"
#include "support/log.h"
#include "support/path.h"

namespace hearth::router {

namespace {

// Without a word of the client: what is asked of a budget that has plenty; and, until answers of
// its kind were seen, what one needs to be worth its prompt.
constexpr uint32_t kUsualOutput = 16'384, kLeastOutput = 1'024;

constexpr int64_t kDayMs = 24 * 3'600'000;

// Bounds of what one attempt may be billed for.
struct Bounds {
  uint64_t max_prompt = 0;
  uint32_t most_output = 0;   // that may come
  uint32_t least_output = 0;  // that must be payable
  bool hour_cache = false;
  PicoUsd cost(const Price& price, uint32_t n_output, int64_t time_ms) const {
    return worst_bill(max_prompt, n_output, hour_cache, price, time_ms);
  }
};

Bounds bounds_of(uint64_t n_prompt_estimate, uint32_t max_output, uint32_t n_model_output,
                 bool only_reads, bool hour_cache, std::optional<uint32_t> usual_most,
                 std::optional<Effort> effort) {
  // No tokenizer makes more than one token of a byte, and the estimate is a token for four. Beside
  // the text, what a provider's template adds.
  constexpr uint64_t kTokensPerEstimated = 4, kTemplate = 512;
  Bounds bounds;
  bounds.max_prompt = n_prompt_estimate * kTokensPerEstimated + kTemplate;
  bounds.most_output = max_output ? max_output : kUsualOutput;
  if (n_model_output) bounds.most_output = std::min(bounds.most_output, n_model_output);
  if (only_reads) bounds.most_output = 0;
  const double factor = effort ? thought_factor(*effort) : 1;
  const auto least = static_cast<uint32_t>(kLeastOutput * factor);
  bounds.least_output = std::min(bounds.most_output, usual_most.value_or(least));
  bounds.hour_cache = hour_cache;
  return bounds;
}

PicoUsd left_of(const Budget& budget, const Spending::Sums& sums) {
  return budget.limit() - sums.spent - sums.held;
}

// How many tokens an attempt may give: all that are asked for while that is no more than a quarter
// of what is left, so that others who ask at the same time find something.
uint32_t granted_output(const Bounds& bounds, const Price& price, PicoUsd left, int64_t time_ms) {
  const PicoUsd share(left.pico() / 4);
  if (bounds.cost(price, bounds.most_output, time_ms) <= share) return bounds.most_output;
  const PicoUsd prompt = bounds.cost(price, 0, time_ms);
  const int64_t one = std::max<int64_t>(1, (bounds.cost(price, 1, time_ms) - prompt).pico());
  const int64_t payable = std::max<int64_t>(0, (share - prompt).pico() / one);
  return static_cast<uint32_t>(
      std::clamp<int64_t>(payable, bounds.least_output, bounds.most_output));
}

// More tokens than these are no count but an error of whoever counted.
uint64_t plausible_prompt(uint64_t n_estimate) { return n_estimate * 8 + 200'000; }
constexpr uint64_t kPlausibleOutput = 4'000'000;

bool differs(PicoUsd ours, PicoUsd theirs) {
  const PicoUsd distance = ours > theirs ? ours - theirs : theirs - ours;
  return distance.pico() > 1'000'000 && distance.pico() > ours.pico() / 100;  // 1e-6 USD, 1 %
}

}  // namespace

struct Ledger::Open {
  Spend spend;
  AttemptRow row;
  bool is_free = false;
};

Ledger::Ledger(net::any_io_executor loop, Options options, file::Descriptor lock)
    : loop_(std::move(loop)),
      options_(std::move(options)),
      lock_(std::move(lock)),
      outputs_(std::make_unique<OutputHistory>()) {}

Ledger::~Ledger() = default;

std::string Ledger::file_in(const std::string& folder) { return path::join(folder, "ledger.db"); }

Result<std::unique_ptr<Ledger>> Ledger::open(net::any_io_executor loop, Options options) {
  auto lock = storage::take_folder(options.folder, ledger_schema());
  if (!lock) return lock.error();
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(loop), std::move(options), std::move(*lock)));
  const std::string path = file_in(ledger->options_.folder);
  auto opened = storage::open_file(path, ledger->options_.vfs, ledger_schema());
  if (!opened) return opened.error();
  ledger->set_aside_ = std::move(opened->set_aside);
  ledger->lost_ = storage::set_aside_of(path);
  if (auto loaded = ledger->load(opened->database); !loaded) return loaded.error();
  ledger->writer_ =
      std::make_unique<storage::Writer>(std::string(ledger_schema().subject),
                                        std::move(opened->database), path, ledger->options_.vfs);
  return ledger;
}

// What was under way when the last daemon ended is unknown from now on; then the sums.
Result<> Ledger::load(storage::Database& database) {
  if (auto marked = database.run("UPDATE attempts SET state='unknown' WHERE state='reserved'");
      !marked)
    return marked;
  auto last = database.number("SELECT max(id) FROM attempts");
  if (!last) return last.error();
  next_id_ = *last + 1;

  auto unknown =
      database.prepare(fmt::format("SELECT {} FROM attempts WHERE state='unknown'", kRowColumns));
  if (!unknown) return unknown.error();
  for (;;) {
    auto row = unknown->step();
    if (!row) return row.error();
    if (!*row) break;
    AttemptRow found = row_of(*unknown);
    unknown_.emplace(found.id, std::move(found));
  }
  if (!unknown_.empty())
    log::warn("attempts whose cost is not known count at their most; see `hearth ledger unknown`",
              {{"attempts", unknown_.size()}});

  auto lengths = database.prepare(
      "SELECT class,target,effort,output FROM attempts WHERE state='settled' AND failed IS NULL "
      "AND output > 0 ORDER BY id DESC LIMIT 2000");  // 0: of what was only read, nearly always
  if (!lengths) return lengths.error();
  for (;;) {
    auto row = lengths->step();
    if (!row) return row.error();
    if (!*row) break;
    if (auto task = enum_from_name<TaskClass>(lengths->text(0)))
      outputs_->add(*task, std::string(lengths->text(1)), enum_from_name<Effort>(lengths->text(2)),
                    static_cast<uint32_t>(lengths->integer(3)));
  }

  const int64_t before = now_ms() - 62 * kDayMs;
  auto add = [&](const std::string& sql) -> Result<> {
    auto query = database.prepare(sql);
    if (!query) return query.error();
    query->bind(1, before);
    for (;;) {
      auto row = query->step();
      if (!row) return row.error();
      if (!*row) return {};
      const Party party{std::string(query->text(1)), std::string(query->text(2)),
                        std::string(query->text(3)), std::string(query->text(5)),
                        enum_from_name<TaskClass>(query->text(4)).value_or(TaskClass::chat)};
      spending_.add(party, query->integer(0), {PicoUsd(query->integer(6)), {}});
    }
  };
  constexpr const char* kSums =
      "SELECT {},session,project,token,class,target,{} FROM attempts WHERE cost>0 AND t{}?1 {}";
  if (auto recent = add(fmt::format(kSums, "t", "cost", ">=", "")); !recent) return recent;
  return add(
      fmt::format(kSums, "0", "sum(cost)", "<", "GROUP BY session,project,token,class,target"));
}

int64_t Ledger::now_ms() const {
  if (options_.now_ms) return options_.now_ms();
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::optional<Spending::Sums> Ledger::tightest(const Policy& policy, const Party& party,
                                               int64_t now_ms, const Budget*& budget) const {
  std::optional<Spending::Sums> least;
  for (const Budget& each : policy.budgets) {
    if (!each.is_hard) continue;
    auto sums = spending_.sums(each, party, now_ms);
    if (!sums || (least && left_of(each, *sums) >= left_of(*budget, *least))) continue;
    least = sums;
    budget = &each;
  }
  return least;
}

Means Ledger::means(const Policy& policy, const RequestFacts& facts, const Target& target,
                    std::optional<Effort> effort) const {
  Means means;
  if (!target.price || policy.budgets.empty()) return means;
  const int64_t now = now_ms();
  const Bounds bounds =
      bounds_of(facts.n_prompt_estimate, facts.max_tokens, target.n_max_output, facts.only_reads,
                facts.asks_for_hour_cache, outputs_->p99(facts.task, target.name, effort), effort);
  means.needed = bounds.cost(*target.price, bounds.least_output, now).pico();
  if (means.needed == 0) return means;
  const Party party{facts.session, facts.project, facts.token, target.name, facts.task};
  const Budget* budget = nullptr;
  if (auto sums = tightest(policy, party, now, budget)) {
    means.budget = budget->scope;
    means.period = period_words(budget->per);
    means.limit = budget->limit().pico();
    means.spent = sums->spent.pico();
    means.held = sums->held.pico();
  }
  return means;
}

Task<Result<Hold>> Ledger::reserve(Spend spend) {
  const int64_t now = now_ms();
  const Bounds bounds =
      bounds_of(spend.n_prompt_estimate, spend.max_output, spend.n_model_output, spend.only_reads,
                spend.asks_for_hour_cache,
                outputs_->p99(spend.party.task, spend.party.target, spend.effort), spend.effort);
  auto attempt = std::make_unique<Open>();
  AttemptRow& row = attempt->row;
  row.id = next_id_++;
  row.decision = spend.decision;
  row.request = spend.request;
  row.n_attempt = spend.n_attempt;
  row.time_ms = now;
  row.party = spend.party;
  row.provider = spend.provider;
  row.model = spend.model;
  row.effort = spend.effort;
  row.is_hedge = spend.is_hedge;
  begin_run(spend, now);
  Hold hold;
  hold.id = row.id;
  attempt->is_free = !spend.price || worst_rates(*spend.price, bounds.max_prompt, now).is_free();
  if (attempt->is_free) {
    attempt->spend = std::move(spend);
    open_.emplace(hold.id, std::move(attempt));
    co_return hold;
  }
  row.rates = rates_at(*spend.price, spend.n_prompt_estimate, now);
  uint32_t n_output = bounds.most_output;
  const Budget* budget = nullptr;
  if (auto sums = tightest(*spend.policy, spend.party, now, budget)) {
    if (!lost_.empty())
      co_return Error{Errc::over_budget,
                      fmt::format("budget {} cannot be checked: {} is damaged, and what it held is "
                                  "not counted; move it out of the folder to begin anew, and start "
                                  "the daemon again",
                                  budget->scope, lost_.front())};
    const PicoUsd left = left_of(*budget, *sums);
    n_output = granted_output(bounds, *spend.price, left, now);
    hold.max_output_tokens = n_output;
    const PicoUsd needed = bounds.cost(*spend.price, n_output, now);
    if (needed > left) {
      ++totals_.n_refused;
      const Means means{
          needed.pico(),          budget->scope,      std::string(period_words(budget->per)),
          budget->limit().pico(), sums->spent.pico(), sums->held.pico()};
      co_return Error{Errc::over_budget, shortfall(means).value_or("the budget is spent")};
    }
  }
  hold.amount = bounds.cost(*spend.price, n_output, now);
  row.reserved = row.cost = hold.amount;
  // From here on others find the money taken, while the disk is still being waited for.
  spending_.add(row.party, now, {{}, hold.amount});
  attempt->spend = std::move(spend);
  storage::Writer::Write write;
  write.work = [row](storage::Database& database) { return put_row(database, row); };
  write.withdraw = [id = row.id](storage::Database& database) { return drop_row(database, id); };
  const Party party = row.party;
  open_.emplace(hold.id, std::move(attempt));
  auto kept = co_await writer_->commit(loop_, std::move(write));
  if (!kept) {
    spending_.add(party, now, {{}, PicoUsd() - hold.amount});
    open_.erase(hold.id);
    co_return Error{kept.error().code,
                    fmt::format("nothing was sent, since its cost could not be written down: {}",
                                kept.error().message)};
  }
  co_return hold;
}

PicoUsd Ledger::settle(const Hold& hold, const Settlement& settlement) {
  auto found = open_.find(hold.id);
  if (found == open_.end()) return {};
  const Open& attempt = *found->second;
  const Spend& spend = attempt.spend;
  AttemptRow row = attempt.row;
  row.failed_as = settlement.failed_as;
  size_t n_word = std::min<size_t>(settlement.word.size(), 80);
  while (n_word > 0 && n_word < settlement.word.size() && (settlement.word[n_word] & 0xc0) == 0x80)
    --n_word;  // not within a character
  row.word = settlement.word.substr(0, n_word);
  row.state = AttemptState::settled;
  if (settlement.reported) {
    row.usage = *settlement.reported;
    if (auto wrong =
            check_usage(row.usage, plausible_prompt(spend.n_prompt_estimate), kPlausibleOutput)) {
      log::warn("a provider's count of tokens makes no sense; the attempt is billed by its size",
                {{"target", row.party.target}, {"request", row.request}, {"count", *wrong}});
      row.state = AttemptState::estimated;
    }
  } else {
    row.state = AttemptState::estimated;
  }
  if (row.state == AttemptState::estimated) {
    row.usage = settlement.estimate;
    // More was not asked for.
    if (hold.max_output_tokens) {
      row.usage.n_completion = std::min(row.usage.n_completion, hold.max_output_tokens);
      row.usage.n_reasoning = std::min(row.usage.n_reasoning, row.usage.n_completion);
    }
    ++totals_.n_estimated;
  }
  if (spend.price) {
    row.rates = rates_at(*spend.price, row.usage.n_prompt, row.time_ms);
    row.cost = bill(row.usage, row.rates);
  }
  if (row.state == AttemptState::settled && !row.failed_as && !spend.only_reads)
    outputs_->add(row.party.task, row.party.target, row.effort, row.usage.n_completion);
  if (settlement.reported_cost && *settlement.reported_cost >= PicoUsd()) {
    row.reported = settlement.reported_cost;
    if (row.state == AttemptState::settled && differs(row.cost, *row.reported)) {
      ++totals_.n_drifted;
      log::warn("a provider's bill differs from its price in the policy or the catalogue",
                {{"target", row.party.target},
                 {"billed", to_text(*row.reported)},
                 {"expected", to_text(row.cost)}});
    }
    row.cost = *row.reported;
    row.state = AttemptState::settled;
  }
  if (row.cost > hold.amount) ++totals_.n_overshot;
  const PicoUsd cost = row.cost;
  end(attempt, std::move(row));
  open_.erase(found);
  return cost;
}

void Ledger::release(const Hold& hold) {
  auto found = open_.find(hold.id);
  if (found == open_.end()) return;
  AttemptRow row = found->second->row;
  row.state = AttemptState::released;
  row.cost = {};
  end(*found->second, std::move(row));
  open_.erase(found);
}

// Frees what was held, counts what it cost, and writes the row.
void Ledger::end(const Open& attempt, AttemptRow row) {
  row.ended_ms = now_ms();
  spending_.add(row.party, row.time_ms, {row.cost, PicoUsd() - row.reserved});
  constexpr int64_t kForgetEvery = 4096;
  if (row.id % kForgetEvery == 0) spending_.forget_details(row.ended_ms);
  ByTarget& target = totals_.targets[row.party.target];
  ++target.n_attempts;
  target.spent += row.cost;
  if (auto run = runs_.find(row.party.session);
      run != runs_.end() && run->second.n_spoken == attempt.spend.n_spoken)
    run->second.n_tokens += row.usage.n_prompt + uint64_t{row.usage.n_completion};
  if (attempt.spend.policy) tell_of_soft_budgets(*attempt.spend.policy, row.party, row.time_ms);
  // What cost nothing is no loss; what did is kept until the disk takes it.
  if (attempt.is_free && row.cost == PicoUsd() && writer_->failure()) {
    ++totals_.n_dropped;
    return;
  }
  storage::Writer::Write write;
  write.may_wait = attempt.is_free;
  write.work = [row = std::move(row)](storage::Database& database) {
    return put_row(database, row);
  };
  writer_->queue(std::move(write));
}

void Ledger::begin_run(const Spend& spend, int64_t now_ms) {
  constexpr size_t kMaxRuns = 4096;
  if (spend.party.session.empty()) return;
  auto [run, is_new] = runs_.try_emplace(spend.party.session);
  if (is_new || run->second.n_spoken != spend.n_spoken) run->second = {spend.n_spoken, now_ms, 0};
  if (runs_.size() > kMaxRuns) {
    auto oldest =
        std::ranges::min_element(runs_, {}, [](const auto& each) { return each.second.begun_ms; });
    runs_.erase(oldest);
  }
}

void Ledger::recall(RequestFacts& facts) const {
  auto run = runs_.find(facts.session);
  if (run == runs_.end() || run->second.n_spoken != facts.rounds.n_spoken) return;
  facts.rounds.n_tokens = run->second.n_tokens;
  facts.rounds.ms = static_cast<uint64_t>(std::max<int64_t>(0, now_ms() - run->second.begun_ms));
}

void Ledger::tell_of_soft_budgets(const Policy& policy, const Party& party, int64_t now_ms) {
  for (const Budget& budget : policy.budgets) {
    if (budget.is_hard) continue;
    auto sums = spending_.sums(budget, party, now_ms);
    if (!sums || sums->spent <= budget.limit()) continue;
    const int64_t period = period_start(budget.per, now_ms);
    if (!told_.emplace(budget.scope, period).second) continue;
    log::warn("a budget is passed", {{"budget", budget.scope},
                                     {"usd", to_text(budget.limit())},
                                     {"spent", to_text(sums->spent)}});
  }
}

Task<Result<>> Ledger::decide(int64_t id, PicoUsd cost) {
  auto found = unknown_.find(id);
  if (found == unknown_.end())
    co_return Error{Errc::not_found, fmt::format("no attempt {} of unknown cost", id)};
  if (cost < PicoUsd()) co_return Error{Errc::invalid, "a cost is not negative"};
  AttemptRow row = found->second;
  row.state = AttemptState::decided;
  row.cost = cost;
  row.ended_ms = now_ms();
  storage::Writer::Write write;
  write.work = [row](storage::Database& database) { return put_row(database, row); };
  write.withdraw = [before = found->second](storage::Database& database) {
    return put_row(database, before);
  };
  auto kept = co_await writer_->commit(loop_, std::move(write));
  if (!kept) co_return kept.error();
  found = unknown_.find(id);
  if (found == unknown_.end()) co_return Result<>();
  spending_.add(row.party, row.time_ms, {cost - found->second.cost, {}});
  unknown_.erase(found);
  co_return Result<>();
}

Task<Result<>> Ledger::flush() { return writer_->commit(loop_, {}); }

PicoUsd Ledger::held() const {
  PicoUsd sum;
  for (const auto& [id, attempt] : open_) sum += attempt->row.reserved;
  return sum;
}

Spending::Sums Ledger::spent(const Budget& budget) const {
  return spending_.sums(budget, party_of(budget), now_ms()).value_or(Spending::Sums{});
}

PicoUsd Ledger::spent_since(Per per) const {
  Budget all;
  all.scope = "all";
  all.per = per;
  return spent(all).spent;
}

}  // namespace hearth::router
