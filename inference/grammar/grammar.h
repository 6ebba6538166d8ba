// Constrained decoding: which tokens may come next, so that the whole answer is of a given form.
//
//   auto grammar = Grammar::from_json_schema(schema);           // any thread; checked, bounded
//   Constraint constraint(std::move(*grammar), vocabulary);     // for one vocabulary
//   Matcher matcher(constraint);                                // for one answer
//   matcher.apply(logits);  ...sample...  matcher.accept(token);
//
// What a grammar lets in can always be completed; what it cannot honour it refuses when it is made.
// How masks are found fast is in constraint.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/machine.h"
#include "grammar/program.h"
#include "grammar/token_trie.h"
#include "support/result.h"

namespace hearth::grammar {

// Immutable, any thread.
class Grammar {
 public:
  // llama.cpp's notation; the rule "root" is the whole answer.
  static Result<std::shared_ptr<const Grammar>> from_gbnf(std::string_view text);
  // The whole answer matches.
  static Result<std::shared_ptr<const Grammar>> from_regex(std::string_view pattern);
  // The answer is JSON that fulfils the schema, with no white space but one space behind ',' and
  // ':' at most; members in the order of the schema.
  static Result<std::shared_ptr<const Grammar>> from_json_schema(std::string_view schema);
  // Any JSON object.
  static Result<std::shared_ptr<const Grammar>> any_object();
  static Result<std::shared_ptr<const Grammar>> from_rules(const Rules& rules, RuleId root);

  const Program& program() const { return program_; }
  // Whether a text is of the grammar.
  bool matches(std::string_view text) const;

 private:
  explicit Grammar(Program program) : program_(std::move(program)) {}
  Program program_;
};

// The tokens of a model as grammars see them. Immutable, any thread.
class Vocabulary {
 public:
  // The bytes of every token in order of id; empty for those that never belong to an answer's text.
  // Control tokens are told by kControlMark and their text. `ends`: those that end the answer.
  Vocabulary(std::vector<std::string> tokens, std::vector<Token> ends);

  size_t size() const { return bytes_.size(); }
  std::string_view bytes(Token token) const { return bytes_[token]; }
  std::span<const Token> ends() const { return ends_; }
  bool is_end(Token token) const { return is_end_[token]; }
  const TokenTrie& trie() const { return trie_; }

 private:
  std::vector<std::string> bytes_;
  std::vector<Token> ends_;
  std::vector<bool> is_end_;
  TokenTrie trie_;
};

// GBNF as an expression, for a grammar that has more around it.
Result<Expr> parse_gbnf(Rules& rules, std::string_view text);

using Mask = std::vector<uint64_t>;  // a bit for each token

// A grammar over a vocabulary: what was found out about it is kept for all answers. One thread at a
// time.
class Constraint {
 public:
  Constraint(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const Vocabulary> vocabulary);

  // Finds out ahead what takes long: up to `n_most` positions where nearly any text may follow.
  void prepare(size_t n_most);

  StateId start() const { return machine_.start(); }
  StateId after(StateId state, Token token);  // kDead when it may not follow; for no end token
  bool accepts(StateId state) const { return machine_.accepts(state); }
  // The text may end here, and nothing else may follow.
  bool is_complete(StateId state) const {
    return machine_.accepts(state) && machine_.configs(state).empty();
  }
  // Tokens that may follow; end tokens where the text may end.
  const Mask& mask(StateId state);
  // The same by trying every token: what mask() is tested against.
  Mask slow_mask(StateId state);

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  bool is_exhausted() const { return machine_.is_exhausted(); }
  // So much has been found out that it is better made anew. Any thread.
  bool is_worn() const { return is_worn_; }

 private:
  // What may follow a position, as far as its own call goes.
  struct Reach {
    Mask bits;                  // either these
    std::vector<Token> tokens;  // or these
    // Tokens that may go beyond the call: all below these nodes of the vocabulary's trie, and those
    // here, by what of them is left behind the call.
    std::vector<uint32_t> subtrees;
    std::unique_ptr<const TokenTrie> rest;
    uint32_t depth = 0;  // of the stack that it took, at most
  };

  const Reach& reach(Machine::Config local);
  struct Escapes {
    std::vector<uint32_t> nodes;  // where the innermost call may be over
    uint32_t depth = 0;           // of the deepest stack
  };
  void walk(StateId from, const TokenTrie& trie, uint32_t below, Mask& out, Escapes* escapes);
  uint64_t loops_of(StateId state);
  void set(Mask& mask, Token token) const { mask[token / 64] |= uint64_t{1} << (token % 64); }

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  Machine machine_;
  std::unordered_map<uint64_t, std::unique_ptr<Reach>> reaches_;
  size_t reach_bytes_ = 0;
  std::unordered_map<StateId, uint64_t> loops_;
  StateId masked_ = kDead;  // whose mask `mask_` is
  Mask mask_;
  std::vector<StateId> path_;
  std::atomic<bool> is_worn_ = false;
};

// One answer's place in a grammar. Copies go on by themselves (forks). One thread at a time with
// all others of its constraint.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<Constraint> constraint);

  // False when the token may not follow here; then nothing has changed. An end token is let in
  // where the text may end.
  bool accept(Token token);
  // Takes back the last tokens that were accepted.
  void rollback(size_t n_tokens);
  // Sets the logits of all that may not follow to -inf. False when nothing may.
  bool apply(std::span<float> logits);

  const Mask& mask() { return constraint_->mask(state()); }
  bool is_accepting() const { return constraint_->accepts(state()); }
  bool is_complete() const { return constraint_->is_complete(state()); }
  bool is_exhausted() const { return constraint_->is_exhausted(); }

 private:
  StateId state() const { return states_.back(); }
  std::shared_ptr<Constraint> constraint_;
  std::vector<StateId> states_;  // after each token
};

}  // namespace hearth::grammar
