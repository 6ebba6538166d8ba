// The paged KV cache: one pool of pages for all sequences of a model.
//
// A page index stands for kPageTokens positions in every layer (K and V); a sequence is a list of
// page indices, its block table. Pages are reference counted so that sequences can share a prefix.
//
// Layers that see a window only keep their part of a page apart, in a smaller pool: it is given
// when the page is about to be computed (hold_window) and goes when nobody's window reaches it any
// more, while the page itself stays for the layers that see everything. A model without such layers
// has no window parts, and holding them always succeeds.
//
// Lives on the engine thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/page.h"
#include "support/result.h"

namespace hearth {

struct KvShape {
  std::vector<KvLayer> layers;
  KvElement element = KvElement::i16;
  bool operator==(const KvShape&) const = default;

  // The longest of the layers' windows; 0: none has one.
  uint32_t window() const {
    uint32_t longest = 0;
    for (const KvLayer& layer : layers) longest = std::max(longest, layer.window);
    return longest;
  }

  // Recurrent layers: their states lie at the ends of pages, not at each position.
  bool has_states() const {
    return std::ranges::any_of(layers, [](const KvLayer& layer) { return layer.state_bytes > 0; });
  }
};

// The first page that a window ending at `position` reaches.
constexpr size_t first_page_of_window(uint32_t window, size_t position) {
  return position >= window ? (position + 1 - window) / kPageTokens : 0;
}

class KvCache {
 public:
  // Bytes of one page: of the layers that see everything, and of those that see a window.
  static uint64_t page_bytes(const KvShape& shape);
  static uint64_t window_bytes(const KvShape& shape);

  // Reserves address space for n_pages and n_windows window parts; memory is touched only as pages
  // are used.
  static Result<KvCache> create(const KvShape& shape, uint32_t n_pages, uint32_t n_windows);
  static Result<KvCache> create(const KvShape& shape, uint32_t n_pages) {
    return create(shape, n_pages, n_pages);
  }
  KvCache(KvCache&&) noexcept;
  KvCache& operator=(KvCache&&) noexcept;
  ~KvCache();

  // A page with one reference and no window part, or nothing when the pool is full. Contents are
  // undefined.
  std::optional<PageIndex> acquire();
  void retain(PageIndex page);
  void release(PageIndex page);  // free when the last reference goes
  uint32_t references(PageIndex page) const;

  // References to a page's window part, counted apart. The first one gives it memory with undefined
  // contents; false when there is none left. The last one takes it away.
  bool hold_window(PageIndex page);
  void release_window(PageIndex page);
  bool has_window(PageIndex page) const;
  uint32_t window_references(PageIndex page) const;

  // Makes `to` hold what `from` holds, of the layers with windows where both have their part.
  void copy(PageIndex from, PageIndex to);

  // Null for a layer with a window when the page has no window part.
  std::byte* data(uint32_t layer, PageIndex page);
  uint32_t n_pages() const;
  uint32_t n_free() const;
  uint32_t n_windows() const;
  uint32_t n_free_windows() const;
  const KvShape& shape() const;

 private:
  struct State;
  explicit KvCache(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth
