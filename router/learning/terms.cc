#include "router/terms.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

namespace hearth::router {

namespace {

constexpr size_t kHeadBytes = 4096, kTailBytes = 2048;
constexpr size_t kMaxWordBytes = 24, kMaxDigits = 4;

// A size tells less than a word does, a kind of work more.
constexpr float kSizeWeight = 0.4f, kKindWeight = 1.0f;

struct Hash {
  uint64_t value = 0xcbf29ce484222325;
  void add(unsigned char c) { value = (value ^ c) * 0x100000001b3; }
  void add(std::string_view text) {
    for (unsigned char c : text) add(c);
  }
  uint32_t mixed() const {
    return static_cast<uint32_t>(((value ^ (value >> 29)) * 0xbf58476d1ce4e5b9) >> 32);
  }
  uint32_t word_slot() const { return mixed() % kWordSlots; }
  uint32_t trait_slot() const { return kWordSlots + mixed() % kTraitSlots; }
};

// Of every byte: what it is, and as what it is hashed (case does not matter, nor which digit).
enum class Kind : uint8_t { space, mark, digit, letter };
constexpr Kind kind_of(unsigned char c) {
  if (c <= ' ') return Kind::space;
  if (c >= '0' && c <= '9') return Kind::digit;
  const unsigned char lower = c | 0x20;
  return (lower >= 'a' && lower <= 'z') || c >= 0x80 ? Kind::letter : Kind::mark;
}
struct Byte {
  Kind kind;
  unsigned char hashed_as;
};
constexpr std::array<Byte, 256> kBytes = [] {
  std::array<Byte, 256> bytes{};
  for (size_t i = 0; i < 256; ++i) {
    const auto c = static_cast<unsigned char>(i);
    const Kind kind = kind_of(c);
    const bool is_upper = c >= 'A' && c <= 'Z';
    bytes[i] = {kind, kind == Kind::digit ? static_cast<unsigned char>('0')
                      : is_upper          ? static_cast<unsigned char>(c | 0x20)
                                          : c};
  }
  return bytes;
}();

// Counts while the words pass by.
struct Shape {
  double n_words = 0, n_letters = 0, n_numbers = 0, n_marks = 0, n_lines = 0, n_sentences = 0;
};

// A word is of letters or of digits, of which only some are hashed, or one other character.
void read_words(std::string_view text, std::vector<uint32_t>& slots, Shape& shape) {
  auto byte_at = [text](size_t i) { return kBytes[static_cast<unsigned char>(text[i])]; };
  std::optional<Hash> before;
  for (size_t at = 0; at < text.size();) {
    const Kind kind = byte_at(at).kind;
    if (kind == Kind::space) {
      shape.n_lines += text[at] == '\n';
      ++at;
      continue;
    }
    const size_t begin = at;
    const size_t end = kind == Kind::mark ? at + 1 : std::min(text.size(), at + kMaxWordBytes);
    Hash hash;
    for (; at < end && byte_at(at).kind == kind; ++at)
      if (kind != Kind::digit || at - begin < kMaxDigits) hash.add(byte_at(at).hashed_as);
    slots.push_back(hash.word_slot());
    if (before) {
      Hash pair{(before->value ^ hash.value) * 0x9e3779b97f4a7c15};
      slots.push_back(pair.word_slot());
    }
    before = hash;
    if (kind == Kind::letter) {
      ++shape.n_words;
      shape.n_letters += static_cast<double>(at - begin);
    } else if (kind == Kind::digit) {
      ++shape.n_numbers;
    } else {
      const char c = text[begin];
      ++shape.n_marks;
      shape.n_sentences += c == '.' || c == '?' || c == '!';
    }
  }
}

// A size as two neighbouring steps of a scale, each as much as it is near: close sizes look alike.
void add_size(Terms& terms, std::string_view name, double value) {
  const double step = std::floor(value);
  const auto rest = static_cast<float>(value - step);
  for (int i = 0; i < 2; ++i) {
    Hash hash;
    hash.add(name);
    hash.add(std::to_string(static_cast<int>(step) + i));
    terms.traits.push_back({hash.trait_slot(), kSizeWeight * (i == 0 ? 1 - rest : rest)});
  }
}

// Each slot once, in order. A mark and a count for each take the place of sorting thousands.
std::vector<Term> counted(const std::vector<uint32_t>& slots) {
  thread_local std::array<uint16_t, kWordSlots> n_times{};  // all 0 between two calls
  std::array<uint64_t, kWordSlots / 64> marks{};
  size_t n_words = 0;
  for (uint32_t slot : slots) {
    n_words += n_times[slot]++ == 0;
    marks[slot / 64] |= uint64_t{1} << slot % 64;
  }
  std::vector<Term> words;
  words.reserve(n_words);
  for (uint32_t i = 0; i < marks.size(); ++i)
    for (uint64_t left = marks[i]; left != 0; left &= left - 1) {
      const uint32_t slot = i * 64 + static_cast<uint32_t>(std::countr_zero(left));
      words.push_back({slot, static_cast<float>(std::exchange(n_times[slot], 0))});
    }
  return words;
}

}  // namespace

Terms terms_of(std::string_view text, const TermContext& context) {
  Terms terms;
  std::vector<uint32_t> slots;
  Shape shape;
  if (text.size() <= kHeadBytes + kTailBytes) {
    read_words(text, slots, shape);
  } else {
    read_words(text.substr(0, kHeadBytes), slots, shape);
    read_words(text.substr(text.size() - kTailBytes), slots, shape);
  }
  terms.words = counted(slots);
  if (!text.empty()) {
    add_size(terms, "\1bytes", std::log2(static_cast<double>(text.size()) + 1));
    add_size(terms, "\1numbers", std::log2(shape.n_numbers + 1));
    add_size(terms, "\1lines", std::log2(shape.n_lines + 1));
    add_size(terms, "\1marks", std::log2(shape.n_marks + 1));
    add_size(terms, "\1sentences", std::log2(shape.n_sentences + 1));
    add_size(terms, "\1letters", 2 * shape.n_letters / std::max(shape.n_words, 1.0));
  }
  auto tokens = [](uint64_t n) { return std::log2(static_cast<double>(n) + 1); };
  if (context.n_input_tokens) add_size(terms, "\1input", tokens(context.n_input_tokens));
  if (context.n_output_tokens) add_size(terms, "\1output", tokens(context.n_output_tokens));
  if (!context.task.empty()) {
    Hash hash;
    hash.add("\1task ");
    hash.add(context.task);
    terms.traits.push_back({hash.trait_slot(), kKindWeight});
  }
  terms.n_input = context.n_input_tokens ? static_cast<double>(context.n_input_tokens)
                  : text.empty()         ? 0
                                         : static_cast<double>(text.size()) / 4 + 1;
  terms.n_output = static_cast<double>(context.n_output_tokens);
  return terms;
}

}  // namespace hearth::router
