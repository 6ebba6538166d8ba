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
  Node* parent = nullptr;
  std::vector<std::unique_ptr<Node>> children{};
  Node *older = this, *younger = this;  // in the ring; beyond the ends is the root
};

PrefixTree::PrefixTree(KvCache& cache) : cache_(cache), root_(std::make_unique<Node>()) {}

PrefixTree::~PrefixTree() {
  for (Node* node = root_->younger; node != root_.get(); node = node->younger)
    cache_.release(node->page);
}

PrefixTree::Node* PrefixTree::child_of(Node& node, std::span<const Token> page_tokens) {
  for (const auto& child : node.children)
    if (std::ranges::equal(child->tokens, page_tokens)) return child.get();
  return nullptr;
}

std::vector<PageIndex> PrefixTree::find(std::span<const Token> tokens) {
  std::vector<PageIndex> pages;
  Node* node = root_.get();
  for (; tokens.size() >= kPageTokens; tokens = tokens.subspan(kPageTokens)) {
    Node* child = child_of(*node, tokens.first(kPageTokens));
    if (!child) break;
    node = child;
    cache_.retain(node->page);
    pages.push_back(node->page);
  }
  touch(node);
  return pages;
}

void PrefixTree::insert(std::span<const Token> tokens, std::span<const PageIndex> pages) {
  Node* node = root_.get();
  for (PageIndex page : pages) {
    if (tokens.size() < kPageTokens) break;
    const auto page_tokens = tokens.first(kPageTokens);
    tokens = tokens.subspan(kPageTokens);
    Node* child = child_of(*node, page_tokens);
    if (!child) {
      child = node->children.emplace_back(std::make_unique<Node>()).get();
      child->tokens.assign(page_tokens.begin(), page_tokens.end());
      child->page = page;
      child->parent = node;
      cache_.retain(page);
      ++n_nodes_;
    }
    node = child;
  }
  touch(node);
}

std::optional<PageIndex> PrefixTree::acquire() {
  for (;;) {
    if (std::optional<PageIndex> page = cache_.acquire()) return page;
    if (!forget_oldest()) return std::nullopt;
  }
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

bool PrefixTree::forget_oldest() {
  Node* node = root_->younger;
  while (node != root_.get() && (cache_.references(node->page) > 1 || !node->children.empty()))
    node = node->younger;
  if (node == root_.get()) return false;
  cache_.release(node->page);
  unlink(*node);
  --n_nodes_;
  std::erase_if(node->parent->children, [&](const auto& child) { return child.get() == node; });
  return true;
}

}  // namespace hearth
