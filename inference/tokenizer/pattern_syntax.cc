#include "pattern_syntax.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <optional>

#include "unicode.h"

namespace hearth::tokenizer {

namespace {

// \p{name}: categories, or the one script in use.
bool add_property(std::string_view name, uint32_t& categories, std::vector<CharRange>& ranges) {
  static const std::vector<std::pair<std::string_view, uint32_t>> known = {
      {"L", kLetters},
      {"M", kMarks},
      {"N", kNumbers},
      {"P", kPunctuation},
      {"S", kSymbols},
      {"Z", kSeparators},
      {"Lu", category_bit(UTF8PROC_CATEGORY_LU)},
      {"Ll", category_bit(UTF8PROC_CATEGORY_LL)},
      {"Lt", category_bit(UTF8PROC_CATEGORY_LT)},
      {"Lm", category_bit(UTF8PROC_CATEGORY_LM)},
      {"Lo", category_bit(UTF8PROC_CATEGORY_LO)},
      {"Nd", category_bit(UTF8PROC_CATEGORY_ND)}};
  for (const auto& [known_name, bits] : known) {
    if (known_name != name) continue;
    categories |= bits;
    return true;
  }
  if (name != "Han") return false;
  ranges.insert(ranges.end(), han_ranges().begin(), han_ranges().end());
  return true;
}

// Recursive descent; depth is that of the pattern's groups, which is ours to choose.
class SyntaxParser {
 public:
  explicit SyntaxParser(std::string_view source) : source_(source) {}

  Result<ParsedPattern> parse() {
    Syntax root = choice();
    if (at_ < source_.size()) fail("unexpected character");
    if (!error_.empty())
      return Error{Errc::internal, fmt::format("pattern {}: byte {}: {}", source_, at_, error_)};
    return ParsedPattern{std::move(root), std::move(sets_)};
  }

 private:
  Syntax choice() {
    Syntax out{.kind = Syntax::Kind::choice};
    do {
      out.children.push_back(sequence());
    } while (accept("|"));
    return out.children.size() == 1 ? std::move(out.children.front()) : out;
  }

  Syntax sequence() {
    Syntax out{.kind = Syntax::Kind::sequence};
    while (error_.empty() && at_ < source_.size() && source_[at_] != '|' && source_[at_] != ')')
      out.children.push_back(repeat(atom()));
    return out;
  }

  Syntax atom() {
    if (accept("(?!\\S)")) {
      CharSet visible = whitespace_set();
      visible.negated = true;
      return {.kind = Syntax::Kind::not_before, .set = add(std::move(visible))};
    }
    if (accept("(?i:")) return group(true);
    if (accept("(?:")) return group(ignore_case_);
    if (accept("[")) return {.kind = Syntax::Kind::set, .set = add(char_class())};
    if (std::string_view("(*+?").find(source_[at_]) != std::string_view::npos)
      fail("not in the subset of expressions");
    CharSet set;
    if (!shorthand(set.categories, set.ranges)) add_literal(set, literal());
    return {.kind = Syntax::Kind::set, .set = add(std::move(set))};
  }

  Syntax group(bool ignore_case) {
    const bool outer = std::exchange(ignore_case_, ignore_case);
    Syntax inner = choice();
    ignore_case_ = outer;
    if (!accept(")")) fail("expected )");
    return inner;
  }

  Syntax repeat(Syntax atom) {
    int min = 1, max = 1;
    if (accept("?")) {
      min = 0;
    } else if (accept("*")) {
      min = 0, max = kUnbounded;
    } else if (accept("+")) {
      max = kUnbounded;
    } else if (accept("{")) {
      min = max = number();
      if (accept(",")) max = number();
      if (!accept("}")) fail("expected }");
    } else {
      return atom;
    }
    Syntax out{.kind = Syntax::Kind::repeat, .min = min, .max = max};
    out.children.push_back(std::move(atom));
    return out;
  }

  // After "[".
  CharSet char_class() {
    CharSet set;
    set.negated = accept("^");
    while (error_.empty() && !accept("]")) {
      if (at_ >= source_.size()) {
        fail("expected ]");
      } else if (accept("&&[^")) {
        while (error_.empty() && !accept("]"))
          if (!shorthand(set.except_categories, set.except_ranges)) fail("expected \\p{...}");
      } else if (!shorthand(set.categories, set.ranges)) {
        const uint32_t first = literal();
        const bool is_range = at_ + 1 < source_.size() && source_[at_] == '-' &&
                              source_[at_ + 1] != ']' && accept("-");
        set.ranges.push_back({first, is_range ? literal() : first});
      }
    }
    return set;
  }

  // \s, \d, \p{...}; false when something else stands here.
  bool shorthand(uint32_t& categories, std::vector<CharRange>& ranges) {
    if (accept("\\s")) {
      const CharSet space = whitespace_set();
      categories |= space.categories;
      ranges.insert(ranges.end(), space.ranges.begin(), space.ranges.end());
    } else if (accept("\\d")) {
      categories |= category_bit(UTF8PROC_CATEGORY_ND);
    } else if (accept("\\p{")) {
      const size_t end = source_.find('}', at_);
      if (end == source_.npos || !add_property(source_.substr(at_, end - at_), categories, ranges))
        fail("unknown property");
      else
        at_ = end + 1;
    } else {
      return false;
    }
    return true;
  }

  uint32_t literal() {
    if (at_ >= source_.size()) {
      fail("expected a character");
      return 0;
    }
    const bool escaped = source_[at_] == '\\' && at_ + 1 < source_.size();
    if (escaped) ++at_;
    const CodePoint c = decode_utf8(source_, at_);
    at_ += c.size;
    if (!escaped) return c.value;
    switch (c.value) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      default: return c.value;
    }
  }

  void add_literal(CharSet& set, uint32_t c) const {
    set.ranges.push_back({c, c});
    const bool is_ascii_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (!ignore_case_ || !is_ascii_letter) return;
    set.ranges.push_back({c ^ 0x20, c ^ 0x20});
    // Simple case folding knows two letters outside ASCII that fold into it.
    if ((c | 0x20) == 's') set.ranges.push_back({0x17F, 0x17F});
    if ((c | 0x20) == 'k') set.ranges.push_back({0x212A, 0x212A});
  }

  int number() {
    int value = 0;
    while (at_ < source_.size() && source_[at_] >= '0' && source_[at_] <= '9' && value < 10000)
      value = value * 10 + (source_[at_++] - '0');
    return value;
  }

  size_t add(CharSet set) {
    sets_.push_back(std::move(set));
    return sets_.size() - 1;
  }

  bool accept(std::string_view token) {
    if (source_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  void fail(std::string_view what) {
    if (error_.empty()) error_ = what;
  }

  std::string_view source_;
  size_t at_ = 0;
  bool ignore_case_ = false;
  std::vector<CharSet> sets_;
  std::string_view error_;
};

}  // namespace

Result<ParsedPattern> parse_pattern(std::string_view source) {
  return SyntaxParser(source).parse();
}

}  // namespace hearth::tokenizer
