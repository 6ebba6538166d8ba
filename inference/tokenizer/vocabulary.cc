#include "vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace hearth::tokenizer {

namespace {

constexpr size_t kMaxTokens = size_t{1} << 30;

// An array that must say something about each token; null when the file does not have it.
Result<const gguf::Value*> per_token_array(const gguf::File& file, std::string_view key,
                                           size_t n_tokens) {
  const gguf::Value* value = file.find(key);
  if (!value) return nullptr;
  if (value->type() != gguf::ValueType::array)
    return Error{Errc::corrupt, fmt::format("{}: {} is {}, expected array", file.path(), key,
                                            gguf::name_of(value->type()))};
  if (value->size() < n_tokens)
    return Error{Errc::corrupt, fmt::format("{}: {} has {} elements for {} tokens", file.path(),
                                            key, value->size(), n_tokens)};
  return value;
}

Error wrong_element(const gguf::File& file, std::string_view key, const gguf::Value& value) {
  return Error{Errc::corrupt, fmt::format("{}: {} is an array of {}, which cannot be read as such",
                                          file.path(), key, gguf::name_of(value.element_type()))};
}

}  // namespace

uint64_t hash_text(std::string_view text) {
  constexpr uint64_t kMultiplier = 0x9FB21C651E98DF25;
  uint64_t hash = text.size() * kMultiplier;
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 29;
  };
  uint64_t word = 0;
  while (text.size() >= 8) {
    std::memcpy(&word, text.data(), 8);
    mix(word);
    text.remove_prefix(8);
  }
  word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size());
  mix(word);
  return hash ^ hash >> 32;
}

Result<Vocabulary> Vocabulary::load(const gguf::File& file) {
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
  constexpr std::string_view kScores = "tokenizer.ggml.scores";

  const Result<const gguf::Value*> tokens = per_token_array(file, kTokens, 0);
  if (!tokens) return tokens.error();
  if (!*tokens) return Error{Errc::corrupt, fmt::format("{}: no {}", file.path(), kTokens)};
  const size_t n_tokens = (*tokens)->size();
  if (n_tokens == 0 || n_tokens > kMaxTokens)
    return Error{Errc::corrupt, fmt::format("{}: {} has {} elements, expected 1 to {}", file.path(),
                                            kTokens, n_tokens, kMaxTokens)};
  const Result<const gguf::Value*> types = per_token_array(file, kTypes, n_tokens);
  if (!types) return types.error();
  const Result<const gguf::Value*> scores = per_token_array(file, kScores, n_tokens);
  if (!scores) return scores.error();

  Vocabulary out;
  out.offsets_.reserve(n_tokens + 1);
  out.offsets_.push_back(0);
  size_t n_bytes = 0;
  for (size_t i = 0; i < n_tokens; ++i) {
    const auto text = (*tokens)->string_at(i);
    if (!text) return wrong_element(file, kTokens, **tokens);
    n_bytes += text->size();
    out.offsets_.push_back(n_bytes);
  }
  out.texts_.reserve(n_bytes);
  for (size_t i = 0; i < n_tokens; ++i) out.texts_.append(*(*tokens)->string_at(i));

  out.kinds_.assign(n_tokens, TokenKind::normal);
  for (size_t i = 0; *types && i < n_tokens; ++i) {
    const auto kind = (*types)->int_at(i);
    if (!kind) return wrong_element(file, kTypes, **types);
    if (*kind >= 1 && *kind <= 6) out.kinds_[i] = static_cast<TokenKind>(*kind);
  }
  if (*scores) out.scores_.resize(n_tokens);
  for (size_t i = 0; i < out.scores_.size(); ++i) {
    const auto score = (*scores)->float_at(i);
    if (!score) return wrong_element(file, kScores, **scores);
    out.scores_[i] = static_cast<float>(*score);
  }
  out.build_index();
  if (!*types)  // SPM files of old: bytes are known by their text
    for (size_t i = 0; i < n_tokens; ++i)
      if (out.byte_of(static_cast<Token>(i)) >= 0) out.kinds_[i] = TokenKind::byte;
  return out;
}

void Vocabulary::build_index() {
  slots_.assign(std::bit_ceil(size() * 2), Slot{});
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < size(); ++i) {
    const std::string_view own = text(static_cast<Token>(i));
    const uint64_t hash = hash_text(own);
    if (own.empty() || find(own, hash) >= 0) continue;
    size_t at = hash & mask;
    while (slots_[at].id) at = (at + 1) & mask;
    slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(i + 1)};
  }
}

Token Vocabulary::find(std::string_view wanted) const { return find(wanted, hash_text(wanted)); }

Token Vocabulary::find(std::string_view wanted, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask; slots_[at].id; at = (at + 1) & mask) {
    if (slots_[at].tag != hash >> 32) continue;
    const auto token = static_cast<Token>(slots_[at].id - 1);
    if (text(token) == wanted) return token;
  }
  return -1;
}

void Vocabulary::find_plain(std::span<const std::string_view> texts, std::span<Token> out) const {
  constexpr size_t kBlock = 64;
  const size_t mask = slots_.size() - 1;
  std::array<uint64_t, kBlock> hashes;
  for (size_t done = 0; done < texts.size(); done += kBlock) {
    const size_t n = std::min(kBlock, texts.size() - done);
    for (size_t i = 0; i < n; ++i) {
      hashes[i] = hash_text(texts[done + i]);
      __builtin_prefetch(&slots_[hashes[i] & mask]);
    }
    for (size_t i = 0; i < n; ++i)
      if (const Slot slot = slots_[hashes[i] & mask]; slot.id)
        __builtin_prefetch(&offsets_[slot.id - 1]);
    for (size_t i = 0; i < n; ++i)
      if (const Slot slot = slots_[hashes[i] & mask]; slot.id)
        __builtin_prefetch(texts_.data() + offsets_[slot.id - 1]);
    for (size_t i = 0; i < n; ++i) {
      const Token token = find(texts[done + i], hashes[i]);
      out[done + i] = token >= 0 && is_plain(token) ? token : -1;
    }
  }
}

int Vocabulary::byte_of(Token token) const {
  const std::string_view t = text(token);
  if (t.size() != 6 || !t.starts_with("<0x") || t[5] != '>') return -1;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  const int high = digit(t[3]), low = digit(t[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool Vocabulary::has_tokens_across_words() const {
  for (size_t id = 0; id < size(); ++id) {
    if (!is_plain(static_cast<Token>(id))) continue;
    std::string_view t = text(static_cast<Token>(id));
    while (t.starts_with(kWordMark)) t.remove_prefix(kWordMark.size());
    if (t.find(kWordMark) != t.npos) return true;
  }
  return false;
}

}  // namespace hearth::tokenizer
