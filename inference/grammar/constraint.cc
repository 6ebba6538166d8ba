// Masks over large vocabularies.
//
// Problem: 150,000 tokens, and a mask for every token that is written; trying each takes
// milliseconds, and inside of a string nearly all of them fit.
//
// Idea: tokens stand in a trie, so that a beginning that does not fit is tried once. What may
// follow a way (a position and its stack) splits: tokens that fit, or fail, within the innermost
// call do so whatever lies below on the stack. They are found once for each position by a walk with
// an unknown stack, and kept. Those that would go beyond the call are kept by what of them is left
// behind it, in a small trie of its own, which is walked with the real stack each time. A mask is
// the union over all ways. Where a state comes back to itself with every byte that a subtree of the
// trie has, all of it fits at once.
//
// Counters (maxLength) count in frames of the stack. Far from their ends, farther than the longest
// token, all values are the same.
//
// Cost: the first mask at a position inside of a string takes 1-3 ms at 150k tokens (prepare() does
// it ahead), all others some microseconds; see tests/bench/grammar_bench.cc.
//
// Source: context-independent tokens of xgrammar (Dong et al., 2024), trie walks of llguidance.
#include <algorithm>
#include <bit>
#include <limits>

#include "grammar/grammar.h"

namespace hearth::grammar {

namespace {

constexpr size_t kMaxWays = 32;        // more of them are walked together
constexpr size_t kLargeSubtree = 300;  // tokens; it is walked where it stands
constexpr uint32_t kDepthMargin = 16;  // of calls that return without reading
constexpr size_t kWornStates = 300'000;
constexpr size_t kMaxReachBytes = 64 << 20;  // of what is kept for a grammar

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> tokens, std::vector<Token> ends)
    : bytes_(std::move(tokens)),
      ends_(std::move(ends)),
      is_end_(bytes_.size(), false),
      trie_([this] {
        std::vector<TokenTrie::Entry> entries;
        for (Token token : ends_) is_end_[token] = true;
        for (size_t id = 0; id < bytes_.size(); ++id)
          if (!bytes_[id].empty() && !is_end_[id])
            entries.push_back({bytes_[id], static_cast<Token>(id)});
        return TokenTrie(std::move(entries));
      }()) {}

Constraint::Constraint(std::shared_ptr<const Grammar> grammar,
                       std::shared_ptr<const Vocabulary> vocabulary)
    : grammar_(std::move(grammar)),
      vocabulary_(std::move(vocabulary)),
      machine_(grammar_->program()) {}

StateId Constraint::after(StateId state, Token token) {
  const std::string_view bytes = vocabulary_->bytes(token);
  if (bytes.empty()) return kDead;
  for (char c : bytes)
    if (state = machine_.step(state, static_cast<uint8_t>(c)); state == kDead) break;
  return state;
}

void Constraint::prepare(size_t n_most) {
  const Program& program = grammar_->program();
  for (uint32_t p = 0; p < program.positions.size() && n_most > 0; ++p) {
    uint32_t n_bytes = 0;
    for (const Program::Edge& edge : program.edges_of(program.positions[p]))
      n_bytes += edge.last - edge.first + 1u;
    if (n_bytes < 64) continue;
    reach({p, kUnknown});
    --n_most;
  }
}

// The classes whose bytes all lead a state back to itself.
uint64_t Constraint::loops_of(StateId state) {
  auto [at, is_new] = loops_.emplace(state, 0);
  if (!is_new) return at->second;
  uint64_t loops = ~uint64_t{0};
  for (uint32_t byte = 0; byte < 256; ++byte)
    if (machine_.step(state, static_cast<uint8_t>(byte)) != state)
      loops &= ~TokenTrie::class_of(static_cast<uint8_t>(byte));
  return loops_[state] = loops;
}

// Adds the tokens below a node that can be read from a state on.
void Constraint::walk(StateId from, const TokenTrie& trie, uint32_t below, Mask& out,
                      Escapes* escapes) {
  constexpr uint32_t kWorthLooking = 24;  // tokens below a node
  const std::span<const TokenTrie::Node> nodes = trie.nodes();
  path_.resize(trie.longest() + 1);
  path_[nodes[below].depth] = from;
  for (uint32_t i = below + 1; i < nodes[below].end;) {
    const TokenTrie::Node& node = nodes[i];
    const StateId state = machine_.step(path_[node.depth - 1], node.byte);
    if (state == kDead) {
      i = node.end;
      continue;
    }
    path_[node.depth] = state;
    for (Token token : trie.own_tokens(i)) set(out, token);
    if (escapes) {
      escapes->depth = std::max(escapes->depth, machine_.depth_of(state));
      if (machine_.escapes(state)) escapes->nodes.push_back(i);
    }
    const uint32_t n_below = nodes[node.end].first_token - node.first_token;
    if (n_below >= kWorthLooking && (node.below & ~loops_of(state)) == 0) {
      for (Token token : trie.all_tokens(i)) set(out, token);
      i = node.end;
    } else {
      ++i;
    }
  }
}

const Constraint::Reach& Constraint::reach(Machine::Config local) {
  const uint64_t key = uint64_t{local.position} << 32 | local.stack;
  if (auto at = reaches_.find(key); at != reaches_.end()) return *at->second;
  if (reach_bytes_ > kMaxReachBytes) {
    reaches_.clear();
    reach_bytes_ = 0;
  }
  const TokenTrie& trie = vocabulary_->trie();
  auto reach = std::make_unique<Reach>();
  Mask bits((vocabulary_->size() + 63) / 64);
  Escapes escapes;
  walk(machine_.state_of(local), trie, 0, bits, &escapes);
  reach->depth = escapes.depth;

  const auto is_set = [&](Token token) { return bits[token / 64] >> (token % 64) & 1; };
  std::vector<TokenTrie::Entry> rest;
  size_t n_rest_bytes = 0;
  for (uint32_t node : escapes.nodes) {
    const auto below = trie.entries_below(node).subspan(trie.own_tokens(node).size());
    if (below.size() > kLargeSubtree) {
      reach->subtrees.push_back(node);
      continue;
    }
    for (const TokenTrie::Entry& entry : below) {
      if (is_set(entry.token)) continue;
      rest.push_back({entry.bytes.substr(trie.nodes()[node].depth), entry.token});
      n_rest_bytes += entry.bytes.size() + sizeof(TokenTrie::Entry);
    }
  }
  if (!rest.empty()) reach->rest = std::make_unique<const TokenTrie>(std::move(rest));
  size_t n_set = 0;
  for (uint64_t word : bits) n_set += static_cast<size_t>(std::popcount(word));
  if (n_set > bits.size()) {
    reach->bits = std::move(bits);
  } else {
    for (size_t word = 0; word < bits.size(); ++word)
      for (uint64_t left = bits[word]; left; left &= left - 1)
        reach->tokens.push_back(static_cast<Token>(word * 64 + std::countr_zero(left)));
  }
  reach_bytes_ += 2 * n_rest_bytes + reach->bits.size() * 8 + reach->tokens.size() * 4 + 256;
  return *(reaches_[key] = std::move(reach));
}

const Mask& Constraint::mask(StateId state) {
  if (masked_ == state && state != kDead) return mask_;
  const TokenTrie& trie = vocabulary_->trie();
  mask_.assign((vocabulary_->size() + 63) / 64, 0);
  // By value: the machine grows below.
  const auto known = machine_.configs(state);
  const std::vector<Machine::Config> ways(known.begin(), known.end());
  bool is_split = ways.size() <= kMaxWays;
  for (size_t i = 0; i < ways.size() && is_split; ++i) {
    const Machine::Config& way = ways[i];
    const Reach& found = reach({way.position, machine_.local(way.stack, trie.longest())});
    is_split = machine_.depth(way.stack) + found.depth + kDepthMargin <= kMaxStackDepth;
    for (size_t word = 0; word < found.bits.size(); ++word) mask_[word] |= found.bits[word];
    for (Token token : found.tokens) set(mask_, token);
    if (!found.rest && found.subtrees.empty()) continue;
    const StateId behind = machine_.behind(way.stack);
    if (found.rest) walk(behind, *found.rest, 0, mask_, nullptr);
    for (uint32_t node : found.subtrees) walk(behind, trie, node, mask_, nullptr);
  }
  if (!is_split) {  // so deep that what is below decides
    std::ranges::fill(mask_, 0);
    walk(state, trie, 0, mask_, nullptr);
  }
  if (machine_.accepts(state))
    for (Token token : vocabulary_->ends()) set(mask_, token);
  masked_ = state;
  if (machine_.n_states() > kWornStates) is_worn_ = true;
  return mask_;
}

Mask Constraint::slow_mask(StateId state) {
  Mask out((vocabulary_->size() + 63) / 64);
  for (size_t id = 0; id < vocabulary_->size(); ++id) {
    const Token token = static_cast<Token>(id);
    const bool fits = vocabulary_->is_end(token) ? accepts(state) : after(state, token) != kDead;
    if (fits) set(out, token);
  }
  return out;
}

Matcher::Matcher(std::shared_ptr<Constraint> constraint)
    : constraint_(std::move(constraint)), states_{constraint_->start()} {}

bool Matcher::accept(Token token) {
  const Vocabulary& vocabulary = constraint_->vocabulary();
  if (token < 0 || static_cast<size_t>(token) >= vocabulary.size()) return false;
  if (vocabulary.is_end(token)) {
    if (!is_accepting()) return false;
    states_.push_back(state());
    return true;
  }
  const StateId next = constraint_->after(state(), token);
  if (next == kDead) return false;
  states_.push_back(next);
  return true;
}

void Matcher::rollback(size_t n_tokens) {
  states_.resize(states_.size() - std::min(n_tokens, states_.size() - 1));
}

bool Matcher::apply(std::span<float> logits) {
  constexpr float kExcluded = -std::numeric_limits<float>::infinity();
  const Mask& bits = mask();
  uint64_t any = 0;
  for (size_t word = 0; word * 64 < logits.size(); ++word) {
    const uint64_t allowed = word < bits.size() ? bits[word] : 0;
    const std::span<float> part =
        logits.subspan(word * 64, std::min<size_t>(64, logits.size() - word * 64));
    any |= allowed;
    if (allowed == 0) {
      std::ranges::fill(part, kExcluded);
    } else {
      for (uint64_t out = ~allowed; out; out &= out - 1)
        if (const size_t i = static_cast<size_t>(std::countr_zero(out)); i < part.size())
          part[i] = kExcluded;
    }
  }
  return any != 0;
}

}  // namespace hearth::grammar
