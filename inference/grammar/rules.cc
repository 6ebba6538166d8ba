#include "grammar/rules.h"

namespace hearth::grammar {

Expr Rules::add(Node node) {
  nodes_.push_back(std::move(node));
  return static_cast<Expr>(nodes_.size() - 1);
}

Expr Rules::bytes(std::string_view text) {
  return add({.kind = Kind::bytes, .bytes = std::string(text)});
}
Expr Rules::set(CharSet set) { return add({.kind = Kind::set, .set = std::move(set)}); }

Expr Rules::cat(std::vector<Expr> children) {
  if (children.size() == 1) return children[0];
  return add({.kind = Kind::cat, .children = std::move(children)});
}

Expr Rules::alt(std::vector<Expr> children) {
  if (children.size() == 1) return children[0];
  return add({.kind = Kind::alt, .children = std::move(children)});
}

Expr Rules::repeat(Expr child, uint32_t min, uint32_t max) {
  if (min == 1 && max == 1) return child;
  return add({.kind = Kind::repeat, .children = {child}, .min = min, .max = max});
}

Expr Rules::rule(RuleId rule) { return add({.kind = Kind::rule, .rule = rule}); }

Expr Rules::words(std::vector<std::string> words) {
  if (words.size() == 1) return bytes(words[0]);
  return add({.kind = Kind::words, .words = std::move(words)});
}

Expr Rules::dfa(Dfa dfa, bool is_json) {
  n_dfa_states_ += dfa.states.size();
  return add(
      {.kind = Kind::dfa, .dfa = std::make_shared<const Dfa>(std::move(dfa)), .is_json = is_json});
}

Expr Rules::until(std::string mark) {
  return add({.kind = Kind::until, .words = {std::move(mark)}});
}

Expr Rules::unless(std::vector<Mark> marks, bool goes_on) {
  Node node{.kind = Kind::unless, .max = goes_on ? kUnbounded : 1};
  for (Mark& mark : marks) {
    node.words.push_back(std::move(mark.text));
    node.children.push_back(mark.then);
  }
  return add(std::move(node));
}

RuleId Rules::add_rule(std::string name) {
  rules_.push_back({std::move(name)});
  return static_cast<RuleId>(rules_.size() - 1);
}

void Rules::define(RuleId rule, Expr body) {
  rules_[rule].body = body;
  rules_[rule].is_defined = true;
}

}  // namespace hearth::grammar
