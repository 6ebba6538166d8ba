#include "chat/jinja/lexer.h"

#include <algorithm>

#include "chat/jinja/numbers.h"
#include "chat/jinja/string_literal.h"
#include "chat/jinja/unicode.h"

namespace hearth::jinja {

namespace {

// Every kind of line break becomes \n; one at the end goes.
std::string normalize(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<LexToken> run() {
    while (at_ < source_.size()) outside();
    push(TokenKind::end);
    return std::move(tokens_);
  }

 private:
  // Data up to the next tag, then the tag.
  void outside() {
    size_t open = find_tag();
    if (open == std::string::npos) {
      push_data(at_, source_.size());
      at_ = source_.size();
      return;
    }
    char type = source_[open + 1];
    char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
    if (sign != '-' && sign != '+') sign = '\0';
    push_data(at_, data_end(open, sign, type != '{'));
    advance_to(open + (sign ? 3 : 2));
    if (type == '#') return comment();
    if (type == '%' && raw()) return;
    push(type == '{' ? TokenKind::variable_begin : TokenKind::block_begin);
    inside(type == '{' ? "}}" : "%}", type == '%');
  }

  size_t find_tag() const {
    for (size_t at = source_.find('{', at_); at != std::string::npos;
         at = source_.find('{', at + 1))
      if (at + 1 < source_.size() &&
          std::string_view("{%#").find(source_[at + 1]) != std::string_view::npos)
        return at;
    return std::string::npos;
  }

  // Where the data before a tag ends, by the sign of the tag.
  size_t data_end(size_t open, char sign, bool may_lstrip) const {
    size_t end = open;
    if (sign == '-') {
      while (end > at_) {
        size_t before = end;
        if (!unicode::is(unicode::decode_before(source_, before), unicode::space)) break;
        end = before;
      }
      return std::max(end, at_);
    }
    if (sign == '+' || !may_lstrip) return open;
    size_t line_begin = at_;
    std::string_view data = std::string_view(source_).substr(at_, open - at_);
    if (size_t newline = data.rfind('\n'); newline != std::string_view::npos)
      line_begin += newline + 1;
    else if (!line_starting_)
      return open;
    for (size_t at = line_begin; at < open;)
      if (!unicode::is(unicode::decode(source_, at), unicode::space)) return open;
    return line_begin;
  }

  void comment() {
    size_t close = source_.find("#}", at_);
    if (close == std::string::npos) fail_here("Missing end of comment tag");
    char sign = close > at_ ? source_[close - 1] : '\0';
    advance_to(close + 2);
    after_tag(sign == '-' ? '-' : sign == '+' ? '+' : '\0', true);
  }

  // {% raw %} ... {% endraw %}: all data. False if this is another tag.
  bool raw() {
    size_t at = skip_spaces(at_);
    if (source_.compare(at, 3, "raw") != 0) return false;
    at = skip_spaces(at + 3);
    bool strips = source_.compare(at, 3, "-%}") == 0;
    if (!strips && source_.compare(at, 2, "%}") != 0) return false;
    advance_to(at + (strips ? 3 : 2));
    if (strips) advance_to(skip_spaces(at_));
    line_starting_ = source_[at_ - 1] == '\n';
    for (size_t open = source_.find("{%", at_); open != std::string::npos;
         open = source_.find("{%", open + 1)) {
      size_t inner = open + 2;
      char sign = inner < source_.size() && (source_[inner] == '-' || source_[inner] == '+')
                      ? source_[inner]
                      : '\0';
      inner = skip_spaces(inner + (sign ? 1 : 0));
      if (source_.compare(inner, 6, "endraw") != 0) continue;
      inner = skip_spaces(inner + 6);
      char end_sign = inner < source_.size() && (source_[inner] == '-' || source_[inner] == '+')
                          ? source_[inner]
                          : '\0';
      if (end_sign) ++inner;
      if (source_.compare(inner, 2, "%}") != 0) continue;
      push_data(at_, data_end(open, sign, true));
      advance_to(inner + 2);
      after_tag(end_sign, true);
      return true;
    }
    fail_here("Missing end of raw directive");
  }

  // The tokens of one tag.
  void inside(std::string_view close, bool is_block) {
    std::string brackets;  // closing ones still expected
    while (true) {
      advance_to(skip_spaces(at_));
      if (at_ >= source_.size()) return;
      if (brackets.empty()) {
        char sign = source_[at_];
        bool signed_end =
            (sign == '-' || (sign == '+' && is_block)) && source_.compare(at_ + 1, 2, close) == 0;
        if (signed_end || source_.compare(at_, 2, close) == 0) {
          push(is_block ? TokenKind::block_end : TokenKind::variable_end);
          advance_to(at_ + (signed_end ? 3 : 2));
          after_tag(signed_end ? sign : '\0', is_block);
          return;
        }
      }
      if (!number() && !name() && !string()) symbol(brackets);
    }
  }

  // What a tag's end takes of the data after it.
  void after_tag(char sign, bool trims) {
    if (sign == '-')
      advance_to(skip_spaces(at_));
    else if (sign == '\0' && trims && at_ < source_.size() && source_[at_] == '\n')
      advance_to(at_ + 1);
    line_starting_ = source_[at_ - 1] == '\n';
  }

  size_t digits(size_t at, int base = 10) const {  // digits with single underscores between
    auto valid = [&](size_t i) {
      if (i >= source_.size()) return false;
      char c = source_[i];
      if (base <= 10) return c >= '0' && c < '0' + base;
      return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
    };
    if (!valid(at)) return at;
    while (valid(at) || (at < source_.size() && source_[at] == '_' && valid(at + 1))) ++at;
    return at;
  }

  bool number() {
    if (!is_digit(source_[at_])) return false;
    size_t end = digits(at_);
    size_t after = end;
    if (after < source_.size() && source_[after] == '.' && digits(after + 1) > after + 1)
      after = digits(after + 1);
    if (after < source_.size() && (source_[after] | 0x20) == 'e') {
      size_t exponent = after + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-'))
        ++exponent;
      if (digits(exponent) > exponent) after = digits(exponent);
    }
    bool follows_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (after > end && !follows_dot) {
      LexToken& token = push(TokenKind::real);
      token.real = parse_float(source_.substr(at_, after - at_)).value_or(0);
      advance_to(after);
      return true;
    }
    integer(end);
    return true;
  }

  void integer(size_t end) {
    int base = 10;
    if (source_[at_] == '0') {
      char letter = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
      int prefixed = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
      size_t first = at_ + 2;
      if (prefixed && first < source_.size() && source_[first] == '_') ++first;
      if (prefixed && digits(first, prefixed) > first) {
        base = prefixed;
        end = digits(first, prefixed);
      } else {  // zeros only: 007 is two numbers, and so an error further on
        end = at_ + 1;
        while (end < source_.size() &&
               (source_[end] == '0' ||
                (source_[end] == '_' && end + 1 < source_.size() && source_[end + 1] == '0')))
          ++end;
      }
    }
    LexToken& token = push(TokenKind::integer);
    token.integer = parse_int(source_.substr(at_, end - at_), base).value_or(0);
    advance_to(end);
  }

  bool name() {
    auto part_of_name = [](char32_t code) {
      return code == '_' || unicode::is(code, unicode::alpha | unicode::decimal | unicode::digit |
                                                  unicode::numeric);
    };
    size_t end = at_;
    while (end < source_.size()) {
      size_t next = end;
      if (!part_of_name(unicode::decode(source_, next))) break;
      end = next;
    }
    if (end == at_) return false;
    std::string text = source_.substr(at_, end - at_);
    push(TokenKind::name).text = std::move(text);
    advance_to(end);
    return true;
  }

  bool string() {
    char quote = source_[at_];
    if (quote != '"' && quote != '\'') return false;
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_here(concat("unexpected char ", quote));
    push(TokenKind::string).text =
        unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1));
    advance_to(end + 1);
    return true;
  }

  void symbol(std::string& brackets) {
    constexpr std::string_view kPairs[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kSingles = "+-/*%~[](){}><=.:|,;";
    std::string_view rest = std::string_view(source_).substr(at_);
    size_t length = std::any_of(std::begin(kPairs), std::end(kPairs),
                                [&](std::string_view pair) { return rest.starts_with(pair); })
                        ? 2
                        : 1;
    char c = rest[0];
    if (length == 1 && kSingles.find(c) == std::string_view::npos)
      fail_here(concat("unexpected character '", std::string(rest.substr(0, 1)), "'"));
    if (c == '(') brackets += ')';
    if (c == '[') brackets += ']';
    if (c == '{') brackets += '}';
    if (c == ')' || c == ']' || c == '}') {
      if (brackets.empty()) fail_here(concat("unexpected '", c, "'"));
      if (brackets.back() != c)
        fail_here(concat("unexpected '", c, "', expected '", brackets.back(), "'"));
      brackets.pop_back();
    }
    push(TokenKind::symbol).text = rest.substr(0, length);
    advance_to(at_ + length);
  }

  size_t skip_spaces(size_t at) const {
    while (at < source_.size()) {
      size_t next = at;
      if (!unicode::is(unicode::decode(source_, next), unicode::space)) break;
      at = next;
    }
    return at;
  }

  LexToken& push(TokenKind kind) {
    tokens_.push_back({kind, line_, {}, 0, 0});
    return tokens_.back();
  }
  void push_data(size_t begin, size_t end) {
    if (begin < end) push(TokenKind::data).text = source_.substr(begin, end - begin);
  }
  void advance_to(size_t at) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(at_),
                                         source_.begin() + static_cast<ptrdiff_t>(at), '\n'));
    at_ = at;
  }
  [[noreturn]] void fail_here(std::string message) const {
    throw Failure{std::move(message), line_, false};
  }

  const std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the last thing taken ended a line
  std::vector<LexToken> tokens_;
};

}  // namespace

std::vector<LexToken> lex(std::string_view source) {
  if (!unicode::is_valid_utf8(source)) fail("the template is not valid UTF-8");
  return Lexer(normalize(source)).run();
}

}  // namespace hearth::jinja
