// The paged KV cache: one pool of pages for all sequences of a model.
//
// A page index stands for kPageTokens positions in every layer (K and V); a sequence is a list of
// page indices, its block table. Pages are reference counted so that sequences can share a prefix.
// Lives on the engine thread.
#pragma once

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
  KvElement element = KvElement::f16;
  bool operator==(const KvShape&) const = default;
};

class KvCache {
 public:
  // Bytes of one page over all layers.
  static uint64_t page_bytes(const KvShape& shape);

  // Reserves address space for n_pages; memory is touched only as pages are used.
  static Result<KvCache> create(const KvShape& shape, uint32_t n_pages);
  KvCache(KvCache&&) noexcept;
  KvCache& operator=(KvCache&&) noexcept;
  ~KvCache();

  // A page with one reference, or nothing when the pool is full. Contents are undefined.
  std::optional<PageIndex> acquire();
  void retain(PageIndex page);
  uint32_t references(PageIndex page) const;
  void release(PageIndex page);  // free when the last reference goes

  std::byte* data(uint32_t layer, PageIndex page);
  uint32_t n_pages() const;
  uint32_t n_free() const;
  const KvShape& shape() const;

 private:
  struct State;
  explicit KvCache(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth
