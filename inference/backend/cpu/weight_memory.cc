#include "backend/cpu/weight_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace hearth::cpu {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kSlab = 16 * kHugePage;
constexpr size_t kAlignment = 64;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

std::shared_ptr<std::byte> map(size_t n) {
  const size_t length = n + kHugePage;  // so that a huge page's boundary lies within
  void* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  const auto address = reinterpret_cast<uintptr_t>(memory);
  auto* at = static_cast<std::byte*>(memory) + (round_up(address, kHugePage) - address);
  madvise(at, n, MADV_HUGEPAGE);  // a wish
  return {at, [memory, length](std::byte*) { munmap(memory, length); }};
}

}  // namespace

std::shared_ptr<std::byte> WeightMemory::allocate(size_t n) {
  const std::lock_guard lock(mutex_);
  const size_t bytes = round_up(n, kAlignment);
  if (size_ - used_ < bytes) {
    size_ = round_up(std::max(bytes, kSlab), kHugePage);
    slab_ = map(size_);
    used_ = 0;
  }
  std::byte* at = slab_.get() + used_;
  used_ += bytes;
  return {slab_, at};
}

}  // namespace hearth::cpu
