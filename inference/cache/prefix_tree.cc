// A tree over pages of tokens.
//
// Problem: agents send the same 10-40k tokens again and again with something appended; computing
// them is seconds, looking them up is microseconds.
//
// Idea: a node is a page (its tokens and the KV page that holds them); its path from the root is
// the whole prefix, compared token by token, never by hash, so a hit is exact. Since a position's
// values depend only on the tokens up to it, any sequence with that prefix may read it. Pages are
// shared by reference count; what has been computed in them does not change. When the pool runs dry
// the node used longest ago goes first.
//
// Ends: a leaf may hold less than a page, the end of something that was computed. Whoever shares
// only the first tokens of a page, of a leaf or of any other, goes on in a copy of it: a memory
// copy beside up to 63 tokens of a forward pass. A page that holds more of the same takes the place
// of one that holds less, so that a conversation has one end however often it goes on. The other
// one stays where it alone has its window part, and where it came after a longer one whose state it
// cannot go on from.
//
// All nodes hang in a ring in order of use. Using a path moves its nodes to the young end, the
// deepest first, so that a node is always older than its parent: the oldest is a leaf, prefixes
// shrink from their ends, and shared beginnings last longest.
//
// Layers with windows: a node keeps its window part only near the end of something that was
// computed, where it takes it to go on. A find therefore ends at the last token from which the
// whole window back is there. A conversation of many turns has many ends on its way; those that one
// way went on from are worth least, and give up their window parts first.
//
// Recurrent layers: a page has the state behind its last token, so it is gone on in from there
// alone, in a copy where that is no page's end. The end of a prompt is kept in such a copy while
// its answer is written: templates leave the thinking out of an answer that has become history, and
// what was read up to there would be read again. It goes when the conversation has gone on.
//
// Cost: siblings are compared up to the first token that differs. find compares those of each page
// once for the whole page and, where the way ends, once more for a part of it; with windows at
// every page of the way. insert compares those of a page that it adds twice, for a prompt's end
// those of the whole way. Forgetting takes the oldest node; nodes that running sequences hold are
// passed over, at most as many as they hold pages. For a window part all older nodes without one
// are passed over, too.
//
// Source: the radix cache of Zheng et al., "SGLang" (2023), at the granularity of paged attention
// (Kwon et al., 2023).
#include "cache/prefix_tree.h"

#include <algorithm>
#include <utility>

namespace hearth {

namespace {

size_t n_common(std::span<const Token> one, std::span<const Token> other) {
  return static_cast<size_t>(std::ranges::mismatch(one, other).in1 - one.begin());
}

bool begins_with(std::span<const Token> tokens, std::span<const Token> beginning) {
  return n_common(tokens, beginning) == beginning.size();
}

}  // namespace

struct PrefixTree::Node {
  struct Following {
    Mark mark;
    size_t n_tokens;  // of the node's, with which the beginning ends
  };
  std::vector<Token> tokens{};  // fewer than kPageTokens only in a leaf; none in the root
  PageIndex page = 0;
  bool has_window = false;  // holds the page's window part
  End end = End::answer;
  Node* parent = nullptr;
  std::vector<std::unique_ptr<Node>> children{};
  std::vector<Following> marks{};       // whose beginnings end here
  Node *older = this, *younger = this;  // in the ring; beyond the ends is the root
};

struct PrefixTree::Way {
  std::vector<Node*> whole{};  // whole pages
  Part part{};                 // of a page behind them

  size_t n_tokens() const { return whole.size() * kPageTokens + part.n_tokens; }
  Part end() const {
    if (part.node || whole.empty()) return part;
    return {whole.back(), kPageTokens};
  }
};

PrefixTree::PrefixTree(KvCache& cache)
    : cache_(cache), has_states_(cache.shape().has_states()), root_(std::make_unique<Node>()) {}

PrefixTree::~PrefixTree() {
  for (Node* node = root_->younger; node != root_.get(); node = node->younger) let_go(*node);
}

// The one with these tokens.
PrefixTree::Node* PrefixTree::child_of(const Node& node, std::span<const Token> page_tokens) {
  for (const auto& child : node.children)
    if (std::ranges::equal(child->tokens, page_tokens)) return child.get();
  return nullptr;
}

// The one that begins like `tokens` for longest, but not for a whole page. `is_gone_on`: of those
// that can be continued there.
PrefixTree::Part PrefixTree::nearest_child(const Node& node, std::span<const Token> tokens,
                                           bool is_gone_on) const {
  Part nearest;
  for (const auto& child : node.children) {
    if (is_gone_on && cache_.shape().window() > 0 && !child->has_window) continue;
    const size_t n = n_common(child->tokens, tokens);
    if (is_gone_on && has_states_ && n < child->tokens.size()) continue;
    if (n == kPageTokens) continue;
    // Of two that share as much, the one that knows more of what follows.
    if (!nearest.node || n > nearest.n_tokens ||
        (n == nearest.n_tokens && child->tokens.size() > nearest.node->tokens.size()))
      nearest = {child.get(), n};
  }
  return nearest;
}

PrefixTree::Way PrefixTree::way_of(std::span<const Token> tokens) const {
  std::vector<Node*> path;
  const Node* node = root_.get();
  for (; tokens.size() >= kPageTokens; tokens = tokens.subspan(kPageTokens)) {
    Node* child = child_of(*node, tokens.first(kPageTokens));
    if (!child) break;
    path.push_back(child);
    node = child;
  }
  return continuable(std::move(path), tokens);
}

// The longest beginning that can be continued, of what goes along a path of whole pages from the
// root and then on with `rest`.
PrefixTree::Way PrefixTree::continuable(std::vector<Node*> path,
                                        std::span<const Token> rest) const {
  const uint32_t window = cache_.shape().window();
  size_t n_whole = 0;
  Part part;
  size_t first_window = 0;  // the unbroken run of window parts that ends here begins there
  const auto is_seen_from = [&](size_t position) {
    return window == 0 || first_window <= first_page_of_window(window, position);
  };
  for (size_t n = window > 0 ? 0 : path.size(); n <= path.size(); ++n) {
    if (n > 0 && window > 0 && !path[n - 1]->has_window) first_window = n;
    if (is_seen_from(n * kPageTokens)) {
      n_whole = n;
      part = {};
    }
    const Node& node = n > 0 ? *path[n - 1] : *root_;
    const Part next =
        nearest_child(node, n < path.size() ? std::span<const Token>(path[n]->tokens) : rest, true);
    if (next.n_tokens > 0 && is_seen_from(n * kPageTokens + next.n_tokens)) {
      n_whole = n;
      part = next;
    }
  }
  path.resize(n_whole);
  return {std::move(path), part};
}

void PrefixTree::mark_end(const Way& way, const Mark& mark) {
  const auto [node, n_tokens] = way.end();
  if (!node) return;
  const auto at = std::ranges::find(node->marks, mark.key,
                                    [](const Node::Following& each) { return each.mark.key; });
  if (at != node->marks.end())
    *at = {mark, std::max(at->n_tokens, n_tokens)};
  else
    node->marks.push_back({mark, n_tokens});
}

uint32_t PrefixTree::follow(std::span<const Token> tokens, const Mark& mark) {
  const Way way = way_of(tokens);
  mark_end(way, mark);
  return static_cast<uint32_t>(way.n_tokens());
}

Prefix PrefixTree::find(std::span<const Token> tokens) {
  const uint32_t window = cache_.shape().window();
  const Way way = way_of(tokens);
  if (Node* end = way.end().node) touch(end);

  Prefix prefix{.pages = {}, .n_tokens = way.n_tokens()};
  for (const Node* each : way.whole) prefix.pages.push_back(each->page);
  if (way.part.node) prefix.pages.push_back(way.part.node->page);
  for (const PageIndex page : prefix.pages) cache_.retain(page);
  if (window > 0)
    prefix.first_window =
        std::min(first_page_of_window(window, prefix.n_tokens), prefix.pages.size());
  for (size_t i = prefix.first_window; i < prefix.pages.size(); ++i)
    cache_.hold_window(prefix.pages[i]);
  return prefix;
}

std::optional<PrefixTree::Fork> PrefixTree::fork_of(std::span<const Token> tokens) const {
  const Node* node = root_.get();
  Fork fork;
  for (; tokens.size() >= kPageTokens; tokens = tokens.subspan(kPageTokens)) {
    const Node* child = child_of(*node, tokens.first(kPageTokens));
    if (!child) break;
    node = child;
    fork.position += kPageTokens;
  }
  const auto [nearest, n_shared] = nearest_child(*node, tokens, false);
  fork.position += n_shared;
  if (!nearest || n_shared == tokens.size() || n_shared == nearest->tokens.size() ||
      fork.position == 0)
    return std::nullopt;
  fork.known.assign(nearest->tokens.begin() + static_cast<ptrdiff_t>(n_shared),
                    nearest->tokens.end());
  return fork;
}

void PrefixTree::insert(std::span<const Token> tokens, std::span<const PageIndex> pages,
                        size_t first_window, End end) {
  const uint32_t window = cache_.shape().window();
  const size_t n_whole = tokens.size() / kPageTokens;
  const size_t n_before = n_whole > 0 ? n_whole - 1 : 0;
  const size_t first_kept =
      std::max(first_window, first_page_of_window(window, n_before * kPageTokens));
  size_t n_kept = std::min<size_t>(pages_for(tokens.size()), pages.size());
  std::optional<PageIndex> copy;
  if (has_states_ && end != End::answer && n_kept > n_whole &&
      way_of(tokens).n_tokens() < tokens.size()) {
    copy = copy_of(pages[n_whole]);
    if (!copy) n_kept = n_whole;
  }
  Node* node = root_.get();
  for (size_t i = 0; i < n_kept; ++i) {
    const auto rest = tokens.subspan(i * kPageTokens);
    node = put(*node, rest.first(std::min<size_t>(kPageTokens, rest.size())),
               copy && i == n_whole ? *copy : pages[i], window > 0 && i >= first_kept, end);
  }
  node->end = std::max(node->end, end);
  touch(node);
  if (copy) {  // the node's own now
    cache_.release_window(*copy);
    cache_.release(*copy);
  }
}

// With its window part; nothing when there is no room.
std::optional<PageIndex> PrefixTree::copy_of(PageIndex page) {
  const std::optional<PageIndex> copy = acquire();
  if (!copy) return std::nullopt;
  if (!hold_window(*copy)) {
    cache_.release(*copy);
    return std::nullopt;
  }
  cache_.copy(page, *copy);
  return copy;
}

// The child that holds these tokens, at least.
PrefixTree::Node* PrefixTree::put(Node& parent, std::span<const Token> tokens, PageIndex page,
                                  bool with_window, End end) {
  for (const auto& child : parent.children) {
    if (!begins_with(child->tokens, tokens)) continue;
    if (has_states_ && child->tokens.size() > tokens.size()) continue;  // its state is further on
    Node& known = *child;  // absorb() moves what the vector holds
    if (known.has_window || !with_window) {
      if (end != End::answer) absorb(known, end);
      return &known;
    }
    if (known.tokens.size() > tokens.size()) continue;
    // Equal tokens, equal values: the caller's page is as good, and has the window part.
    const PageIndex old = known.page;
    keep(known, page, true);
    cache_.release(old);
    absorb(known, end);
    return &known;
  }
  Node& child = *parent.children.emplace_back(std::make_unique<Node>());
  child.tokens.assign(tokens.begin(), tokens.end());
  child.parent = &parent;
  ++n_nodes_;
  keep(child, page, with_window);
  absorb(child, end);
  return &child;
}

// Leaves beside a node that hold less of the same go, and so no page is in two nodes: that of an
// end whose sequence went on in it is the node's own now. `end` is what the way that passes here
// ends with.
void PrefixTree::absorb(Node& node, End end) {
  std::vector<std::unique_ptr<Node>> left_behind;
  std::erase_if(node.parent->children, [&](auto& other) {
    if (other.get() == &node || !begins_with(node.tokens, other->tokens)) return false;
    const bool is_prompt = has_states_ && other->end != End::answer;
    if (is_prompt && other->end > end) {
      touch(other.get());  // the turn goes on
      return false;
    }
    if (!is_prompt && other->has_window && !node.has_window) {
      if (other->page != node.page) return false;
      node.has_window = cache_.hold_window(node.page);
    }
    if (!has_states_) node.marks.insert(node.marks.end(), other->marks.begin(), other->marks.end());
    unlink(*other);
    let_go(*other);
    --n_nodes_;
    if (has_states_) left_behind.push_back(std::move(other));
    return true;
  });
  for (const auto& each : left_behind) move_marks(*each);
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
    if (!forget_window()) return false;
  return true;
}

// The window part that is missed least. Of the way used longest ago, ends before its last one, the
// first of them first; what several ways went on from stays longer.
bool PrefixTree::forget_window() {
  const auto can_go = [&](const Node& node) {
    return node.has_window && cache_.window_references(node.page) == 1;
  };
  Node* node = root_->younger;
  while (node != root_.get() && !can_go(*node)) node = node->younger;
  if (node == root_.get()) return false;
  for (Node* above = node->parent; above != root_.get() && above->children.size() == 1;
       above = above->parent)
    if (can_go(*above)) node = above;
  cache_.release_window(node->page);
  node->has_window = false;
  if (listener_) look_again(*node, pages_for(cache_.shape().window()) + 1);
  return true;
}

// The marks of a node, and of so many nodes below it, whose window may reach it.
void PrefixTree::look_again(Node& node, size_t n_below) {
  std::vector<Node*> path;
  for (Node* each = node.parent; each != root_.get(); each = each->parent) path.push_back(each);
  std::ranges::reverse(path);
  for (const auto& [mark, n_tokens] : std::exchange(node.marks, {})) {
    const bool is_whole = n_tokens == kPageTokens;
    std::vector<Node*> whole = path;
    if (is_whole) whole.push_back(&node);
    const Way way =
        continuable(std::move(whole), std::span(node.tokens).first(is_whole ? 0 : n_tokens));
    if (listener_(mark, static_cast<uint32_t>(way.n_tokens()))) mark_end(way, mark);
  }
  if (n_below == 0) return;
  for (const auto& child : node.children) look_again(*child, n_below - 1);
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

// Of a node that has gone: to what can still be continued of their beginnings.
void PrefixTree::move_marks(const Node& from) {
  if (from.marks.empty() || !listener_) return;
  std::vector<Node*> path;
  for (Node* node = from.parent; node != root_.get(); node = node->parent) path.push_back(node);
  std::ranges::reverse(path);
  for (const auto& [mark, n_tokens] : from.marks) {
    const Way way = continuable(path, std::span(from.tokens).first(n_tokens));
    if (listener_(mark, static_cast<uint32_t>(way.n_tokens()))) mark_end(way, mark);
  }
}

bool PrefixTree::forget_oldest() {
  Node* node = root_->younger;
  while (node != root_.get() && (cache_.references(node->page) > 1 || !node->children.empty()))
    node = node->younger;
  if (node == root_.get()) return false;
  auto& siblings = node->parent->children;
  const auto at = std::ranges::find(siblings, node, &std::unique_ptr<Node>::get);
  const std::unique_ptr<Node> gone = std::move(*at);
  siblings.erase(at);
  unlink(*gone);
  let_go(*gone);
  --n_nodes_;
  move_marks(*gone);
  return true;
}

}  // namespace hearth
