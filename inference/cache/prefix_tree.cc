// A tree over pages of tokens.
//
// Problem: agents send the same 10-40k tokens again and again with something appended; computing
// them is seconds, looking them up is microseconds.
//
// Idea: a node is one full page (64 tokens and the KV page that holds them); its path from the root
// is the whole prefix, compared token by token, never by hash, so a hit is exact. Since a page's
// values depend only on the tokens up to its end, any sequence with that prefix may read it. Pages
// are immutable once full and shared by reference count. When the pool runs dry the node used
// longest ago goes first.
//
// All nodes hang in a ring in order of use. Using a path moves its nodes to the young end, the
// deepest first, so that a node is always older than its parent: the oldest is a leaf, prefixes
// shrink from their ends, and shared beginnings last longest.
//
// Layers with windows: a node keeps its window part only near the end of something that was
// computed, where it takes it to go on. A find therefore ends at the deepest node from which the
// whole window back is there.
//
// Cost: find and insert compare each token once per sibling. Forgetting takes the oldest node;
// nodes that running sequences hold are passed over, at most as many as they hold pages.
//
// Source: the radix cache of Zheng et al., "SGLang" (2023), at the granularity of paged attention
// (Kwon et al., 2023).
#include "cache/prefix_tree.h"

#include <algorithm>

namespace hearth {

struct PrefixTree::Node {
  std::vector<Token> tokens{};  // kPageTokens of them; none in the root
  PageIndex page = 0;
  bool has_window = false;  // holds the page's window part
  Node* parent = nullptr;
  std::vector<std::unique_ptr<Node>> children{};
  std::vector<Mark> marks{};            // whose beginnings end here
  Node *older = this, *younger = this;  // in the ring; beyond the ends is the root
};

PrefixTree::PrefixTree(KvCache& cache) : cache_(cache), root_(std::make_unique<Node>()) {}

PrefixTree::~PrefixTree() {
  for (Node* node = root_->younger; node != root_.get(); node = node->younger) let_go(*node);
}

PrefixTree::Node* PrefixTree::child_of(Node& node, std::span<const Token> page_tokens) {
  for (const auto& child : node.children)
    if (std::ranges::equal(child->tokens, page_tokens)) return child.get();
  return nullptr;
}

// How many nodes of a path from the root make the longest beginning that can be continued.
size_t PrefixTree::n_continuable(std::span<Node* const> path) const {
  const uint32_t window = cache_.shape().window();
  if (window == 0) return path.size();
  size_t n_found = 0;
  size_t first_window = 0;  // the unbroken run of window parts that ends here begins there
  for (size_t n = 1; n <= path.size(); ++n) {
    if (!path[n - 1]->has_window) first_window = n;
    if (first_window <= first_page_of_window(window, n * kPageTokens)) n_found = n;
  }
  return n_found;
}

std::vector<PrefixTree::Node*> PrefixTree::path_of(std::span<const Token> tokens) {
  std::vector<Node*> path;
  Node* node = root_.get();
  for (; tokens.size() >= kPageTokens; tokens = tokens.subspan(kPageTokens)) {
    node = child_of(*node, tokens.first(kPageTokens));
    if (!node) break;
    path.push_back(node);
  }
  path.resize(n_continuable(path));
  return path;
}

uint32_t PrefixTree::follow(std::span<const Token> tokens, const Mark& mark) {
  const std::vector<Node*> path = path_of(tokens);
  if (!path.empty()) path.back()->marks.push_back(mark);
  return static_cast<uint32_t>(path.size()) * kPageTokens;
}

Prefix PrefixTree::find(std::span<const Token> tokens) {
  const uint32_t window = cache_.shape().window();
  const std::vector<Node*> path = path_of(tokens);
  touch(path.empty() ? root_.get() : path.back());

  Prefix prefix;
  for (const Node* each : path) {
    cache_.retain(each->page);
    prefix.pages.push_back(each->page);
  }
  if (window > 0)
    prefix.first_window =
        std::min(first_page_of_window(window, path.size() * kPageTokens), prefix.pages.size());
  for (size_t i = prefix.first_window; i < prefix.pages.size(); ++i)
    cache_.hold_window(prefix.pages[i]);
  return prefix;
}

std::optional<PrefixTree::Fork> PrefixTree::fork_of(std::span<const Token> tokens) const {
  Fork fork;
  for (Node* node = root_.get(); node;) {
    const auto page = tokens.subspan(fork.position);
    if (page.size() >= kPageTokens)
      if (Node* child = child_of(*node, page.first(kPageTokens))) {
        node = child;
        fork.position += kPageTokens;
        continue;
      }
    const Node* nearest = nullptr;
    size_t n_most = 0;
    for (const auto& child : node->children) {
      const auto [at, other] = std::ranges::mismatch(child->tokens, page);
      const size_t n_common = static_cast<size_t>(at - child->tokens.begin());
      if (nearest && n_common <= n_most) continue;
      nearest = child.get();
      n_most = n_common;
    }
    if (!nearest || n_most == page.size()) return std::nullopt;
    fork.position += n_most;
    if (fork.position == 0) return std::nullopt;
    fork.known.assign(nearest->tokens.begin() + static_cast<ptrdiff_t>(n_most),
                      nearest->tokens.end());
    return fork;
  }
  return std::nullopt;
}

void PrefixTree::insert(std::span<const Token> tokens, std::span<const PageIndex> pages,
                        size_t first_window) {
  const uint32_t window = cache_.shape().window();
  const size_t n_whole = std::min(tokens.size() / kPageTokens, pages.size());
  const size_t n_before = n_whole > 0 ? n_whole - 1 : 0;
  const size_t first_kept =
      std::max(first_window, first_page_of_window(window, n_before * kPageTokens));
  Node* node = root_.get();
  for (size_t i = 0; i < n_whole; ++i) {
    const auto page_tokens = tokens.subspan(i * kPageTokens, kPageTokens);
    const bool keeps_window = window > 0 && i >= first_kept;
    Node* child = child_of(*node, page_tokens);
    if (!child) {
      child = node->children.emplace_back(std::make_unique<Node>()).get();
      child->tokens.assign(page_tokens.begin(), page_tokens.end());
      child->parent = node;
      ++n_nodes_;
      keep(*child, pages[i], keeps_window);
    } else if (keeps_window && !child->has_window) {
      // Equal tokens, equal values: the caller's page is as good, and has the window part.
      const PageIndex old = child->page;
      keep(*child, pages[i], true);
      cache_.release(old);
    }
    node = child;
  }
  touch(node);
}

void PrefixTree::keep(Node& node, PageIndex page, bool with_window) {
  cache_.retain(page);
  node.page = page;
  node.has_window = with_window && cache_.hold_window(page);
}

void PrefixTree::let_go(Node& node) {
  if (node.has_window) cache_.release_window(node.page);
  cache_.release(node.page);
}

std::optional<PageIndex> PrefixTree::acquire() {
  for (;;) {
    if (std::optional<PageIndex> page = cache_.acquire()) return page;
    if (!forget_oldest()) return std::nullopt;
  }
}

bool PrefixTree::hold_window(PageIndex page) {
  while (!cache_.hold_window(page))
    if (!forget_oldest()) return false;
  return true;
}

// Makes a path the youngest, its end first.
void PrefixTree::touch(Node* deepest) {
  for (Node* node = deepest; node != root_.get(); node = node->parent) {
    unlink(*node);
    node->older = root_->older;
    node->younger = root_.get();
    node->older->younger = root_->older = node;
  }
}

void PrefixTree::unlink(Node& node) {
  node.older->younger = node.younger;
  node.younger->older = node.older;
}

// Of a node that goes: to what can still be continued before it.
void PrefixTree::move_marks(const Node& from) {
  if (from.marks.empty() || !listener_) return;
  std::vector<Node*> path;
  for (Node* node = from.parent; node != root_.get(); node = node->parent) path.push_back(node);
  std::ranges::reverse(path);
  path.resize(n_continuable(path));
  const auto n_tokens = static_cast<uint32_t>(path.size()) * kPageTokens;
  for (const Mark& mark : from.marks)
    if (listener_(mark, n_tokens) && !path.empty()) path.back()->marks.push_back(mark);
}

bool PrefixTree::forget_oldest() {
  Node* node = root_->younger;
  while (node != root_.get() && (cache_.references(node->page) > 1 || !node->children.empty()))
    node = node->younger;
  if (node == root_.get()) return false;
  move_marks(*node);
  let_go(*node);
  unlink(*node);
  --n_nodes_;
  std::erase_if(node->parent->children, [&](const auto& child) { return child.get() == node; });
  return true;
}

}  // namespace hearth
