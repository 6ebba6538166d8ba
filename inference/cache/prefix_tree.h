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

// The pages that hold the first n_tokens of a sequence, and which of them hold their window parts,
// too: those from first_window to the end. Where n_tokens ends within the last page, what follows
// there is of others: only a copy of that page can be gone on in (KvCache::copy).
struct Prefix {
  std::vector<PageIndex> pages;
  size_t n_tokens = 0;
  size_t first_window = 0;
};

class PrefixTree {
 public:
  explicit PrefixTree(KvCache& cache);
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // The longest known beginning of `tokens` that can be continued. It ends at any token, but at the
  // end of a page or of what was inserted where a model has recurrent layers, whose states lie
  // there only; with layers that see a window it ends in pages that hold their window parts. Each
  // page, and each window part that the next token sees, has a reference that is now the caller's.
  Prefix find(std::span<const Token> tokens);

  // Where `tokens` leave the way of what they share most with, and what stands there. Nothing when
  // they share nothing, or leave nothing.
  struct Fork {
    size_t position = 0;
    std::vector<Token> known;
  };
  std::optional<Fork> fork_of(std::span<const Token> tokens) const;

  // What lies behind an end within a page, and so how long a recurrent model, which can go on from
  // there alone, wants it: until one of its kind, or of a later one here, lies beyond it.
  enum class End : uint8_t {
    answer,  // nothing, or what others said; its owner has left it
    prompt,  // an answer, which may come back in other words; its owner goes on
    turn,    // and so may all answers until a user speaks again
  };
  // Remembers `tokens`, which lie computed in `pages`. The last page may be full in part; recurrent
  // layers leave an end that their owner goes on from, so that they get a copy of that page (where
  // there is no room for one, whole pages alone are remembered). Of the window parts, which the
  // caller holds from `first_window` on, those at the end are kept: what it takes to go on after
  // the last token, the last whole page or the one before.
  void insert(std::span<const Token> tokens, std::span<const PageIndex> pages,
              size_t first_window = 0, End end = End::answer);

  // A page from the pool, forgetting what was used longest ago until there is one. What somebody
  // else holds is not forgotten: that would free nothing.
  std::optional<PageIndex> acquire();
  // A reference to a page's window part. Where there is none left, what is kept of the way that was
  // used longest ago gives its up, from where others left it on; pages stay. False when all are in
  // use.
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
  struct Part {  // of a node's page: its first tokens
    Node* node = nullptr;
    size_t n_tokens = 0;
  };
  struct Way;  // from the root to where a beginning ends
  static Node* child_of(const Node& node, std::span<const Token> page_tokens);
  Part nearest_child(const Node& node, std::span<const Token> tokens, bool is_gone_on) const;
  Way way_of(std::span<const Token> tokens) const;
  Way continuable(std::vector<Node*> path, std::span<const Token> rest) const;
  static void mark_end(const Way& way, const Mark& mark);
  void move_marks(const Node& from);
  void look_again(Node& node, size_t n_below);
  std::optional<PageIndex> copy_of(PageIndex page);
  Node* put(Node& parent, std::span<const Token> tokens, PageIndex page, bool with_window, End end);
  void absorb(Node& node, End end);
  void keep(Node& node, PageIndex page, bool with_window);
  void let_go(Node& node);
  void touch(Node* deepest);
  void unlink(Node& node);
  bool forget_oldest();
  bool forget_window();

  KvCache& cache_;
  const bool has_states_;  // which lie at ends alone
  Listener listener_;
  std::unique_ptr<Node> root_;  // holds no page; also the head of the ring of all nodes
  size_t n_nodes_ = 0;
};

}  // namespace hearth
