// A grammar as a set of rules over characters: what the readers of GBNF, regular expressions, JSON
// Schema and call forms make, and what program.h is compiled from.
//
// Built on one thread; a plain value.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/char_set.h"
#include "grammar/dfa.h"

namespace hearth::grammar {

using Expr = uint32_t;
using RuleId = uint32_t;

inline constexpr uint32_t kUnbounded = std::numeric_limits<uint32_t>::max();
// Of all text that describes a grammar: rules, schemas, patterns.
inline constexpr size_t kMaxSourceBytes = 1 << 20;
inline constexpr int kMaxGroupDepth = 100;

class Rules {
 public:
  enum class Kind : uint8_t { bytes, set, cat, alt, repeat, rule, words, dfa, until, unless };
  struct Node {
    Kind kind;
    std::string bytes{};               // bytes: these
    CharSet set{};                     // set
    std::vector<Expr> children{};      // cat, alt; repeat: one; unless: behind each word
    uint32_t min = 0, max = 0;         // repeat; kUnbounded
    RuleId rule = 0;                   // rule
    std::vector<std::string> words{};  // words: one of these; until, unless: the first of these
    std::shared_ptr<const Dfa> dfa{};  // dfa
    bool is_json = false;              // dfa: its characters are written as in a JSON string
  };
  struct Rule {
    std::string name;  // for messages
    Expr body = 0;
    bool is_defined = false;
  };

  Expr empty() { return bytes(""); }
  Expr bytes(std::string_view text);
  Expr set(CharSet set);
  Expr cat(std::vector<Expr> children);
  Expr alt(std::vector<Expr> children);
  Expr repeat(Expr child, uint32_t min, uint32_t max);
  Expr optional(Expr child) { return repeat(child, 0, 1); }
  Expr rule(RuleId rule);
  Expr words(std::vector<std::string> words);
  Expr dfa(Dfa dfa, bool is_json);
  // Any bytes up to the first occurrence of the mark, which belongs to it.
  Expr until(std::string mark);
  // Any bytes, at any length; where one of the marks occurs, what belongs behind it, then any bytes
  // again, if `goes_on`.
  struct Mark {
    std::string text;
    Expr then;
  };
  Expr unless(std::vector<Mark> marks, bool goes_on);
  // Matches nothing at all.
  Expr nothing() { return alt({}); }

  RuleId add_rule(std::string name);
  void define(RuleId rule, Expr body);

  const Node& node(Expr expr) const { return nodes_[expr]; }
  const std::vector<Rule>& rules() const { return rules_; }
  size_t n_dfa_states() const { return n_dfa_states_; }  // of all automata together

 private:
  Expr add(Node node);

  std::vector<Node> nodes_;
  std::vector<Rule> rules_;
  size_t n_dfa_states_ = 0;
};

}  // namespace hearth::grammar
