#include "inference/gguf/allocation_watch.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace hearth::testing {

namespace {
size_t g_largest = 0;
}

void forget_allocations() { g_largest = 0; }
size_t largest_allocation() { return g_largest; }

namespace {

void* allocate(size_t size) {
  g_largest = std::max(g_largest, size);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

}  // namespace hearth::testing

void* operator new(size_t size) { return hearth::testing::allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
