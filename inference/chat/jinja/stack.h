// How much of the thread's stack is in use, so that recursion ends with an error instead of a
// crash: what one level costs differs by compiler, by build, and by what is nested.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::jinja {

// Made where the recursion starts; lives on that thread.
class StackMeter {
 public:
  // Either direction of growth.
  size_t used_bytes() const {
    uintptr_t here = address();
    return here < base_ ? base_ - here : here - base_;
  }

 private:
  // Not the address of a local: sanitizers move locals off the stack.
  static uintptr_t address() { return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); }

  const uintptr_t base_ = address();
};

}  // namespace hearth::jinja
