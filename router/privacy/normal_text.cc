#include "privacy/normal_text.h"

#include <algorithm>
#include <array>
#include <optional>

namespace hearth::router {

namespace {

constexpr size_t kMaxPrefix = 200;  // of a line: path, line number

constexpr bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_alpha(unsigned char c) { return (c >= 'a' && c <= 'z') || is_upper(c); }

// Every byte of every text passes these.
constexpr auto kAlnum = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c)
    table[static_cast<size_t>(c)] =
        is_digit(static_cast<unsigned char>(c)) || is_alpha(static_cast<unsigned char>(c));
  return table;
}();
constexpr auto kLower = [] {
  std::array<char, 256> table{};
  for (int c = 0; c < 256; ++c)
    table[static_cast<size_t>(c)] =
        static_cast<char>(is_upper(static_cast<unsigned char>(c)) ? c + ('a' - 'A') : c);
  return table;
}();
bool is_alnum(unsigned char c) { return kAlnum[c]; }

int hex_value(unsigned char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Hexadecimal digits at the start of `text`.
template <size_t N>
std::optional<uint32_t> hex(std::string_view text) {
  if (text.size() < N) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < N; ++i) {
    const int digit = hex_value(static_cast<unsigned char>(text[i]));
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  return value;
}

// How much of the start of a line is a listing's: "  12\t", "12→", "L12: ", "src/a.cc:12:3:",
// "src/a.cc-12-". 0: nothing.
size_t listing_prefix(std::string_view line) {
  line = line.substr(0, kMaxPrefix);
  size_t at = 0;
  auto skip_digits = [&] {
    const size_t begin = at;
    while (at < line.size() && is_digit(static_cast<unsigned char>(line[at]))) ++at;
    return at > begin;
  };
  while (at < line.size() && (line[at] == ' ' || line[at] == '\t' || line[at] == '>' ||
                              line[at] == '+' || line[at] == '-' || line[at] == '|'))
    ++at;
  const size_t begin = at;
  if (at < line.size() && (line[at] == 'L' || line[at] == 'l') && at + 1 < line.size() &&
      is_digit(static_cast<unsigned char>(line[at + 1])))
    ++at;
  if (skip_digits() && (at == line.size() || !is_alnum(static_cast<unsigned char>(line[at]))) &&
      (at == line.size() || (line[at] != '.' && line[at] != '_')))
    return at;
  at = begin;
  bool is_path = false;
  while (at < line.size() && static_cast<unsigned char>(line[at]) > ' ' && line[at] != ':' &&
         line[at] != '"' && line[at] != '(' && line[at] != '\\') {
    is_path = is_path || line[at] == '/' || line[at] == '.';
    ++at;
  }
  if (!is_path || at == line.size() || line[at] != ':') return 0;
  for (int i = 0; i < 2 && at < line.size() && (line[at] == ':' || line[at] == '-'); ++i) {
    ++at;
    if (!skip_digits()) break;
  }
  return at;
}

// Reads through every escape. `emit(byte)` gets letters and digits, `separate()` what stands
// between them, `line()` the starts of lines with what follows; it returns how much to pass over.
template <class Emit, class Separate, class Line>
void read_letters(std::string_view text, Emit emit, Separate separate, Line line) {
  auto emit_utf8 = [&](uint32_t code) {
    if (code < 0x80) {
      const auto c = static_cast<unsigned char>(code);
      return is_alnum(c) ? emit(c) : separate(c);
    }
    const bool is_sign = code < 0xc0 || (code >= 0x2000 && code < 0x3040) || code == 0xfeff ||
                         (code >= 0xd800 && code < 0xe000) || code >= 0x1f000;
    if (is_sign) return separate(0);
    if (code < 0x800) {
      emit(static_cast<unsigned char>(0xc0 | code >> 6));
    } else {
      if (code < 0x10000) {
        emit(static_cast<unsigned char>(0xe0 | code >> 12));
      } else {
        emit(static_cast<unsigned char>(0xf0 | code >> 18));
        emit(static_cast<unsigned char>(0x80 | (code >> 12 & 0x3f)));
      }
      emit(static_cast<unsigned char>(0x80 | (code >> 6 & 0x3f)));
    }
    emit(static_cast<unsigned char>(0x80 | (code & 0x3f)));
  };
  size_t i = line(text);
  auto new_line = [&] {
    separate('\n');
    i += line(text.substr(std::min(i, text.size())));
  };
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (is_alnum(c)) {
      emit(c);
      ++i;
    } else if (c == '\n' || c == '\r') {
      ++i;
      new_line();
    } else if (c == '\\') {
      while (i < text.size() && text[i] == '\\') ++i;
      if (i == text.size()) return separate('\\');
      const char escaped = text[i];
      if (escaped == 'n' || escaped == 'r') {
        ++i;
        new_line();
      } else if (escaped == 't' || escaped == 'b' || escaped == 'f' || escaped == 'v') {
        ++i;
        separate('\t');
      } else if (auto code = escaped == 'u' ? hex<4>(text.substr(i + 1)) : std::nullopt) {
        i += 5;
        if (*code == '\n' || *code == '\r')
          new_line();
        else
          emit_utf8(*code);
      } else {
        separate('\\');
      }
    } else if (c == '%') {
      auto code = hex<2>(text.substr(i + 1));
      i += code ? 3 : 1;
      if (!code)
        separate('%');
      else if (*code == '\n' || *code == '\r')
        new_line();
      else if (*code >= 0x80)  // a byte of a longer sequence
        emit(static_cast<unsigned char>(*code));
      else
        emit_utf8(*code);
    } else if (c == '&') {
      const size_t end = text.substr(i, 10).find(';');
      const bool is_entity = end != text.npos && end > 1 &&
                             std::ranges::all_of(text.substr(i + 1, end - 1), [](unsigned char e) {
                               return is_alnum(e) || e == '#';
                             });
      i += is_entity ? end + 1 : 1;
      separate('&');
    } else if (c == 0x1b && i + 1 < text.size() && text[i + 1] == '[') {
      i += 2;  // a terminal's colours
      while (i < text.size() && !is_alpha(static_cast<unsigned char>(text[i]))) ++i;
      i = std::min(i + 1, text.size());
    } else if (c < 0x80) {
      ++i;
      separate(c);
    } else {
      // One character of UTF-8; a broken sequence byte by byte, as a letter.
      const size_t n_bytes = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
      if (n_bytes == 1 || i + n_bytes > text.size()) {
        emit(c);
        ++i;
        continue;
      }
      uint32_t code = c & (0xff >> (n_bytes + 1));
      for (size_t k = 1; k < n_bytes; ++k)
        code = code << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3f);
      emit_utf8(code);
      i += n_bytes;
    }
  }
}

// What stands in identifiers of everybody, whatever its digits look like.
constexpr std::string_view kCommon[] = {
    "sha256",  "sha512",  "sha384",  "sha224",  "sha1",    "md5",   "utf16",   "utf32",  "utf8",
    "base64",  "base32",  "x8664",   "x86",     "amd64",   "arm64", "aarch64", "int16",  "int32",
    "int64",   "int8",    "float16", "float32", "float64", "bf16",  "f16",     "f32",    "f64",
    "avx512",  "avx2",    "sse42",   "sse41",   "sse2",    "sse3",  "ipv4",    "ipv6",   "http2",
    "http1",   "oauth2",  "i18n",    "l10n",    "k8s",     "p256",  "p384",    "aes256", "aes128",
    "ed25519", "x25519",  "rsa2048", "rsa4096", "win32",   "win64", "python3", "es2015", "es2020",
    "iso8859", "iso8601", "rfc3339", "crc32",   "q4",      "q5",    "q6",      "q8",     "u8",
    "u16",     "u32",     "u64"};

constexpr size_t kMinWord = 14;

bool is_distinctive(std::string_view word) {
  if (word.size() < kMinWord || word.size() > 512) return false;
  if (std::ranges::count_if(word, [](unsigned char c) { return is_digit(c); }) < 4) return false;
  size_t n_digits = 0, n_letters = 0, n_changes = 0;
  std::array<bool, 256> seen{};
  for (size_t i = 0; i < word.size();) {
    std::string_view rest = word.substr(i);
    auto common = std::ranges::find_if(kCommon, [&](auto each) { return rest.starts_with(each); });
    if (common != std::end(kCommon) && n_digits < 4) {
      i += common->size();
      continue;
    }
    const bool is_year = (rest.starts_with("19") || rest.starts_with("20")) && rest.size() >= 4 &&
                         is_digit(static_cast<unsigned char>(rest[2])) &&
                         is_digit(static_cast<unsigned char>(rest[3])) &&
                         (rest.size() == 4 || !is_digit(static_cast<unsigned char>(rest[4])));
    if (is_year && (i == 0 || !is_digit(static_cast<unsigned char>(word[i - 1])))) {
      i += 4;
      continue;
    }
    const auto c = static_cast<unsigned char>(word[i]);
    is_digit(c) ? ++n_digits : ++n_letters;
    seen[c] = true;
    if (i > 0 && is_digit(c) != is_digit(static_cast<unsigned char>(word[i - 1]))) ++n_changes;
    ++i;
  }
  return n_digits >= 4 && n_letters >= 3 && n_changes >= 2 && std::ranges::count(seen, true) >= 7;
}

}  // namespace

NormalText normal_text(std::string_view text, LineStarts starts) {
  NormalText out;
  out.letters.resize(text.size());  // no escape is shorter than what it stands for
  char* const letters = out.letters.data();
  size_t n_letters = 0;
  size_t whole = 0, part = 0;  // where the word begins, and its last part behind a '-'
  auto emit = [&](unsigned char c) { letters[n_letters++] = kLower[c]; };
  auto keep = [&](size_t begin) {
    const std::string_view word(letters + begin, n_letters - begin);
    if (is_distinctive(word)) out.distinctive_words.emplace_back(word);
  };
  auto separate = [&](unsigned char c) {
    if (c == '_') return;
    const size_t end = n_letters;
    if (end - part >= kMinWord) keep(part);
    if (c != '-' && whole != part && end - whole >= kMinWord) keep(whole);
    part = end;
    if (c != '-') whole = end;
  };
  auto line = [&](std::string_view rest) -> size_t {
    if (starts == LineStarts::as_they_are && out.has_prefixes) return 0;
    const size_t n_prefix = listing_prefix(rest);
    if (n_prefix) out.has_prefixes = true;
    return starts == LineStarts::without_numbers ? n_prefix : 0;
  };
  read_letters(text, emit, separate, line);
  separate(' ');
  out.letters.resize(n_letters);
  return out;
}

}  // namespace hearth::router
