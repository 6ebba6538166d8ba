// What large blocks of memory, those that are mapped one by one, hold at this moment. 0 where a
// sanitizer's allocator takes the place of the C library's.
#pragma once

#include <malloc.h>

#include <cstddef>

namespace hearth::testing {

inline constexpr size_t kMappedAlone = 48u << 20;  // a block of so many bytes always is

inline size_t mapped_bytes() {
#ifdef HEARTH_SANITIZED
  return 0;
#else
  return ::mallinfo2().hblkhd;
#endif
}

}  // namespace hearth::testing
