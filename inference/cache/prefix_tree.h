// Remembers the KV pages of prompts and answers that have been computed, so that a request which
// begins like an earlier one starts after what they share.
//
// Lives on the engine thread; borrows the KvCache and holds references to its pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "inference/message.h"

namespace hearth {

// The pages that hold the beginning of a sequence, and which of them hold their window parts, too:
// those from first_window to the end.
struct Prefix {
  std::vector<PageIndex> pages;
  size_t first_window = 0;
};

class PrefixTree {
 public:
  explicit PrefixTree(KvCache& cache);
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // The longest known beginning of `tokens` that can be continued, whole pages only. Each page, and
  // each window part that the next token sees, has a reference that is now the caller's.
  Prefix find(std::span<const Token> tokens);

  // Where `tokens` leave the way of what they share most with, and what stands there. Nothing when
  // they share nothing, or leave nothing.
  struct Fork {
    size_t position = 0;
    std::vector<Token> known;
  };
  std::optional<Fork> fork_of(std::span<const Token> tokens) const;

  // Remembers the whole pages of `tokens`, which lie computed in `pages`. Of the window parts,
  // which the caller holds from `first_window` on, those at the end: what it takes to go on after
  // the last whole page or the one before.
  void insert(std::span<const Token> tokens, std::span<const PageIndex> pages,
              size_t first_window = 0);

  // A page from the pool, forgetting what was used longest ago until there is one. What somebody
  // else holds is not forgotten: that would free nothing.
  std::optional<PageIndex> acquire();
  // A reference to a page's window part, in the same way. False when all are in use.
  bool hold_window(PageIndex page);

  // How many of these tokens find() would give; whoever listens is told when it is less, under the
  // name `mark`, until he says that nobody wants to know any more.
  struct Mark {
    uint64_t key;
    uint32_t place;
  };
  using Listener = std::function<bool(const Mark& mark, uint32_t n_tokens)>;
  void listen(Listener listener) { listener_ = std::move(listener); }
  uint32_t follow(std::span<const Token> tokens, const Mark& mark);

  size_t n_pages() const { return n_nodes_; }

 private:
  struct Node;
  static Node* child_of(Node& node, std::span<const Token> page_tokens);
  std::vector<Node*> path_of(std::span<const Token> tokens);
  size_t n_continuable(std::span<Node* const> path) const;
  void move_marks(const Node& from);
  void keep(Node& node, PageIndex page, bool with_window);
  void let_go(Node& node);
  void touch(Node* deepest);
  void unlink(Node& node);
  bool forget_oldest();

  KvCache& cache_;
  Listener listener_;
  std::unique_ptr<Node> root_;  // holds no page; also the head of the ring of all nodes
  size_t n_nodes_ = 0;
};

}  // namespace hearth
