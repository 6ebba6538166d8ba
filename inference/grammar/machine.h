// Runs a program over bytes: all ways to read the text at once, each a position and a stack of
// where to return to. What can be reached is numbered, so that a step taken once is a look-up
// afterwards.
//
// Grows while it runs; one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/program.h"

namespace hearth::grammar {

using StateId = uint32_t;  // what has been read, as far as it matters for what may follow
using StackId = uint32_t;

inline constexpr StateId kDead = 0;
inline constexpr StackId kOutermost = 0;  // behind the last return the text is complete
inline constexpr StackId kUnknown = 1;    // behind the last return comes what nobody knows here

inline constexpr uint32_t kMaxStackDepth = 400;

class Machine {
 public:
  explicit Machine(const Program& program);

  StateId start() const { return start_; }
  StateId step(StateId state, uint8_t byte) {
    const uint32_t table = states_[state].table;
    if (table != kNoTable)
      if (const StateId next = (*tables_[table])[byte]; next != kNotYet) return next;
    return compute(state, byte);
  }

  // A position that reads a byte, and what lies behind it.
  struct Config {
    uint32_t position;
    StackId stack;
    bool operator==(const Config&) const = default;
    auto operator<=>(const Config&) const = default;
  };
  std::span<const Config> configs(StateId state) const {
    return std::span(configs_).subspan(states_[state].first, states_[state].n);
  }
  bool accepts(StateId state) const { return states_[state].accepts; }  // the text may end here
  bool escapes(StateId state) const { return states_[state].escapes; }  // kUnknown was returned to
  StateId state_of(Config config) { return intern({config}, false, false); }

  // The stack with what is below its innermost call unknown, and counters far from their ends set
  // to the same value: all that `n_most` characters can tell apart.
  StackId local(StackId stack, uint32_t n_most);
  // Where the innermost call of `stack` goes on.
  StateId behind(StackId stack);
  uint32_t depth(StackId stack) const { return frames_[stack].depth; }
  uint32_t depth_of(StateId state) const { return states_[state].depth; }  // of its deepest stack

  // Too much has been numbered: nothing that is not known yet is computed any more.
  bool is_exhausted() const { return is_exhausted_; }
  size_t n_states() const { return states_.size(); }

 private:
  static constexpr uint32_t kNoTable = 0xFFFFFFFF, kNotYet = 0xFFFFFFFF;
  static constexpr uint32_t kIsCall = 0xFFFFFFFF;

  struct Frame {
    StackId parent;
    uint32_t back;  // a call's position to go on at, or a count's place in the program
    uint32_t n;     // kIsCall, or how often a count's body has been gone through
    uint32_t depth;
  };
  struct State {
    size_t first;
    uint32_t n;
    uint32_t depth;
    bool accepts, escapes;
    uint32_t table;
  };
  using Table = std::array<StateId, 256>;
  struct KeyHash {
    size_t operator()(const std::array<uint32_t, 3>& key) const;
  };

  StateId compute(StateId state, uint8_t byte);
  StackId push(StackId parent, uint32_t back, uint32_t n);
  StateId closure(std::vector<Config> open);
  StateId intern(std::vector<Config> configs, bool accepts, bool escapes);

  const Program& program_;
  std::vector<Frame> frames_;
  std::unordered_map<std::array<uint32_t, 3>, StackId, KeyHash> known_frames_;
  std::vector<Config> configs_;
  std::vector<State> states_;
  std::unordered_multimap<uint64_t, StateId> known_states_;
  std::vector<std::unique_ptr<Table>> tables_;
  std::vector<StateId> has_table_;  // whose each table is
  StateId start_ = kDead;
  bool is_exhausted_ = false;
};

}  // namespace hearth::grammar
