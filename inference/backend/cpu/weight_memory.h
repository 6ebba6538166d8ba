// Memory for repacked weights: on huge pages where the system has them, handed out piece by piece
// and given back when the last weight of a slab goes.
//
// Any thread, several at once.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

namespace hearth::cpu {

class WeightMemory {
 public:
  // n bytes, aligned to a cache line, zero. Aborts the process when there is no address space left,
  // as operator new would: models are planned before they are loaded.
  std::shared_ptr<std::byte> allocate(size_t n);

 private:
  std::mutex mutex_;
  std::shared_ptr<std::byte> slab_;  // guarded by mutex_, as what follows
  size_t used_ = 0, size_ = 0;
};

}  // namespace hearth::cpu
