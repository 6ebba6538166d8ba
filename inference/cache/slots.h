// Memory cut into equal slots. One reservation of address space without backing store; the kernel
// gives memory when a slot is first written.
//
// Slots that were given back stay resident up to kWarmBytes and are handed out first, newest first:
// the next request finds memory that needs no faults and no zeroing. What is beyond that goes back
// to the kernel at once (MADV_DONTNEED), so that an engine that has served one long prompt does not
// sit on gigabytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "support/result.h"

namespace hearth {

class Slots {
 public:
  static uint64_t rounded(uint64_t slot_bytes);  // up to whole memory pages

  // slot_bytes as rounded() gave them; with 0 there are slots without memory.
  static Result<Slots> reserve(uint64_t slot_bytes, uint32_t n);
  Slots(Slots&& other) noexcept
      : slot_bytes_(other.slot_bytes_),
        n_(other.n_),
        base_(std::exchange(other.base_, nullptr)),
        warm_(std::move(other.warm_)),
        cold_(std::move(other.cold_)) {}
  Slots& operator=(Slots&&) = delete;
  ~Slots();

  std::optional<uint32_t> take();  // nothing when all are taken
  void give_back(uint32_t slot);
  std::byte* data(uint32_t slot) const { return base_ + slot * slot_bytes_; }

  uint32_t size() const { return n_; }
  uint32_t n_free() const { return static_cast<uint32_t>(warm_.size() + cold_.size()); }

 private:
  Slots(uint64_t slot_bytes, uint32_t n) : slot_bytes_(slot_bytes), n_(n) {}

  uint64_t slot_bytes_;
  uint32_t n_;
  std::byte* base_ = nullptr;
  std::vector<uint32_t> warm_;  // free with memory behind them, newest last
  std::vector<uint32_t> cold_;  // free without
};

}  // namespace hearth
