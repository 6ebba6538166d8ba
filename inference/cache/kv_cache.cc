#include "cache/kv_cache.h"

#include <fmt/format.h>

#include <cassert>
#include <cstring>

#include "cache/slots.h"

namespace hearth {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint32_t kMostByteKeyDim = 1024;  // longer sums of i8 could leave 32 bits

uint64_t part_bytes(const KvShape& shape, bool is_windowed) {
  uint64_t bytes = 0;
  for (const KvLayer& layer : shape.layers)
    if ((layer.window > 0) == is_windowed) bytes += kv_layer_bytes(layer, shape.element);
  return Slots::rounded(bytes);
}

}  // namespace

struct KvCache::State {
  State(const KvShape& kv_shape, Slots full, Slots windowed)
      : shape(kv_shape),
        pages(std::move(full)),
        windows(std::move(windowed)),
        references(pages.size()),
        window_references(pages.size()),
        window_slots(pages.size(), kNone) {
    size_t next[2] = {0, 0};
    for (const KvLayer& layer : shape.layers) {
      size_t& offset = next[layer.window > 0];
      offsets.push_back(offset);
      offset += kv_layer_bytes(layer, shape.element);
    }
  }

  const KvShape shape;
  Slots pages, windows;
  std::vector<size_t> offsets;  // of each layer, in its part of a page
  std::vector<uint32_t> references, window_references;
  std::vector<uint32_t> window_slots;  // of each page in `windows`
};

uint64_t KvCache::page_bytes(const KvShape& shape) { return part_bytes(shape, false); }
uint64_t KvCache::window_bytes(const KvShape& shape) { return part_bytes(shape, true); }

Result<KvCache> KvCache::create(const KvShape& shape, uint32_t n_pages, uint32_t n_windows) {
  if (n_pages == 0 || page_bytes(shape) + window_bytes(shape) == 0)
    return Error{Errc::invalid, fmt::format("KV cache of {} pages of {} bytes, expected at least 1",
                                            n_pages, page_bytes(shape))};
  for (const KvLayer& layer : shape.layers)
    if (shape.element == KvElement::i8 &&
        (layer.k_dim % 32 != 0 || layer.v_dim % 32 != 0 || layer.k_dim > kMostByteKeyDim))
      return Error{Errc::unsupported,
                   fmt::format("a Q8_0 KV cache with heads of {} and {}, expected multiples of 32 "
                               "and keys of at most {}",
                               layer.k_dim, layer.v_dim, kMostByteKeyDim)};
  auto pages = Slots::reserve(page_bytes(shape), n_pages);
  if (!pages) return pages.error();
  auto windows = Slots::reserve(window_bytes(shape), window_bytes(shape) > 0 ? n_windows : 0);
  if (!windows) return windows.error();
  return KvCache(std::make_unique<State>(shape, std::move(*pages), std::move(*windows)));
}

std::optional<PageIndex> KvCache::acquire() {
  const std::optional<uint32_t> page = state_->pages.take();
  if (page) state_->references[*page] = 1;
  return page;
}

void KvCache::retain(PageIndex page) {
  assert(state_->references[page] > 0);
  ++state_->references[page];
}

void KvCache::release(PageIndex page) {
  assert(state_->references[page] > 0);
  if (--state_->references[page] == 0) state_->pages.give_back(page);
}

uint32_t KvCache::references(PageIndex page) const { return state_->references[page]; }

bool KvCache::hold_window(PageIndex page) {
  if (state_->shape.window() == 0) return true;
  uint32_t& slot = state_->window_slots[page];
  if (slot == kNone) slot = state_->windows.take().value_or(kNone);
  if (slot == kNone) return false;
  ++state_->window_references[page];
  return true;
}

void KvCache::release_window(PageIndex page) {
  if (state_->shape.window() == 0) return;
  assert(state_->window_references[page] > 0);
  if (--state_->window_references[page] > 0) return;
  state_->windows.give_back(state_->window_slots[page]);
  state_->window_slots[page] = kNone;
}

uint32_t KvCache::window_references(PageIndex page) const {
  return state_->window_references[page];
}

bool KvCache::has_window(PageIndex page) const {
  return state_->shape.window() == 0 || state_->window_slots[page] != kNone;
}

void KvCache::copy(PageIndex from, PageIndex to) {
  const auto copy_slot = [](const Slots& slots, uint32_t source, uint32_t target, uint64_t bytes) {
    if (bytes > 0) std::memcpy(slots.data(target), slots.data(source), bytes);
  };
  assert(from != to);
  const KvShape& shape = state_->shape;
  copy_slot(state_->pages, from, to, page_bytes(shape));
  const uint32_t source = state_->window_slots[from], target = state_->window_slots[to];
  if (source != kNone && target != kNone)
    copy_slot(state_->windows, source, target, window_bytes(shape));
}

std::byte* KvCache::data(uint32_t layer, PageIndex page) {
  assert(layer < state_->shape.layers.size() && page < state_->references.size());
  const bool is_windowed = state_->shape.layers[layer].window > 0;
  if (is_windowed && !has_window(page)) return nullptr;
  std::byte* part =
      is_windowed ? state_->windows.data(state_->window_slots[page]) : state_->pages.data(page);
  return part + state_->offsets[layer];
}

uint32_t KvCache::n_pages() const { return state_->pages.size(); }
uint32_t KvCache::n_free() const { return state_->pages.n_free(); }
uint32_t KvCache::n_windows() const { return state_->windows.size(); }
uint32_t KvCache::n_free_windows() const { return state_->windows.n_free(); }
const KvShape& KvCache::shape() const { return state_->shape; }

KvCache::KvCache(std::unique_ptr<State> state) : state_(std::move(state)) {}
KvCache::KvCache(KvCache&&) noexcept = default;
KvCache& KvCache::operator=(KvCache&&) noexcept = default;
KvCache::~KvCache() = default;

}  // namespace hearth
