// The state of recurrent layers in the cache.
//
// Problem: a recurrent layer keeps one state for a whole sequence. It cannot be cut back to a
// shorter prefix, so prefixes could not be shared; and a pass that is computed again, after numbers
// of another request went wrong, would advance it twice.
//
// Idea: the state belongs to the page that the newest position lies in. A page's first position
// starts from the state that the page before ended with; a full page's state stays what it is: a
// snapshot, shared, kept and forgotten with its page as the keys and values of a sliding window are
// (a window of two positions). So does that of a page that nobody goes on in. Within a page the
// state is held twice, each copy with the number of positions that it has seen: a pass reads the
// copy that ends where its rows begin and writes the other, so computing it again gives the same.
//
// Cost: twice the state for a page; one copy of it per page and per step.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/operands.h"
#include "graph/pass.h"

namespace hearth {

// Of one layer in a page, for a state of so many floats.
uint64_t state_bytes(uint64_t n_floats);

// The state of a page after `n_positions` of its sequence; null when it has none. `part` is what
// KvCache::data() gave, which may be null.
const float* state_after(const std::byte* part, uint64_t n_floats, uint32_t n_positions);

// The segments of the pass's rows in the current layer, one for each page that they touch, with
// their states marked as of now. Model::forward() has checked that the states before are there.
std::vector<StateSegment> state_segments(Pass& pass, uint64_t n_floats);

// Whether the states that the rows of a batch start from are there.
Result<> check_states(const Batch& batch, KvCache& cache);

}  // namespace hearth
