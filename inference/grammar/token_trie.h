// Tokens by their bytes: all that begin alike share a way. Immutable, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inference/message.h"

namespace hearth::grammar {

class TokenTrie {
 public:
  struct Entry {
    std::string bytes;  // empty: left out
    Token token;
  };
  explicit TokenTrie(std::vector<Entry> entries);

  // Nodes stand in the order of a walk: a node, then all below it, then its next sibling.
  struct Node {
    uint32_t end;          // behind the last node below this one
    uint32_t first_token;  // in tokens(); those of this very node end where the next node's begin
    uint64_t below;        // classes of the bytes on the ways from here on down
    uint8_t byte;
    uint16_t depth;  // bytes from the root
  };
  // The root is the first. One more than there are stands at the end.
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const Token> own_tokens(uint32_t node) const {
    return tokens_between(nodes_[node].first_token, nodes_[node + 1].first_token);
  }
  std::span<const Token> all_tokens(uint32_t node) const {
    return tokens_between(nodes_[node].first_token, nodes_[nodes_[node].end].first_token);
  }
  // The bytes of a token on the way from `node` down to it.
  std::span<const Entry> entries() const { return entries_; }
  std::span<const Entry> entries_below(uint32_t node) const {
    const uint32_t first = nodes_[node].first_token;
    return std::span(entries_).subspan(first, nodes_[nodes_[node].end].first_token - first);
  }
  uint32_t longest() const { return longest_; }  // bytes of a token

  // Bytes that grammars rarely tell apart are of one class.
  static uint64_t class_of(uint8_t byte);

 private:
  std::span<const Token> tokens_between(uint32_t first, uint32_t end) const {
    return std::span(tokens_).subspan(first, end - first);
  }

  std::vector<Entry> entries_;  // sorted by bytes
  std::vector<Token> tokens_;   // theirs
  std::vector<Node> nodes_;
  uint32_t longest_ = 0;
};

}  // namespace hearth::grammar
