// A tree over pages of tokens.
//
// Problem: agents send the same 10-40k tokens again and again with something appended; computing
// them is seconds, looking them up is microseconds.
//
// Idea: a node is one full page (64 tokens and the KV page that holds them); its path from the root
// is the whole prefix, compared token by token, never by hash, so a hit is exact. Since a page's
// values depend only on the tokens up to its end, any sequence with that prefix may read it. Pages
// are immutable once full and shared by reference count. When the pool runs dry the leaf used
// longest ago goes first, so prefixes shrink from their ends and shared beginnings last longest.
//
// Cost: find and insert compare each token once per sibling; forgetting scans all nodes, which is
// 0.1 ms at 10,000 pages (640k tokens) and happens once per page needed.
//
// Source: the radix cache of Zheng et al., "SGLang" (2023), at the granularity of paged attention
// (Kwon et al., 2023).
#include "engine/prefix_cache.h"

#include <algorithm>

namespace hearth::engine {

struct PrefixCache::Node {
  std::vector<Token> tokens;  // kPageTokens of them; none in the root
  PageIndex page = 0;
  uint64_t last_use = 0;
  std::vector<std::unique_ptr<Node>> children;
};

PrefixCache::PrefixCache(KvCache& cache) : cache_(cache), root_(std::make_unique<Node>()) {}

PrefixCache::~PrefixCache() {
  while (forget_oldest()) {
  }
}

PrefixCache::Node* PrefixCache::child_of(Node& node, std::span<const Token> page_tokens) const {
  for (const auto& child : node.children)
    if (std::ranges::equal(child->tokens, page_tokens)) return child.get();
  return nullptr;
}

std::vector<PageIndex> PrefixCache::find(std::span<const Token> tokens) {
  std::vector<PageIndex> pages;
  ++clock_;
  Node* node = root_.get();
  for (; tokens.size() >= cpu::kPageTokens; tokens = tokens.subspan(cpu::kPageTokens)) {
    node = child_of(*node, tokens.first(cpu::kPageTokens));
    if (!node) break;
    node->last_use = clock_;
    cache_.retain(node->page);
    pages.push_back(node->page);
  }
  return pages;
}

void PrefixCache::insert(std::span<const Token> tokens, std::span<const PageIndex> pages) {
  ++clock_;
  Node* node = root_.get();
  for (PageIndex page : pages) {
    if (tokens.size() < cpu::kPageTokens) return;
    auto page_tokens = tokens.first(cpu::kPageTokens);
    tokens = tokens.subspan(cpu::kPageTokens);
    Node* child = child_of(*node, page_tokens);
    if (!child) {
      node->children.push_back(std::make_unique<Node>());
      child = node->children.back().get();
      child->tokens.assign(page_tokens.begin(), page_tokens.end());
      child->page = page;
      cache_.retain(page);
      ++n_nodes_;
    }
    child->last_use = clock_;
    node = child;
  }
}

std::optional<PageIndex> PrefixCache::acquire() {
  for (;;) {
    if (std::optional<PageIndex> page = cache_.acquire()) return page;
    if (!forget_oldest()) return std::nullopt;
  }
}

// A parent is at least as recent as its children, so the oldest leaf is the oldest node.
bool PrefixCache::forget_oldest() {
  Node* parent = nullptr;
  size_t at = 0;
  std::vector<Node*> to_visit{root_.get()};
  while (!to_visit.empty()) {
    Node* node = to_visit.back();
    to_visit.pop_back();
    for (size_t i = 0; i < node->children.size(); ++i) {
      Node* child = node->children[i].get();
      if (!child->children.empty())
        to_visit.push_back(child);
      else if (!parent || child->last_use < parent->children[at]->last_use) {
        parent = node;
        at = i;
      }
    }
  }
  if (!parent) return false;
  cache_.release(parent->children[at]->page);
  std::swap(parent->children[at], parent->children.back());
  parent->children.pop_back();
  --n_nodes_;
  return true;
}

}  // namespace hearth::engine
