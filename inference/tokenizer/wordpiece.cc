#include "wordpiece.h"

#include <utf8proc.h>

#include <algorithm>

#include "unicode.h"
#include "words.h"

namespace hearth::tokenizer {

namespace {

// The reference implementation gives up on longer words; it keeps hostile ones from taking
// quadratic time.
constexpr size_t kMaxWordChars = 100;

// Each ideograph is a word. Blocks as the reference implementation lists them, gaps included.
bool is_ideograph(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool stands_alone(uint32_t c) {
  const uint32_t bit = category_bit(category(c));
  return (bit & kPunctuation) || (c < 0x7F && (bit & kSymbols)) || is_ideograph(c);
}

// Canonical decomposition of one character, the character itself where there is none.
std::vector<uint32_t> decomposed(uint32_t c) {
  utf8proc_int32_t parts[32];
  int last_class = 0;
  const utf8proc_ssize_t n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32,
                                                     UTF8PROC_DECOMPOSE, &last_class);
  if (n <= 0 || n > 32) return {c};
  return {parts, parts + n};
}

}  // namespace

Result<WordPiece> WordPiece::load(const gguf::File& file, const Vocabulary& vocabulary,
                                  Token unknown) {
  const auto lowercase = file.bool_or("tokenizer.ggml.normalizer.lowercase", true);
  if (!lowercase) return lowercase.error();
  const auto strip = file.bool_or("tokenizer.ggml.normalizer.strip_accents", *lowercase);
  if (!strip) return strip.error();
  WordPiece out;
  out.lowercase_ = *lowercase;
  out.strip_accents_ = *strip;
  out.unknown_ = unknown;
  for (size_t id = 0; id < vocabulary.size(); ++id)
    out.longest_token_ =
        std::max(out.longest_token_, vocabulary.text(static_cast<Token>(id)).size());
  return out;
}

void WordPiece::encode(const Vocabulary& vocabulary, std::string_view text,
                       std::vector<Token>& out) const {
  std::string word;
  size_t n_chars = 0;
  const auto finish = [&] {
    if (n_chars > kMaxWordChars) {
      if (unknown_ >= 0) out.push_back(unknown_);
    } else if (n_chars > 0) {
      encode_word(vocabulary, word, out);
    }
    word.clear();
    n_chars = 0;
  };
  const auto take = [&](uint32_t c) {
    const uint32_t bit = category_bit(category(c));
    const bool is_blank = c == '\t' || c == '\n' || c == '\r';  // other controls are nothing at all
    if (c == 0 || c == 0xFFFD || (!is_blank && (bit & kOthers))) return;
    if (is_whitespace(c)) return finish();
    if (strip_accents_ && bit == category_bit(UTF8PROC_CATEGORY_MN)) return;
    if (lowercase_) c = static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
    const bool alone = stands_alone(c);
    if (alone) finish();
    if (n_chars++ <= kMaxWordChars) append_utf8(word, c);
    if (alone) finish();
  };
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    at += c.size;
    if (strip_accents_ && c.value >= 0x80)
      for (const uint32_t part : decomposed(c.value)) take(part);
    else
      take(c.value);
  }
  finish();
}

void WordPiece::encode_word(const Vocabulary& vocabulary, const std::string& word,
                            std::vector<Token>& out) const {
  const std::string marked = std::string(kWordMark) + word;
  const size_t n_before = out.size();
  for (size_t at = 0; at < marked.size();) {
    size_t size = std::min(marked.size() - at, longest_token_);
    Token token = -1;
    for (; size > 0; --size) {
      token = vocabulary.find_plain(std::string_view(marked).substr(at, size));
      if (token >= 0) break;
    }
    if (token < 0) {  // one gap spoils the word
      out.resize(n_before);
      if (unknown_ >= 0) out.push_back(unknown_);
      return;
    }
    out.push_back(token);
    at += size;
  }
}

}  // namespace hearth::tokenizer
