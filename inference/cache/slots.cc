#include "cache/slots.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hearth {
namespace {

constexpr uint64_t kWarmBytes = 64u << 20;

}  // namespace

uint64_t Slots::rounded(uint64_t slot_bytes) {
  const uint64_t granule = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return (slot_bytes + granule - 1) / granule * granule;
}

Result<Slots> Slots::reserve(uint64_t slot_bytes, uint32_t n) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(slot_bytes, uint64_t{n}, &bytes))
    return Error{Errc::invalid, fmt::format("KV cache of {} pages of {} bytes does not fit the "
                                            "address space",
                                            n, slot_bytes)};
  Slots slots(slot_bytes, n);
  if (bytes > 0) {
    void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
      return Error{Errc::io, fmt::format("reserve {} bytes for a KV cache of {} pages: {}", bytes,
                                         n, std::strerror(errno))};
    slots.base_ = static_cast<std::byte*>(base);
  }
  for (uint32_t slot = n; slot-- > 0;) slots.cold_.push_back(slot);
  slots.warm_.reserve(n);
  return slots;
}

Slots::~Slots() {
  if (base_) munmap(base_, slot_bytes_ * n_);
}

std::optional<uint32_t> Slots::take() {
  std::vector<uint32_t>& free = warm_.empty() ? cold_ : warm_;
  if (free.empty()) return std::nullopt;
  const uint32_t slot = free.back();
  free.pop_back();
  return slot;
}

void Slots::give_back(uint32_t slot) {
  if ((warm_.size() + 1) * slot_bytes_ <= kWarmBytes) {
    warm_.push_back(slot);
    return;
  }
  madvise(data(slot), slot_bytes_, MADV_DONTNEED);
  cold_.push_back(slot);
}

}  // namespace hearth
