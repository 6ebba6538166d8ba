// Memory of the pool. One reservation of n_pages * page_bytes without backing store; the kernel
// gives memory when a page is first written. A page holds all its layers side by side, so one
// release returns one contiguous range.
//
// Released pages stay resident up to kWarmBytes and are handed out first, newest first: the next
// request finds memory that needs no faults and no zeroing. What is beyond that goes back to the
// kernel at once (MADV_DONTNEED), so that an engine that has served one long prompt does not sit on
// gigabytes.
#include "cache/kv_cache.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>

namespace hearth {
namespace {

constexpr uint64_t kWarmBytes = 64u << 20;

}  // namespace

struct KvCache::State {
  State(const KvShape& kv_shape, uint32_t n_pages)
      : shape(kv_shape), bytes_per_page(page_bytes(kv_shape)), references(n_pages) {
    size_t offset = 0;
    for (const KvLayer& layer : shape.layers) {
      layer_offsets.push_back(offset);
      offset += kv_layer_bytes(layer, shape.element);
    }
  }
  ~State() {
    if (base) munmap(base, bytes_per_page * references.size());
  }

  const KvShape shape;
  const uint64_t bytes_per_page;
  std::vector<uint64_t> layer_offsets;  // within a page
  std::byte* base = nullptr;

  std::vector<uint32_t> references;  // of each page; 0: free
  std::vector<PageIndex> warm;       // free with memory behind them, newest last
  std::vector<PageIndex> cold;       // free without
};

uint64_t KvCache::page_bytes(const KvShape& shape) {
  const uint64_t granule = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t bytes = 0;
  for (const KvLayer& layer : shape.layers) bytes += kv_layer_bytes(layer, shape.element);
  return (bytes + granule - 1) / granule * granule;
}

Result<KvCache> KvCache::create(const KvShape& shape, uint32_t n_pages) {
  auto state = std::make_unique<State>(shape, n_pages);
  if (n_pages == 0 || state->bytes_per_page == 0)
    return Error{Errc::invalid, fmt::format("KV cache of {} pages of {} bytes, expected at least 1",
                                            n_pages, state->bytes_per_page)};
  for (const KvLayer& layer : shape.layers)
    if (shape.element == KvElement::q8_0 && (layer.k_dim % 32 != 0 || layer.v_dim % 32 != 0))
      return Error{Errc::unsupported,
                   fmt::format("a Q8_0 KV cache with heads of {} and {}, expected multiples of 32",
                               layer.k_dim, layer.v_dim)};
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(state->bytes_per_page, uint64_t{n_pages}, &bytes))
    return Error{Errc::invalid, fmt::format("KV cache of {} pages of {} bytes does not fit the "
                                            "address space",
                                            n_pages, state->bytes_per_page)};
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return Error{Errc::io, fmt::format("reserve {} bytes for a KV cache of {} pages: {}", bytes,
                                       n_pages, std::strerror(errno))};
  state->base = static_cast<std::byte*>(base);
  for (PageIndex page = n_pages; page-- > 0;) state->cold.push_back(page);
  state->warm.reserve(n_pages);
  return KvCache(std::move(state));
}

std::optional<PageIndex> KvCache::acquire() {
  std::vector<PageIndex>& free = state_->warm.empty() ? state_->cold : state_->warm;
  if (free.empty()) return std::nullopt;
  const PageIndex page = free.back();
  free.pop_back();
  state_->references[page] = 1;
  return page;
}

void KvCache::retain(PageIndex page) {
  assert(state_->references[page] > 0);
  ++state_->references[page];
}

uint32_t KvCache::references(PageIndex page) const { return state_->references[page]; }

void KvCache::release(PageIndex page) {
  assert(state_->references[page] > 0);
  if (--state_->references[page] > 0) return;
  if ((state_->warm.size() + 1) * state_->bytes_per_page <= kWarmBytes) {
    state_->warm.push_back(page);
    return;
  }
  madvise(state_->base + page * state_->bytes_per_page, state_->bytes_per_page, MADV_DONTNEED);
  state_->cold.push_back(page);
}

std::byte* KvCache::data(uint32_t layer, PageIndex page) {
  assert(layer < state_->shape.layers.size() && page < state_->references.size());
  return state_->base + page * state_->bytes_per_page + state_->layer_offsets[layer];
}

uint32_t KvCache::n_pages() const { return static_cast<uint32_t>(state_->references.size()); }

uint32_t KvCache::n_free() const {
  return static_cast<uint32_t>(state_->warm.size() + state_->cold.size());
}

const KvShape& KvCache::shape() const { return state_->shape; }

KvCache::KvCache(std::unique_ptr<State> state) : state_(std::move(state)) {}
KvCache::KvCache(KvCache&&) noexcept = default;
KvCache& KvCache::operator=(KvCache&&) noexcept = default;
KvCache::~KvCache() = default;

}  // namespace hearth
