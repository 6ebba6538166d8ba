#include "support/allocation_watch.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace hearth::testing {

namespace {
size_t g_largest = 0, g_count = 0;
}

void forget_allocations() { g_largest = g_count = 0; }
size_t largest_allocation() { return g_largest; }
size_t n_allocations() { return g_count; }

namespace {

void* allocate(size_t size) {
  g_largest = std::max(g_largest, size);
  ++g_count;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

}  // namespace hearth::testing

// Not inlined: the compiler would see free() beside new.
[[gnu::noinline]] void* operator new(size_t size) { return hearth::testing::allocate(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
