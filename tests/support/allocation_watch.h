// Linked into a test, watches every allocation by operator new: a hostile count must not become a
// large one, what is to allocate nothing must not. For one thread.
#pragma once

#include <cstddef>

namespace hearth::testing {

void forget_allocations();
size_t largest_allocation();  // in bytes, since then
size_t n_allocations();       // since then

}  // namespace hearth::testing
