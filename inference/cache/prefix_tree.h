// Remembers the KV pages of prompts and answers that have been computed, so that a request which
// begins like an earlier one starts after what they share.
//
// Lives on the engine thread; borrows the KvCache and holds references to its pages.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "inference/message.h"

namespace hearth {

class PrefixTree {
 public:
  explicit PrefixTree(KvCache& cache);
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // The pages of the longest known beginning of `tokens`, whole pages only, each with a reference
  // that is now the caller's.
  std::vector<PageIndex> find(std::span<const Token> tokens);

  // Remembers the whole pages of `tokens`, which lie computed in `pages`.
  void insert(std::span<const Token> tokens, std::span<const PageIndex> pages);

  // A page from the pool, forgetting what was used longest ago until there is one. What somebody
  // else holds is not forgotten: that would free nothing.
  std::optional<PageIndex> acquire();

  size_t n_pages() const { return n_nodes_; }

 private:
  struct Node;
  static Node* child_of(Node& node, std::span<const Token> page_tokens);
  void touch(Node* deepest);
  void unlink(Node& node);
  bool forget_oldest();

  KvCache& cache_;
  std::unique_ptr<Node> root_;  // holds no page; also the head of the ring of all nodes
  size_t n_nodes_ = 0;
};

}  // namespace hearth
