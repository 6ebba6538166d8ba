// Rules compiled to a network over bytes: positions with edges, jumps, and calls of other parts of
// the network, to which a stack belongs (machine.h).
//
// Immutable, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "grammar/rules.h"
#include "support/result.h"

namespace hearth::grammar {

struct Program {
  struct Edge {
    uint8_t first, last;
    uint32_t to;
  };
  // Goes on at `callee`, and at `back` when that has come to a final position.
  struct Call {
    uint32_t callee, back;
  };
  // Goes through `body` from `min` to `max` times, then on at `back`.
  struct Count {
    uint32_t body, back;
    uint32_t min, max;  // kUnbounded
  };
  struct Position {
    uint32_t first_edge = 0, first_jump = 0, first_call = 0;
    uint32_t n_edges = 0, n_jumps = 0, n_calls = 0;
    uint32_t count = kUnbounded;  // place in `counts`
    bool is_final = false;
    bool is_bare_final = false;  // nothing but final: a call that returns here needs no stack
  };

  std::vector<Position> positions;
  std::vector<Edge> edges;
  std::vector<uint32_t> jumps;
  std::vector<Call> calls;
  std::vector<Count> counts;
  uint32_t start = 0;

  std::span<const Edge> edges_of(const Position& p) const {
    return std::span(edges).subspan(p.first_edge, p.n_edges);
  }
  std::span<const uint32_t> jumps_of(const Position& p) const {
    return std::span(jumps).subspan(p.first_jump, p.n_jumps);
  }
  std::span<const Call> calls_of(const Position& p) const {
    return std::span(calls).subspan(p.first_call, p.n_calls);
  }
};

// A control token stands in the network as this byte, which no text has, and its text.
inline constexpr char kControlMark = '\xFF';

// Errors: a rule without a definition, left recursion, a grammar that nothing fulfils (invalid);
// one that is too large (unsupported).
Result<Program> compile(const Rules& rules, RuleId root);

}  // namespace hearth::grammar
