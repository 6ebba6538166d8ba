#include "grammar/regex.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

namespace hearth::grammar {

namespace {

constexpr uint32_t kMaxRepeat = 100'000;

const CharSet& digits() {
  static const CharSet set{{'0', '9'}};
  return set;
}
const CharSet& word_characters() {
  static const CharSet set{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}
const CharSet& spaces() {
  static const CharSet set{{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                           {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                           {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return set;
}

// General categories by their short and long names.
std::optional<CharSet> category_set(std::string_view name) {
  static const std::map<std::string_view, std::string_view> long_names = {
      {"Letter", "L"},
      {"Lowercase_Letter", "Ll"},
      {"Uppercase_Letter", "Lu"},
      {"Number", "N"},
      {"Decimal_Number", "Nd"},
      {"digit", "Nd"},
      {"Punctuation", "P"},
      {"punct", "P"},
      {"Symbol", "S"},
      {"Separator", "Z"},
      {"Mark", "M"},
      {"Other", "C"},
      {"Titlecase_Letter", "Lt"}};
  for (std::string_view prefix : {"General_Category=", "gc="})
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  if (auto at = long_names.find(name); at != long_names.end()) name = at->second;
  const auto matches = [&](uint32_t c) {
    const std::string_view own = utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
    return own.starts_with(name);
  };
  if (name.empty() || name.size() > 2) return std::nullopt;
  thread_local std::map<std::string, CharSet, std::less<>> known;  // it takes milliseconds
  if (auto at = known.find(name); at != known.end()) return at->second;
  CharSet out;
  uint32_t begun = 0;
  bool is_in = false;
  for (uint32_t c = 0; c <= kMaxCodePoint + 1; ++c) {
    const bool is_member = c <= kMaxCodePoint && matches(c);
    if (is_member && !is_in) begun = c;
    if (!is_member && is_in) out.add(begun, c - 1);
    is_in = is_member;
  }
  if (out.is_empty()) return std::nullopt;
  return known[std::string(name)] = out;
}

class Parser {
 public:
  Parser(Rules& rules, std::vector<uint32_t> text) : rules_(rules), text_(std::move(text)) {}

  Result<Expr> parse(Match match) {
    // Anchors stand at the ends of the alternatives of the outermost level, and nowhere else.
    std::vector<Expr> alternatives;
    do {
      const bool is_begun = take_all('^');
      auto body = sequence(0);
      if (!body) return body.error();
      const bool is_ended = take_all('$');
      std::vector<Expr> parts;
      if (match == Match::part && !is_begun) parts.push_back(anything());
      parts.push_back(*body);
      if (match == Match::part && !is_ended) parts.push_back(anything());
      alternatives.push_back(rules_.cat(std::move(parts)));
    } while (take('|'));
    if (at_ < text_.size()) {
      if (peek() == ')') return wrong("a ')' without its '('");
      return wrong("'^' and '$' are supported at the ends of the pattern only", Errc::unsupported);
    }
    return rules_.alt(std::move(alternatives));
  }

 private:
  Error wrong(std::string_view what, Errc code = Errc::invalid) const {
    return {code, fmt::format("{} at character {}", what, at_ + 1)};
  }
  uint32_t peek() const { return at_ < text_.size() ? text_[at_] : 0; }
  bool take(uint32_t c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_all(uint32_t c) {
    bool is_there = false;
    while (take(c)) is_there = true;
    return is_there;
  }
  bool take(std::string_view word) {
    if (text_.size() - at_ < word.size()) return false;
    for (size_t i = 0; i < word.size(); ++i)
      if (text_[at_ + i] != static_cast<uint8_t>(word[i])) return false;
    at_ += word.size();
    return true;
  }
  Expr anything() { return rules_.repeat(rules_.set(CharSet::all()), 0, kUnbounded); }

  Result<Expr> alternatives(int depth) {
    std::vector<Expr> all;
    do {
      auto one = sequence(depth);
      if (!one) return one;
      all.push_back(*one);
    } while (take('|'));
    return rules_.alt(std::move(all));
  }

  Result<Expr> sequence(int depth) {
    std::vector<Expr> parts;
    std::string literal;
    const auto flush = [&] {
      if (!literal.empty()) parts.push_back(rules_.bytes(std::exchange(literal, {})));
    };
    while (at_ < text_.size() && peek() != '|' && peek() != ')' && peek() != '^' && peek() != '$') {
      std::optional<uint32_t> single;
      auto item = atom(depth, single);
      if (!item) return item;
      const bool is_counted = peek() == '*' || peek() == '+' || peek() == '?' || is_count();
      if (single && !is_counted) {
        append_utf8(literal, *single);
        continue;
      }
      flush();
      auto counted = quantified(single ? rules_.set(CharSet::of(*single)) : *item);
      if (!counted) return counted;
      parts.push_back(*counted);
    }
    flush();
    return parts.empty() ? rules_.empty() : rules_.cat(std::move(parts));
  }

  // One character is told in `single`, so that runs of them become one literal.
  Result<Expr> atom(int depth, std::optional<uint32_t>& single) {
    const uint32_t c = text_[at_];
    if (c == '*' || c == '+' || c == '?') return wrong("a quantifier with nothing to repeat");
    ++at_;
    if (c == '(') return group(depth + 1);
    if (c == '.') return rules_.set(CharSet{{'\n', '\n'}, {'\r', '\r'}}.complement());
    if (c == '[') {
      auto set = char_class();
      if (!set) return set.error();
      return rules_.set(std::move(*set));
    }
    if (c != '\\') {
      single = c;
      return rules_.empty();
    }
    CharSet set;
    if (auto read = escape(set, false); !read) return read.error();
    const auto ranges = set.ranges();
    if (ranges.size() == 1 && ranges[0].first == ranges[0].last) {
      single = ranges[0].first;
      return rules_.empty();
    }
    return rules_.set(std::move(set));
  }

  Result<Expr> group(int depth) {
    if (depth > kMaxGroupDepth)
      return wrong(fmt::format("groups nested deeper than {}", kMaxGroupDepth), Errc::unsupported);
    if (take('?')) {
      if (peek() == '=' || peek() == '!' || take("<=") || take("<!"))
        return wrong("look-around is not supported", Errc::unsupported);
      if (take('<') || take("P<")) {
        while (at_ < text_.size() && !take('>')) ++at_;
      } else if (!take(':')) {
        return wrong("flags in a pattern are not supported", Errc::unsupported);
      }
    }
    auto inner = alternatives(depth);
    if (!inner) return inner;
    if (peek() == '^' || peek() == '$')
      return wrong("'^' and '$' are supported at the ends of the pattern only", Errc::unsupported);
    if (!take(')')) return wrong("a '(' without its ')'");
    return inner;
  }

  // "{3}", "{3,}", "{3,5}"; any other '{' is itself.
  bool is_count() const {
    size_t i = at_;
    if (i >= text_.size() || text_[i++] != '{') return false;
    const auto digit = [&] { return i < text_.size() && text_[i] >= '0' && text_[i] <= '9'; };
    if (!digit()) return false;
    while (digit()) ++i;
    if (i < text_.size() && text_[i] == ',') ++i;
    while (digit()) ++i;
    return i < text_.size() && text_[i] == '}';
  }

  Result<uint32_t> number() {
    uint64_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      value = std::min<uint64_t>(value * 10 + peek() - '0', kUnbounded);
    if (value > kMaxRepeat)
      return wrong(fmt::format("a repetition of more than {}", kMaxRepeat), Errc::unsupported);
    return static_cast<uint32_t>(value);
  }

  Result<Expr> quantified(Expr item) {
    uint32_t min = 1, max = 1;
    if (take('*')) {
      min = 0, max = kUnbounded;
    } else if (take('+')) {
      max = kUnbounded;
    } else if (take('?')) {
      min = 0;
    } else if (is_count()) {
      take('{');
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
      take('}');
      if (max < min) return wrong("a repetition whose end is below its beginning");
    } else {
      return item;
    }
    take('?');  // lazy: the same texts match
    if (peek() == '+') return wrong("possessive quantifiers are not supported", Errc::unsupported);
    if (peek() == '*' || peek() == '?' || is_count())
      return wrong("a quantifier with nothing to repeat");
    return rules_.repeat(item, min, max);
  }

  Result<uint32_t> hex(int n_least, int n_most) {
    uint32_t value = 0;
    int n = 0;
    for (; n < n_most && at_ < text_.size(); ++n, ++at_) {
      const uint32_t c = peek();
      if (c >= '0' && c <= '9')
        value = value * 16 + c - '0';
      else if ((c | 32) >= 'a' && (c | 32) <= 'f')
        value = value * 16 + (c | 32) - 'a' + 10;
      else
        break;
    }
    if (n < n_least || value > kMaxCodePoint) return wrong("an escape without its number");
    return value;
  }

  // Behind the backslash.
  Result<> escape(CharSet& out, bool is_in_class) {
    if (at_ >= text_.size()) return wrong("a '\\' at the end");
    const uint32_t c = text_[at_++];
    const auto only = [&](uint32_t code_point) {
      out = CharSet::of(code_point);
      return Result<>{};
    };
    switch (c) {
      case 'd': out = digits(); return {};
      case 'D': out = digits().complement(); return {};
      case 'w': out = word_characters(); return {};
      case 'W': out = word_characters().complement(); return {};
      case 's': out = spaces(); return {};
      case 'S': out = spaces().complement(); return {};
      case 't': return only('\t');
      case 'n': return only('\n');
      case 'r': return only('\r');
      case 'f': return only('\f');
      case 'v': return only('\v');
      case '0': return only(0);
      case 'c': {
        const uint32_t letter = peek() | 32;
        if (letter < 'a' || letter > 'z') return wrong("\\c without its letter");
        ++at_;
        return only(letter - 'a' + 1);
      }
      case 'x': {
        auto value = hex(2, 2);
        if (!value) return value.error();
        return only(*value);
      }
      case 'u': {
        const bool has_braces = take('{');
        auto value = has_braces ? hex(1, 6) : hex(4, 4);
        if (!value) return value.error();
        if (has_braces && !take('}')) return wrong("\\u{ without its '}'");
        if (*value >= 0xD800 && *value < 0xDC00 && take("\\u")) {  // a pair
          auto low = hex(4, 4);
          if (!low) return low.error();
          return only(0x10000 + ((*value - 0xD800) << 10) + (*low & 0x3FF));
        }
        return only(*value);
      }
      case 'p':
      case 'P': {
        std::string name;
        if (!take('{')) return wrong("\\p without its '{'");
        while (at_ < text_.size() && peek() != '}') append_utf8(name, text_[at_++]);
        take('}');
        auto set = category_set(name);
        if (!set) return wrong(fmt::format("\\p{{{}}} is not supported", name), Errc::unsupported);
        out = c == 'p' ? *set : set->complement();
        return {};
      }
      case 'b':
        if (is_in_class) return only('\b');
        [[fallthrough]];
      case 'B':
      case 'A':
      case 'z':
      case 'Z': return wrong("word boundaries are not supported", Errc::unsupported);
      case 'k': return wrong("back references are not supported", Errc::unsupported);
      default: break;
    }
    if (c >= '1' && c <= '9') return wrong("back references are not supported", Errc::unsupported);
    if ((c | 32) >= 'a' && (c | 32) <= 'z') return wrong("an unknown escape");
    return only(c);
  }

  Result<CharSet> char_class() {
    const bool is_negated = take('^');
    CharSet out;
    while (!take(']')) {
      if (at_ >= text_.size()) return wrong("a '[' without its ']'");
      CharSet item;
      if (auto read = class_item(item); !read) return read.error();
      const auto ranges = item.ranges();
      const bool is_single = ranges.size() == 1 && ranges[0].first == ranges[0].last;
      const bool is_range = peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (is_single && is_range) {
        ++at_;
        CharSet end;
        if (auto read = class_item(end); !read) return read.error();
        const auto last = end.ranges();
        if (last.size() != 1 || last[0].first != last[0].last || last[0].first < ranges[0].first)
          return wrong("a range of characters that is none");
        out.add(ranges[0].first, last[0].first);
      } else {
        out = out | item;
      }
    }
    return is_negated ? out.complement() : out;
  }

  Result<> class_item(CharSet& out) {
    if (at_ >= text_.size()) return wrong("a '[' without its ']'");
    const uint32_t c = text_[at_++];
    if (c == '\\') return escape(out, true);
    out = CharSet::of(c);
    return {};
  }

  Rules& rules_;
  const std::vector<uint32_t> text_;
  size_t at_ = 0;
};

// Of an expression without rules.
Result<> build(const Rules& rules, Expr expr, Nfa& nfa, uint32_t from, uint32_t to) {
  constexpr size_t kMaxNodes = 400'000;
  if (nfa.nodes.size() > kMaxNodes)
    return Error{Errc::unsupported, "the pattern is too large: its repetitions multiply"};
  const Rules::Node& node = rules.node(expr);
  const auto jump = [&](uint32_t a, uint32_t b) { nfa.nodes[a].jumps.push_back(b); };
  switch (node.kind) {
    case Rules::Kind::bytes: {
      std::vector<uint32_t> text;
      decode_utf8(node.bytes, text);
      for (uint32_t c : text) {
        const uint32_t next = nfa.add();
        nfa.nodes[from].edges.emplace_back(CharSet::of(c), next);
        from = next;
      }
      jump(from, to);
      return {};
    }
    case Rules::Kind::set: nfa.nodes[from].edges.emplace_back(node.set, to); return {};
    case Rules::Kind::cat:
      for (Expr child : node.children) {
        const uint32_t next = nfa.add();
        if (auto done = build(rules, child, nfa, from, next); !done) return done;
        from = next;
      }
      jump(from, to);
      return {};
    case Rules::Kind::alt:
      for (Expr child : node.children) {
        const uint32_t begin = nfa.add();
        jump(from, begin);
        if (auto done = build(rules, child, nfa, begin, to); !done) return done;
      }
      return {};
    case Rules::Kind::repeat: {
      for (uint32_t i = 0; i < node.min; ++i) {
        const uint32_t next = nfa.add();
        if (auto done = build(rules, node.children[0], nfa, from, next); !done) return done;
        from = next;
      }
      if (node.max == kUnbounded) {
        const uint32_t loop = nfa.add();
        jump(from, loop);
        jump(loop, to);
        const uint32_t begin = nfa.add();
        jump(loop, begin);
        return build(rules, node.children[0], nfa, begin, loop);
      }
      for (uint32_t i = node.min; i < node.max; ++i) {
        jump(from, to);
        const uint32_t next = nfa.add();
        if (auto done = build(rules, node.children[0], nfa, from, next); !done) return done;
        from = next;
      }
      jump(from, to);
      return {};
    }
    default: return Error{Errc::internal, "a pattern with rules in it"};
  }
}

Result<std::vector<uint32_t>> code_points_of(std::string_view pattern) {
  std::vector<uint32_t> text;
  if (pattern.size() > kMaxSourceBytes)
    return Error{Errc::unsupported, fmt::format("the pattern has {} bytes, expected at most {}",
                                                pattern.size(), kMaxSourceBytes)};
  if (!decode_utf8(pattern, text)) return Error{Errc::invalid, "the pattern is not UTF-8"};
  return text;
}

}  // namespace

Result<Expr> parse_regex(Rules& rules, std::string_view pattern, Match match) {
  auto text = code_points_of(pattern);
  if (!text) return text.error();
  return Parser(rules, std::move(*text)).parse(match);
}

Result<Dfa> dfa_of_regex(std::string_view pattern, Match match) {
  Rules rules;
  auto expr = parse_regex(rules, pattern, match);
  if (!expr) return expr.error();
  Nfa nfa;
  nfa.start = nfa.add();
  nfa.end = nfa.add();
  if (auto built = build(rules, *expr, nfa, nfa.start, nfa.end); !built) return built.error();
  return determinize(nfa);
}

}  // namespace hearth::grammar
