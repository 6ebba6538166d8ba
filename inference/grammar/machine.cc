#include "grammar/machine.h"

#include <algorithm>
#include <unordered_set>

namespace hearth::grammar {

namespace {

constexpr size_t kMaxWays = 4096;  // through one text at once: a grammar more ambiguous than that
constexpr size_t kMaxStates = 2'000'000;  // ... or that has so much to remember ends the answer
constexpr size_t kMaxConfigs = 16'000'000;
constexpr size_t kMaxFrames = 4'000'000;
constexpr size_t kMaxTables = 8192;  // of 1 KiB; they are only a cache

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 29;
}

}  // namespace

size_t Machine::KeyHash::operator()(const std::array<uint32_t, 3>& key) const {
  return mix(mix(key[0], key[1]), key[2]);
}

Machine::Machine(const Program& program) : program_(program) {
  frames_.push_back({kOutermost, 0, kIsCall, 0});
  frames_.push_back({kUnknown, 0, kIsCall, 0});
  intern({}, false, false);  // kDead
  start_ = closure({{program.start, kOutermost}});
}

StackId Machine::push(StackId parent, uint32_t back, uint32_t n) {
  const uint32_t depth = frames_[parent].depth + 1;
  auto [at, is_new] = known_frames_.emplace(std::array{parent, back, n}, frames_.size());
  if (is_new) frames_.push_back({parent, back, n, depth});
  return at->second;
}

StateId Machine::compute(StateId state, uint8_t byte) {
  if (is_exhausted_) return kDead;
  if (states_[state].table == kNoTable) {
    if (tables_.size() >= kMaxTables) {
      for (StateId owner : has_table_) states_[owner].table = kNoTable;
      tables_.clear();
      has_table_.clear();
    }
    states_[state].table = static_cast<uint32_t>(tables_.size());
    tables_.push_back(std::make_unique<Table>());
    tables_.back()->fill(kNotYet);
    has_table_.push_back(state);
  }
  Table& table = *tables_[states_[state].table];
  std::vector<Config> next;
  for (const Config& config : configs(state))
    for (const Program::Edge& edge : program_.edges_of(program_.positions[config.position]))
      if (edge.first <= byte && byte <= edge.last) next.push_back({edge.to, config.stack});
  const StateId result = next.empty() ? kDead : closure(std::move(next));
  return table[byte] = result;
}

// All that can be reached without reading a byte.
StateId Machine::closure(std::vector<Config> open) {
  std::vector<Config> reading;
  std::unordered_set<uint64_t> seen;
  bool accepts = false, escapes = false;
  const auto enter = [&](uint32_t position, StackId stack) {
    const Program::Position& p = program_.positions[position];
    const bool is_plain = p.n_jumps == 0 && p.n_calls == 0 && p.count == kUnbounded && !p.is_final;
    if (is_plain)
      reading.push_back({position, stack});
    else if (seen.insert(uint64_t{position} << 32 | stack).second)
      open.push_back({position, stack});
  };
  for (const Config& config : std::exchange(open, {})) enter(config.position, config.stack);
  while (!open.empty()) {
    const auto [position, stack] = open.back();
    open.pop_back();
    if (seen.size() + reading.size() > 4 * kMaxWays || frames_.size() > kMaxFrames) {
      is_exhausted_ = true;
      return kDead;
    }
    const Program::Position& p = program_.positions[position];
    if (p.n_edges > 0) reading.push_back({position, stack});
    for (uint32_t to : program_.jumps_of(p)) enter(to, stack);
    const bool is_deep = frames_[stack].depth >= kMaxStackDepth;
    for (const Program::Call& call : program_.calls_of(p)) {
      if (program_.positions[call.back].is_bare_final)
        enter(call.callee, stack);
      else if (!is_deep)
        enter(call.callee, push(stack, call.back, kIsCall));
    }
    if (p.count != kUnbounded) {
      const Program::Count& count = program_.counts[p.count];
      if (count.min == 0) enter(count.back, stack);
      if (!is_deep) enter(count.body, push(stack, p.count, 0));
    }
    if (!p.is_final) continue;
    const Frame frame = frames_[stack];
    if (stack == kOutermost) {
      accepts = true;
    } else if (stack == kUnknown) {
      escapes = true;
    } else if (frame.n == kIsCall) {
      enter(frame.back, frame.parent);
    } else {
      const Program::Count& count = program_.counts[frame.back];
      const bool is_open = count.max == kUnbounded;
      const uint32_t n = is_open ? std::min(frame.n + 1, count.min) : frame.n + 1;
      if (n >= count.min) enter(count.back, frame.parent);
      if (is_open || n < count.max) enter(count.body, push(frame.parent, frame.back, n));
    }
  }
  return intern(std::move(reading), accepts, escapes);
}

StateId Machine::intern(std::vector<Config> configs, bool accepts, bool escapes) {
  std::ranges::sort(configs);
  configs.erase(std::ranges::unique(configs).begin(), configs.end());
  uint64_t hash = uint64_t{accepts} << 1 | uint64_t{escapes};
  for (const Config& config : configs)
    hash = mix(hash, uint64_t{config.position} << 32 | config.stack);
  for (auto [at, end] = known_states_.equal_range(hash); at != end; ++at) {
    const State& state = states_[at->second];
    if (state.accepts == accepts && state.escapes == escapes &&
        std::ranges::equal(this->configs(at->second), configs))
      return at->second;
  }
  if (states_.size() >= kMaxStates || configs_.size() >= kMaxConfigs || configs.size() > kMaxWays) {
    is_exhausted_ = true;
    return kDead;
  }
  const StateId id = static_cast<StateId>(states_.size());
  uint32_t depth = 0;
  for (const Config& config : configs) depth = std::max(depth, frames_[config.stack].depth);
  states_.push_back(
      {configs_.size(), static_cast<uint32_t>(configs.size()), depth, accepts, escapes, kNoTable});
  configs_.insert(configs_.end(), configs.begin(), configs.end());
  known_states_.emplace(hash, id);
  return id;
}

StackId Machine::local(StackId stack, uint32_t n_most) {
  const Frame frame = frames_[stack];
  if (stack == kOutermost || stack == kUnknown || frame.n == kIsCall) return kUnknown;
  const Program::Count& count = program_.counts[frame.back];
  uint32_t n = frame.n;
  const bool is_far_from_max = count.max == kUnbounded || count.max - n > n_most;
  if (count.min > n && count.min - n > n_most)
    n = 0;
  else if (n >= count.min && is_far_from_max)
    n = count.min;
  return push(local(frame.parent, n_most), frame.back, n);
}

StateId Machine::behind(StackId stack) {
  Frame frame = frames_[stack];
  while (stack != kOutermost && stack != kUnknown && frame.n != kIsCall) {
    stack = frame.parent;
    frame = frames_[stack];
  }
  if (stack == kOutermost) return intern({}, true, false);
  if (stack == kUnknown) return intern({}, false, true);
  return closure({{frame.back, frame.parent}});
}

}  // namespace hearth::grammar
