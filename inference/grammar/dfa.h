// Deterministic automata over characters: what regular expressions become where languages have to
// be intersected or taken out of one another (a pattern of limited length, a key that is none of
// the known ones).
//
// Plain values, any thread. All operations are bounded: too many states are Errc::unsupported.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "grammar/char_set.h"
#include "support/result.h"

namespace hearth::grammar {

struct Dfa {
  struct Edge {
    uint32_t first, last;
    uint32_t to;
  };
  struct State {
    bool accepts = false;
    std::vector<Edge> edges{};  // sorted, disjoint; what none of them has is refused
  };
  std::vector<State> states;  // the first is the start

  bool accepts(std::string_view utf8) const;
  bool is_empty() const;  // accepts nothing; true to the letter after pruned()
};

inline constexpr size_t kMaxDfaStates = 10'000;

// An automaton that may be in several states at once, on its way to a Dfa.
struct Nfa {
  struct Node {
    std::vector<std::pair<CharSet, uint32_t>> edges;
    std::vector<uint32_t> jumps;
  };
  std::vector<Node> nodes;
  uint32_t start = 0, end = 0;
  uint32_t add() {
    nodes.emplace_back();
    return static_cast<uint32_t>(nodes.size() - 1);
  }
};

Result<Dfa> determinize(const Nfa& nfa);
Result<Dfa> intersection(const Dfa& a, const Dfa& b);
Dfa complement(const Dfa& a);
// Without states from which nothing is accepted.
Dfa pruned(const Dfa& a);

// One of these; texts that are no UTF-8 are left out.
Dfa dfa_of_words(std::span<const std::string_view> words);
// Any text of so many characters.
Dfa dfa_of_length(uint32_t min, uint32_t max);

}  // namespace hearth::grammar
