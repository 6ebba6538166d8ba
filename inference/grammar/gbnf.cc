// GBNF, the notation of llama.cpp: rules of literals, character classes, groups and repetitions.
#include <fmt/format.h>

#include <map>

#include "grammar/grammar.h"

namespace hearth::grammar {

namespace {

constexpr uint32_t kMaxRepeat = 100'000;

class Parser {
 public:
  Parser(Rules& rules, std::vector<uint32_t> text) : rules_(rules), text_(std::move(text)) {}

  Result<RuleId> parse() {
    skip_space(true);
    if (at_ == text_.size()) return Error{Errc::invalid, "the grammar is empty"};
    while (at_ < text_.size())
      if (auto read = rule(); !read) return read.error();
    auto root = names_.find("root");
    if (root == names_.end() || !rules_.rules()[root->second].is_defined)
      return Error{Errc::invalid, "the grammar has no rule \"root\""};
    return root->second;
  }

 private:
  Error wrong(std::string_view what, Errc code = Errc::invalid) const {
    size_t line = 1;
    for (size_t i = 0; i < std::min(at_, text_.size()); ++i) line += text_[i] == '\n';
    return {code, fmt::format("line {} of the grammar: {}", line, what)};
  }
  uint32_t peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0;
  }
  bool take(uint32_t c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // Also over lines, where a rule goes on whatever comes.
  void skip_space(bool over_lines) {
    for (; at_ < text_.size(); ++at_) {
      const uint32_t c = peek();
      if (c == '#')
        while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
      else if (c != ' ' && c != '\t' && (!over_lines || (c != '\n' && c != '\r')))
        return;
    }
  }
  static bool is_name(uint32_t c) {
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '_';
  }
  RuleId rule_named(const std::string& name) {
    auto [at, is_new] = names_.emplace(name, 0);
    if (is_new) at->second = rules_.add_rule(name);
    return at->second;
  }
  std::string name() {
    std::string out;
    for (; is_name(peek()); ++at_) out += static_cast<char>(peek());
    return out;
  }

  Result<> rule() {
    const std::string own = name();
    if (own.empty()) return wrong("expected the name of a rule");
    skip_space(false);
    if (!(take(':') && take(':') && take('=')))
      return wrong(fmt::format("expected ::= behind \"{}\"", own));
    const RuleId id = rule_named(own);
    if (rules_.rules()[id].is_defined)
      return wrong(fmt::format("rule \"{}\" is defined twice", own));
    skip_space(true);
    auto body = alternatives(0);
    if (!body) return body.error();
    if (at_ < text_.size() && peek() != '\n' && peek() != '\r')
      return wrong("expected an item of a rule or the end of the line");
    skip_space(true);
    rules_.define(id, *body);
    return {};
  }

  Result<Expr> alternatives(int depth) {
    std::vector<Expr> all;
    for (;;) {
      auto one = sequence(depth);
      if (!one) return one;
      all.push_back(*one);
      const size_t behind = at_;
      skip_space(true);  // a line may begin with '|'
      if (!take('|')) {
        if (depth == 0) at_ = behind;
        return rules_.alt(std::move(all));
      }
      skip_space(true);
    }
  }

  Result<Expr> sequence(int depth) {
    std::vector<Expr> parts;
    for (;;) {
      skip_space(depth > 0);
      const uint32_t c = peek();
      Result<Expr> part = 0u;
      if (c == '"') {
        part = literal();
      } else if (c == '[') {
        part = char_class();
      } else if (c == '.') {
        ++at_;
        part = rules_.set(CharSet::all());
      } else if (c == '(') {
        part = group(depth + 1);
      } else if (is_name(c)) {
        part = rules_.rule(rule_named(name()));
      } else {
        return parts.empty() ? rules_.empty() : rules_.cat(std::move(parts));
      }
      if (part) part = quantified(*part);
      if (!part) return part;
      parts.push_back(*part);
    }
  }

  Result<Expr> group(int depth) {
    if (depth > kMaxGroupDepth)
      return wrong(fmt::format("groups nested deeper than {}", kMaxGroupDepth), Errc::unsupported);
    take('(');
    skip_space(true);
    auto inner = alternatives(depth);
    if (!inner) return inner;
    skip_space(true);
    if (!take(')')) return wrong("a '(' without its ')'");
    return inner;
  }

  Result<uint32_t> number() {
    uint64_t value = 0;
    if (peek() < '0' || peek() > '9') return wrong("expected a number behind '{'");
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      value = std::min<uint64_t>(value * 10 + peek() - '0', kUnbounded);
    if (value > kMaxRepeat)
      return wrong(fmt::format("a repetition of more than {}", kMaxRepeat), Errc::unsupported);
    return static_cast<uint32_t>(value);
  }

  Result<Expr> quantified(Expr item) {
    for (int n = 0; n < 4; ++n) {  // "x*?" and the like: one around the other
      uint32_t min = 0, max = kUnbounded;
      if (take('?')) {
        max = 1;
      } else if (take('+')) {
        min = 1;
      } else if (take('{')) {
        auto low = number();
        if (!low) return low.error();
        min = max = *low;
        if (take(',')) {
          max = kUnbounded;
          if (peek() != '}') {
            auto high = number();
            if (!high) return high.error();
            max = *high;
          }
        }
        if (!take('}')) return wrong("expected '}' behind a repetition");
        if (max < min) return wrong("a repetition whose end is below its beginning");
      } else if (!take('*')) {
        return item;
      }
      item = rules_.repeat(item, min, max);
    }
    return wrong("too many quantifiers in a row");
  }

  Result<uint32_t> character() {
    if (at_ >= text_.size()) return wrong("a literal without its end");
    const uint32_t c = text_[at_++];
    if (c != '\\') return c;
    const uint32_t kind = at_ < text_.size() ? text_[at_++] : 0;
    switch (kind) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'x': return hex(2);
      case 'u': return hex(4);
      case 'U': return hex(8);
      default: break;
    }
    if (is_name(kind) && kind != '-' && kind != '_') return wrong("an unknown escape");
    return kind;
  }

  Result<uint32_t> hex(int n_digits) {
    uint64_t value = 0;
    for (int i = 0; i < n_digits; ++i, ++at_) {
      const uint32_t c = peek();
      if (c >= '0' && c <= '9')
        value = value * 16 + c - '0';
      else if ((c | 32) >= 'a' && (c | 32) <= 'f')
        value = value * 16 + (c | 32) - 'a' + 10;
      else
        return wrong("an escape with too few digits");
    }
    if (value > kMaxCodePoint) return wrong("an escape beyond Unicode");
    return static_cast<uint32_t>(value);
  }

  Result<Expr> literal() {
    take('"');
    std::string text;
    while (!take('"')) {
      if (peek() == '\n') return wrong("a literal without its end");
      auto c = character();
      if (!c) return c.error();
      append_utf8(text, *c);
    }
    return rules_.bytes(text);
  }

  Result<Expr> char_class() {
    take('[');
    const bool is_negated = take('^');
    CharSet set;
    while (!take(']')) {
      auto first = character();
      if (!first) return first.error();
      uint32_t last = *first;
      if (peek() == '-' && peek(1) != ']') {
        take('-');
        auto end = character();
        if (!end) return end.error();
        last = *end;
        if (last < *first) return wrong("a range of characters that is none");
      }
      set.add(*first, last);
    }
    return rules_.set(is_negated ? set.complement() : set);
  }

  Rules& rules_;
  const std::vector<uint32_t> text_;
  size_t at_ = 0;
  std::map<std::string, RuleId> names_;
};

}  // namespace

Result<Expr> parse_gbnf(Rules& rules, std::string_view text) {
  if (text.size() > kMaxSourceBytes)
    return Error{Errc::unsupported, fmt::format("the grammar has {} bytes, expected at most {}",
                                                text.size(), kMaxSourceBytes)};
  std::vector<uint32_t> characters;
  if (!decode_utf8(text, characters)) return Error{Errc::invalid, "the grammar is not UTF-8"};
  auto root = Parser(rules, std::move(characters)).parse();
  if (!root) return root.error();
  return rules.rule(*root);
}

Result<std::shared_ptr<const Grammar>> Grammar::from_gbnf(std::string_view text) {
  Rules rules;
  auto body = parse_gbnf(rules, text);
  if (!body) return body.error();
  const RuleId root = rules.add_rule("the whole text");
  rules.define(root, *body);
  return from_rules(rules, root);
}

}  // namespace hearth::grammar
