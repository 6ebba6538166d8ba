// Memory that one thread reuses from call to call: grows to the largest request and stays.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace hearth::cpu {

class Scratch {
 public:
  // Room for n elements, aligned to a cache line. Contents are undefined, earlier pointers void.
  template <class T>
  T* reserve(size_t n) {
    const size_t bytes = n * sizeof(T);
    if (bytes > capacity_) {
      memory_.reset(static_cast<std::byte*>(::operator new(bytes, kAlignment)));
      capacity_ = bytes;
    }
    return reinterpret_cast<T*>(memory_.get());
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(std::byte* memory) const { ::operator delete(memory, kAlignment); }
  };
  std::unique_ptr<std::byte, Delete> memory_;
  size_t capacity_ = 0;
};

}  // namespace hearth::cpu
