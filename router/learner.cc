#include "router/learner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <list>
#include <random>
#include <set>
#include <span>

#include "cache_memory.h"
#include "classify.h"
#include "privacy/text_key.h"
#include "providers/table.h"
#include "router/effort.h"
#include "router/money.h"
#include "router/terms.h"
#include "support/json.h"

namespace hearth::router {

namespace {

constexpr size_t kMaxConversations = 2048, kMaxReaders = 8, kMaxPending = 4096;
constexpr double kWordOfPolicy = 20;       // verdicts
constexpr double kErrorMemory = 300;       // answers
constexpr int64_t kUsualPauseMs = 60'000;  // between two requests of a conversation
constexpr int64_t kDayMs = 86'400'000;

// Where a prompt stands after each of its messages: a digest of all up to there, and tokens.
struct Mark {
  uint64_t digest = 0;
  uint64_t n_tokens = 0;
};

// Sizes and ends of texts, not all of their bytes: what differs in the middle alone, at the same
// length, is taken for the same. A wrong guess costs a forecast, no answer. About 10 ns a message.
class Digest {
 public:
  void add(uint64_t value) {
    value_ = (value_ ^ value) * 0x9e3779b97f4a7c15;
    value_ ^= value_ >> 32;
  }
  void add(std::string_view text) {
    add(text.size());
    constexpr size_t kEnd = 64;
    if (text.size() <= 2 * kEnd) return add(text_key(text).low);
    const char* end = text.data() + text.size() - kEnd;
    uint64_t both = value_;
    for (size_t i = 0; i < kEnd; i += 8) {
      const auto product = static_cast<unsigned __int128>(both ^ eight_at(text.data() + i)) *
                           (eight_at(end + i) ^ 0xa0761d6478bd642f);
      both = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64) ^ kStep;
    }
    add(both);
  }
  uint64_t value() const { return value_; }

 private:
  static constexpr uint64_t kStep = 0xe7037ed1a0b428db;  // out of 0, where all would stay the same
  static uint64_t eight_at(const char* bytes) {
    uint64_t eight = 0;
    std::memcpy(&eight, bytes, sizeof eight);
    return eight;
  }

  uint64_t value_ = 0xcbf29ce484222325;
};

std::vector<Mark> marks_of(const CompletionRequest& request) {
  Digest digest;
  size_t n_bytes = 0;
  for (const ToolSpec& tool : request.tools) {
    digest.add(tool.name);
    digest.add(tool.parameters.text.size());
    n_bytes += tool.name.size() + tool.description.size() + tool.parameters.text.size();
  }
  std::vector<Mark> marks;
  marks.reserve(request.messages.size());
  for (const Message& message : request.messages) {
    digest.add(static_cast<uint64_t>(message.role));
    n_bytes += 8;
    for (const Block& block : message.blocks) {
      auto take = [&](std::string_view text) {
        digest.add(text);
        n_bytes += text.size();
      };
      if (auto* text = std::get_if<Text>(&block.content)) take(text->text);
      if (auto* call = std::get_if<ToolCall>(&block.content)) take(call->arguments);
      if (auto* result = std::get_if<ToolResult>(&block.content)) take(result->text);
    }
    marks.push_back({digest.value(), n_bytes / 4 + 1});
  }
  return marks;
}

// A mark stands for all before it, so the place where two conversations part can be halved for.
uint64_t common_tokens(const std::vector<Mark>& now, const std::vector<Mark>& before) {
  const std::span common(now.data(), std::min(now.size(), before.size()));
  const auto parting = std::ranges::partition_point(
      common, [&](const Mark& mark) { return mark.digest == before[&mark - now.data()].digest; });
  return parting == common.begin() ? 0 : std::prev(parting)->n_tokens;
}

// Whose conversation this is when nobody says: its first messages.
std::string key_of(const RequestFacts& facts, const std::vector<Mark>& marks) {
  if (!facts.session.empty()) return facts.session;
  if (marks.size() < 2) return "";
  return "#" + std::to_string(marks[1].digest);
}

bool may_explore(const Explore& explore, TaskClass task) {
  return std::ranges::any_of(explore.classes, [&](const std::string& name) {
    return name == "all" || name == enum_name(task);
  });
}

// As many more as there were: conversations end as seldom as they are long.
double expected_requests(TaskClass task, bool is_conversation, uint32_t n_turns) {
  if (!is_conversation) return 0;
  if (n_turns > 0) return std::clamp<double>(n_turns, 1, 20);
  switch (task) {
    case TaskClass::chat: return 2;
    case TaskClass::edit: return 4;
    case TaskClass::plan: return 6;
    case TaskClass::tool_turn: return 8;
    default: return 0;
  }
}

std::string_view last_words(const CompletionRequest& request) {
  if (request.prompt) return *request.prompt;
  for (auto message = request.messages.rbegin(); message != request.messages.rend(); ++message)
    if (message->role == Role::user)
      for (const Block& block : message->blocks)
        if (auto* text = std::get_if<Text>(&block.content)) return text->text;
  return "";
}

// What is wrong with an answer that anybody can see.
std::optional<double> visible_quality(const Completion& completion) {
  for (const Block& block : completion.message.blocks)
    if (auto* call = std::get_if<ToolCall>(&block.content))
      if (!call->arguments.empty() && !json::Document::parse(call->arguments)) return 0.0;
  return std::nullopt;
}

// The instructions that a prompt begins with, in tokens.
uint64_t instructions_of(const CompletionRequest& request, const std::vector<Mark>& marks) {
  size_t n = 0;
  auto instructs = [](const Message& message) {
    return message.role == Role::system || message.role == Role::developer;
  };
  while (n < marks.size() && instructs(request.messages[n])) ++n;
  return n ? marks[n - 1].n_tokens : 0;
}

Terms terms_of_facts(const RequestFacts& facts, std::string_view words) {
  return terms_of(words, {.task = enum_name(facts.task),
                          .n_input_tokens = facts.n_prompt_estimate,
                          .n_output_tokens = 0});
}

}  // namespace

double machine_chance() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

double ForecastError::cost() const { return n > 0 ? std::sqrt(squared_cost / n) : 0; }
double ForecastError::seconds() const { return n > 0 ? std::sqrt(squared_seconds / n) : 0; }
double ForecastError::quality() const {
  return n_judged > 0 ? std::sqrt(squared_quality / n_judged) : 0;
}

struct Learner::Memory {
  struct Reader {
    std::string target;
    std::optional<Effort> effort;
    std::vector<Mark> marks;
    int64_t time_ms = 0;
  };
  struct Conversation {
    std::string key;
    std::vector<Reader> readers;  // the last one at the end
    std::string target;           // that answered last
    std::optional<Effort> effort;
    std::string decision;      // of the last request
    uint64_t last_digest = 0;  // of the last request's whole prompt
    uint32_t n_turns = 0, n_held = 0, n_failed = 0;
    double spent_usd = 0, switching_usd = 0;
    int64_t time_ms = 0;
  };
  struct Pending {
    Estimator::Look look;
    std::string key;
    std::vector<Mark> marks;
    std::string target, provider;
    std::optional<Effort> effort;
    std::string name;             // what outcomes are remembered by
    size_t place = SIZE_MAX;      // of its target in the policy
    uint64_t n_instructions = 0;  // tokens
    double quality = 0;           // forecast
    double stated = 0;            // by the policy
    uint64_t n_warm = 0;
    int64_t idle_ms = 0;

    // Whose answer it is, at what level.
    void is_of(const DecisionRecord& record, const std::string& who) {
      target = name = who;
      effort = answered_effort(record, who);
      const Candidate* candidate = find_candidate(record.decision, who, effort);
      if (!candidate) return;
      const auto i = static_cast<size_t>(candidate - record.decision.candidates.data());
      quality = candidate->quality;
      place = place_of(record.decision, i);
      if (place < record.states.size()) name = outcome_name(who, record.states[place], effort);
    }
  };

  Estimator estimator;
  CacheMemory caches;
  ExplorationAccount account;
  int64_t day = 0;
  std::list<Conversation> conversations;  // the most recent first
  std::map<std::string, std::list<Conversation>::iterator, std::less<>> by_key;
  std::map<std::string, Pending> pending;  // by decision
  std::list<std::string> order;            // of pending
  // Of the request that is being decided: prepare() to decided().
  std::optional<Pending> current;
  // By what outcomes are remembered by.
  std::map<std::string, double, std::less<>> n_judged, n_answered;  // answers
  std::set<std::string, std::less<>> are_timed;  // targets that took a time to answer

  Conversation* find(const std::string& key) {
    auto found = by_key.find(key);
    return found == by_key.end() ? nullptr : &*found->second;
  }
  Conversation& touch(const std::string& key) {
    if (auto found = by_key.find(key); found != by_key.end()) {
      conversations.splice(conversations.begin(), conversations, found->second);
      return conversations.front();
    }
    if (conversations.size() >= kMaxConversations) {
      by_key.erase(conversations.back().key);
      conversations.pop_back();
    }
    conversations.push_front({});
    conversations.front().key = key;
    by_key[key] = conversations.begin();
    return conversations.front();
  }
  // What of this prompt a target has read at any level, as far as it helps at this one.
  Warmth warmth(const Conversation* at, const Target& target, std::optional<Effort> effort,
                int64_t time_ms) const {
    Warmth warm;
    warm.later = caches.chance(target.provider, kUsualPauseMs, target.cache_life_s);
    if (!at) return warm;
    for (const Reader& reader : at->readers) {
      if (reader.target != target.name) continue;
      uint64_t n_tokens = common_tokens(current->marks, reader.marks);
      if (reader.effort != effort) n_tokens = std::min(n_tokens, kept_across_efforts(target));
      const double chance =
          caches.chance(target.provider, time_ms - reader.time_ms, target.cache_life_s);
      if (chance * static_cast<double>(n_tokens) < warm.chance * static_cast<double>(warm.n_tokens))
        continue;
      warm.n_tokens = n_tokens;
      warm.chance = chance;
    }
    return warm;
  }
  uint64_t kept_across_efforts(const Target& target) const {
    switch (row_of(target.provider).quirks.effort_keeps) {
      case EffortKeeps::prompt: break;
      case EffortKeeps::instructions: return current->n_instructions;
      case EffortKeeps::nothing: return 0;
    }
    return UINT64_MAX;
  }

  // The policy's word counts as much as some verdicts do; until there is one it stands alone.
  Belief belief(const std::string& name, const Target& target, double stated, bool explores) {
    Belief belief;
    auto verdicts = n_judged.find(name);
    const bool is_judged = verdicts != n_judged.end();
    Belief learned = estimator.belief(name, current->look, is_judged);
    // Cost follows from prices and lengths, the engine's times from its own figures.
    belief.n_output = learned.n_output;
    // Until it has answered, the policy's word on its speed goes over what others took: else a
    // deadline that these can hardly meet would keep it from ever being tried.
    const bool is_told = target.ttft_ms || target.tokens_per_s;
    if (target.kind == TargetKind::api && (are_timed.contains(target.name) || !is_told))
      belief.latency_ms = learned.latency_ms;
    if (is_judged) {
      const double share = verdicts->second / (verdicts->second + kWordOfPolicy);
      belief.quality = learned.quality;
      belief.quality->mean = share * belief.quality->mean + (1 - share) * stated;
    } else if (explores && !n_judged.empty()) {
      // Where answers are judged, who was not yet may be better or worse than the policy says.
      belief.quality = Spread{stated, std::sqrt(stated * (1 - stated) / kWordOfPolicy)};
    }
    return belief;
  }

  // A level that was never asked for: lengths and times as of the one of its target that was asked
  // for most, by what is usual between the two.
  void foresee_untried(const Target& target, TargetState& state) const {
    const EffortState* tried = nullptr;
    double most = 0;
    for (const EffortState& level : state.efforts) {
      auto n = n_answered.find(outcome_name(target.name, level.effort));
      if (n == n_answered.end() || n->second <= most) continue;
      most = n->second;
      tried = &level;
    }
    for (EffortState& level : state.efforts) {
      if (n_answered.contains(outcome_name(target.name, level.effort))) continue;
      level.belief.n_output.reset();
      level.belief.latency_ms.reset();
      if (!tried) continue;
      const double ratio = at_level(target, {}, level.effort).n_output /
                           at_level(target, {}, tried->effort).n_output;
      // Its length may be as wide as it is long: nobody has seen it. A time as wide would keep it
      // out of every deadline, and so from ever being seen.
      if (const auto& length = tried->belief.n_output)
        level.belief.n_output = Spread{length->mean * ratio, length->mean * ratio};
      if (const auto& time = tried->belief.latency_ms)
        level.belief.latency_ms = Spread{time->mean * ratio, time->sd * ratio};
    }
  }

  void remember(const std::string& id, Pending what) {
    if (pending.size() >= kMaxPending) {
      pending.erase(order.front());
      order.pop_front();
    }
    pending[id] = std::move(what);
    order.push_back(id);
  }
};

Learner::Learner(std::function<double()> random)
    : random_(std::move(random)), memory_(std::make_unique<Memory>()) {}
Learner::~Learner() = default;

void Learner::prepare(const Policy& policy, RouteRequest& request, int64_t now_ms) {
  Memory& memory = *memory_;
  RequestFacts& facts = request.facts;
  facts.time_ms = now_ms;
  if (facts.task == TaskClass::chat) facts.task = classify(request.body);
  Memory::Pending current;
  current.marks = marks_of(request.body);
  current.n_instructions = instructions_of(request.body, current.marks);
  current.key = key_of(facts, current.marks);
  const Terms terms = terms_of_facts(facts, last_words(request.body));
  memory.estimator.meet(terms);
  current.look = memory.estimator.look(terms);
  Memory::Conversation* at = current.key.empty() ? nullptr : memory.find(current.key);
  if (at && at->n_turns > 0) {
    // The very same prompt again: the answer was not what was wanted.
    if (!facts.session.empty() && !current.marks.empty() &&
        current.marks.back().digest == at->last_digest)
      judged(at->decision, 0);
    Past past;
    past.target = at->target;
    past.effort = at->effort;
    for (const Memory::Reader& reader : at->readers)
      if (reader.target == at->target) past.n_read = common_tokens(current.marks, reader.marks);
    past.idle_ms = now_ms - at->time_ms;
    past.n_turns = at->n_turns;
    past.n_held = at->n_held;
    past.n_failed = at->n_failed;
    past.spent_usd = at->spent_usd;
    past.switching_usd = at->switching_usd;
    past.is_tool_round = facts.task == TaskClass::tool_turn;
    for (const Message& message : request.body.messages)
      for (const Block& block : message.blocks)
        past.is_signed = past.is_signed || std::holds_alternative<Opaque>(block.content);
    facts.past = std::move(past);
  }
  facts.n_to_come = expected_requests(facts.task, !current.key.empty(), at ? at->n_turns : 0);
  if (now_ms / kDayMs != memory.day) {
    memory.day = now_ms / kDayMs;
    memory.account.begin_day();
  }
  if (!facts.past && may_explore(policy.explore, facts.task))
    facts.exploration = {random_(),
                         memory.account.allowance_usd(policy.explore, memory.account.n_to_come()),
                         memory.account.n_to_come()};
  memory.current = std::move(current);
}

void Learner::foresee(const Policy& policy, const RequestFacts& facts,
                      std::vector<TargetState>& states) {
  Memory& memory = *memory_;
  if (!memory.current) return;
  const Memory::Conversation* at =
      memory.current->key.empty() ? nullptr : memory.find(memory.current->key);
  const bool explores = facts.exploration.has_value();
  for (size_t i = 0; i < states.size(); ++i) {
    const Target& target = policy.targets[i];
    TargetState& state = states[i];
    const bool is_api = target.kind == TargetKind::api && state.warm.n_tokens == 0;
    make_levels(facts, policy, target, state);
    if (state.efforts.empty()) {
      state.belief = memory.belief(target.name, target, target.quality, explores);
      const Levels levels = levels_of(facts, policy, target);
      if (is_api) state.warm = memory.warmth(at, target, levels.front(), facts.time_ms);
    }
    for (EffortState& level : state.efforts) {
      const double stated = at_level(target, {}, level.effort).quality;
      level.belief =
          memory.belief(outcome_name(target.name, level.effort), target, stated, explores);
      level.warm = is_api ? memory.warmth(at, target, level.effort, facts.time_ms) : state.warm;
    }
    memory.foresee_untried(target, state);
  }
}

void Learner::decided(const Policy& policy, const DecisionRecord& record) {
  Memory& memory = *memory_;
  if (!memory.current) return;
  Memory::Pending current = std::move(*memory.current);
  memory.current.reset();
  if (record.decision.target.empty()) return;
  if (record.facts.exploration) memory.account.add(record.decision);
  current.is_of(record, record.decision.target);
  if (current.place < std::min(policy.targets.size(), record.states.size())) {
    const Target& target = policy.targets[current.place];
    const AtLevel at = at_level(target, record.states[current.place], current.effort);
    current.provider = target.provider;
    current.stated = at.quality;
    current.n_warm = at.warm.n_tokens;
  }
  if (record.facts.past) current.idle_ms = record.facts.past->idle_ms;
  memory.remember(record.decision.id, std::move(current));
}

void Learner::ended(const DecisionRecord& record, const Answer& answer, int64_t now_ms) {
  Memory& memory = *memory_;
  auto found = memory.pending.find(record.decision.id);
  if (found == memory.pending.end() || !answer) return;
  if (record.facts.only_reads) return;  // of answers it tells nothing
  Memory::Pending& pending = found->second;
  const Completion& completion = *answer;
  // Whose answer it is, is what a verdict is about and who has read the conversation. How long it
  // took and what it cost is of several targets, and says nothing of one.
  if (record.stand_in) pending.is_of(record, record.stand_in->target);
  const Candidate* candidate = find_candidate(record.decision, pending.target, pending.effort);
  const double seconds = static_cast<double>(now_ms - record.time_ms) / 1000;
  const double usd = completion.usage.cost_pico ? PicoUsd(*completion.usage.cost_pico).usd() : 0;
  Outcome outcome;
  if (!record.stand_in) {
    outcome.latency_ms = 1000 * seconds;
    memory.are_timed.insert(pending.target);
  }
  outcome.n_output = completion.usage.n_completion;
  memory.estimator.learn(pending.name, pending.look, outcome);
  memory.n_answered[pending.name] += 1;

  if (!record.stand_in && candidate) {
    ForecastError& error = errors_[pending.target];
    auto relative = [](double foretold, double came) {
      const double part = (foretold - came) / std::max(came, 1e-9);
      return std::min(part * part, 100.0);
    };
    error.n += 1;
    if (usd > 0) error.squared_cost += relative(candidate->cost_usd, usd);
    error.squared_seconds += relative(candidate->latency_ms / 1000, seconds);
    if (error.n > kErrorMemory) {
      const double keep = kErrorMemory / error.n;
      error.n *= keep;
      error.squared_cost *= keep;
      error.squared_seconds *= keep;
    }
  }
  if (!pending.key.empty()) {
    Memory::Conversation& at = memory.touch(pending.key);
    const bool is_switch = at.n_turns > 0 && at.target != pending.target;
    at.n_held = is_switch ? 0 : at.n_held + 1;
    if (is_switch && candidate)
      at.switching_usd += std::max(0.0, candidate->cost_usd - candidate->later_usd);
    ++at.n_turns;
    at.spent_usd += usd;
    at.target = pending.target;
    at.effort = pending.effort;
    at.decision = record.decision.id;
    at.last_digest = pending.marks.empty() ? 0 : pending.marks.back().digest;
    at.time_ms = now_ms;
    std::erase_if(at.readers, [&](const auto& reader) {
      return reader.target == pending.target && reader.effort == pending.effort;
    });
    if (at.readers.size() >= kMaxReaders) at.readers.erase(at.readers.begin());
    at.readers.push_back({pending.target, pending.effort, pending.marks, now_ms});
  }
  constexpr uint64_t kLeastCached = 2048;  // most providers keep nothing shorter
  if (!record.stand_in && pending.n_warm >= kLeastCached && record.facts.past)
    memory.caches.learn(
        pending.provider, pending.idle_ms,
        static_cast<double>(completion.usage.n_cached) / static_cast<double>(pending.n_warm));
  // What is seen of most answers is only that nothing is wrong with them. They count as the policy
  // says, so that the few verdicts that are bad do not speak for all.
  if (auto quality = visible_quality(completion)) {
    judged(record.decision.id, *quality);
  } else if (auto verdicts = memory.n_judged.find(pending.name);
             verdicts != memory.n_judged.end() && !record.stand_in) {
    verdicts->second += 1;
    Outcome unremarkable;
    unremarkable.quality = pending.stated;
    memory.estimator.learn(pending.name, pending.look, unremarkable);
  }
}

void Learner::judged(const std::string& decision_id, double quality) {
  Memory& memory = *memory_;
  auto found = memory.pending.find(decision_id);
  if (found == memory.pending.end()) return;
  const Memory::Pending& pending = found->second;
  memory.n_judged[pending.name] += 1;
  Outcome outcome;
  outcome.quality = quality;
  memory.estimator.learn(pending.name, pending.look, outcome);
  ForecastError& error = errors_[pending.target];
  error.n_judged += 1;
  error.squared_quality += (pending.quality - quality) * (pending.quality - quality);
  if (Memory::Conversation* at = memory.find(pending.key); at && at->decision == decision_id)
    at->n_failed = quality < 0.5 ? at->n_failed + 1 : 0;
}

void Learner::recall(const StoredDecision& decision) {
  const DecisionRecord& record = decision.record;
  const std::string& target = record.stand_in ? record.stand_in->target : record.decision.target;
  if (target.empty() || !decision.outcome || decision.outcome->failed_as || record.facts.only_reads)
    return;
  Memory& memory = *memory_;
  Memory::Pending whose;
  whose.is_of(record, target);
  const Terms terms = terms_of_facts(record.facts, "");
  memory.estimator.meet(terms);
  Outcome outcome;
  if (!record.stand_in) {
    outcome.latency_ms = decision.outcome->latency_ms;
    memory.are_timed.insert(target);
  }
  outcome.n_output = decision.outcome->usage.n_completion;
  outcome.quality = decision.quality;
  if (decision.quality) memory.n_judged[whose.name] += 1;
  memory.n_answered[whose.name] += 1;
  memory.estimator.learn(whose.name, memory.estimator.look(terms), outcome);
}

}  // namespace hearth::router
