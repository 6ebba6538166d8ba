// The tokens of a GGUF file: text, kind, score, and the way back from text to id.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/reader.h"
#include "inference/message.h"
#include "support/result.h"

namespace hearth::tokenizer {

// Values as tokenizer.ggml.token_type has them.
enum class TokenKind : uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581, the space of SPM vocabularies

uint64_t hash_text(std::string_view text);

// Immutable once the special tokens are settled (special_tokens.h).
class Vocabulary {
 public:
  // Copies all text: the file may go. Texts may hold any bytes. Errors (corrupt): arrays missing,
  // of wrong element type, shorter than the tokens.
  static Result<Vocabulary> load(const gguf::File& file);

  size_t size() const { return kinds_.size(); }
  bool has(int64_t token) const { return token >= 0 && static_cast<uint64_t>(token) < size(); }

  // `token` must be one of ours.
  std::string_view text(Token token) const {
    return std::string_view(texts_).substr(offsets_[token], offsets_[token + 1] - offsets_[token]);
  }
  TokenKind kind(Token token) const { return kinds_[token]; }
  float score(Token token) const { return scores_.empty() ? 0.0f : scores_[token]; }

  // The token with this text, the first of several; -1 when there is none.
  Token find(std::string_view text) const;

  // find_plain of each, faster: memory is asked for all before it is waited for. `out` is as long.
  void find_plain(std::span<const std::string_view> texts, std::span<Token> out) const;

  // As find, but only tokens that ordinary text may become: never control, unknown or byte tokens,
  // so no user can spell a marker.
  Token find_plain(std::string_view text) const {
    const Token token = find(text);
    return token >= 0 && is_plain(token) ? token : -1;
  }
  bool is_plain(Token token) const {
    const TokenKind k = kinds_[token];
    return k == TokenKind::normal || k == TokenKind::user_defined || k == TokenKind::unused;
  }

  // "<0x0A>" -> 10 for byte tokens (by type, or by text where the file has no types); else -1.
  int byte_of(Token token) const;

  // Whether some token that text may become has U+2581 behind another character: then merges may
  // cross a word boundary.
  bool has_tokens_across_words() const;

  void set_kind(Token token, TokenKind kind) { kinds_[token] = kind; }

 private:
  // One place of the open-addressing index; free when id is 0.
  struct Slot {
    uint32_t tag = 0;  // high half of the hash
    uint32_t id = 0;   // token + 1
  };

  Token find(std::string_view text, uint64_t hash) const;
  void build_index();

  std::string texts_;            // of all tokens, end to end
  std::vector<size_t> offsets_;  // size() + 1
  std::vector<TokenKind> kinds_;
  std::vector<float> scores_;  // empty when the file has none
  std::vector<Slot> slots_;
};

}  // namespace hearth::tokenizer
