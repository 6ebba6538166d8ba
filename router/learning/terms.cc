#include "router/terms.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
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
  void add(std::string_view text) {
    for (unsigned char c : text) value = (value ^ c) * 0x100000001b3;
  }
  uint32_t trait_slot() const {
    const uint64_t mixed = ((value ^ (value >> 29)) * 0xbf58476d1ce4e5b9) >> 32;
    return kWordSlots + static_cast<uint32_t>(mixed) % kTraitSlots;
  }
};

uint32_t word_slot(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) % kWordSlots; }

// How words are found: a byte is a space, a digit, a letter or a mark, and a word is of letters, of
// digits or one mark. Of 64 bytes their kinds make three words of bits, out of which all beginnings
// and ends follow at once; each word is then hashed whole, whatever its length. Going over the text
// byte by byte waits for a multiplication at each and guesses wrong at most ends.
constexpr size_t kBlock = 64;
constexpr unsigned char kSpace = 1, kDigit = 2, kLetter = 4, kLine = 8, kStop = 16;
using Block = std::array<unsigned char, kBlock>;

// Sixteen bytes at once, on every machine.
using Bytes = unsigned char __attribute__((vector_size(16)));

// What each byte is, and as what it is hashed: case does not matter, nor which digit.
void sort_out(const unsigned char* text, Block& kinds, unsigned char* plain) {
  auto all = [](unsigned char byte) { return Bytes{} + byte; };
  // 0xff where it holds.
  auto within = [&](Bytes c, unsigned char first, unsigned char n) {
    return (Bytes)((Bytes)(c - all(first)) < all(n));
  };
  for (size_t i = 0; i < kBlock; i += sizeof(Bytes)) {
    Bytes c;
    std::memcpy(&c, text + i, sizeof c);
    const Bytes is_digit = within(c, '0', 10), is_upper = within(c, 'A', 26);
    const Bytes is_letter = within(c | all(0x20), 'a', 26) | (Bytes)(c >= all(0x80));
    const Bytes is_stop = (Bytes)(c == all('.')) | (Bytes)(c == all('?')) | (Bytes)(c == all('!'));
    const Bytes kind = ((Bytes)(c <= all(' ')) & all(kSpace)) | (is_digit & all(kDigit)) |
                       (is_letter & all(kLetter)) | ((Bytes)(c == all('\n')) & all(kLine)) |
                       (is_stop & all(kStop));
    const Bytes as = (is_digit & all('0')) | (~is_digit & (c | (is_upper & all(0x20))));
    std::memcpy(&kinds[i], &kind, sizeof kind);
    std::memcpy(plain + i, &as, sizeof as);
  }
}

uint64_t eight_at(const unsigned char* bytes) {
  uint64_t eight = 0;
  std::memcpy(&eight, bytes, sizeof eight);
  return eight;
}

// A bit for each byte of that kind.
uint64_t bits_of(const Block& kinds, unsigned char kind) {
  constexpr uint64_t kLowest = 0x0101010101010101, kGather = 0x0102040810204080;
  const int shift = std::countr_zero(kind);
  uint64_t bits = 0;
  for (size_t i = 0; i < kBlock; i += 8)
    bits |= (((eight_at(&kinds[i]) >> shift & kLowest) * kGather) >> 56) << i;
  return bits;
}

// How many bytes are of that kind.
int count_of(const Block& kinds, unsigned char kind) {
  constexpr uint64_t kLowest = 0x0101010101010101;
  const int shift = std::countr_zero(kind);
  uint64_t counts = 0;  // of every eighth byte
  for (size_t i = 0; i < kBlock; i += 8) counts += eight_at(&kinds[i]) >> shift & kLowest;
  return static_cast<int>((counts * kLowest) >> 56);
}

// The first so many bytes of 24, which is as long as a word can be.
constexpr auto kFirst = [] {
  std::array<std::array<uint64_t, 3>, kMaxWordBytes + 1> first{};
  for (size_t n = 0; n < first.size(); ++n)
    for (size_t i = 0; i < n; ++i) first[n][i / 8] |= uint64_t{0xff} << 8 * (i % 8);
  return first;
}();

uint64_t hash_of(const unsigned char* word, size_t n_bytes) {
  const auto& first = kFirst[n_bytes];
  uint64_t hash = (eight_at(word) & first[0]) * 0x9e3779b97f4a7c15 +
                  (eight_at(word + 8) & first[1]) * 0xc2b2ae3d27d4eb4f +
                  (eight_at(word + 16) & first[2]) * 0x165667b19e3779f9;
  return (hash ^ (hash >> 29)) * 0xd6e8feb86659fd93;
}

// What a text is like, and how often it has each word and each pair of neighbours.
class Words {
 public:
  void add(std::string_view text) {
    // Where the words of a block begin, after the one that is still open from the block before.
    std::array<size_t, kBlock + 1> begins{};
    size_t n_open = 0;
    std::array<unsigned char, kHeadBytes + kTailBytes + kBlock + kMaxWordBytes> plain{};
    Block kinds, rest;
    uint64_t spaces_before = 1, digits_before = 0, letters_before = 0;  // the last byte's
    has_before_ = false;
    // The last block ends in spaces, which end the last word.
    for (size_t at = 0; at <= text.size(); at += kBlock) {
      const auto* block = reinterpret_cast<const unsigned char*>(text.data() + at);
      if (text.size() - at < kBlock) {
        rest.fill(' ');
        std::copy_n(block, text.size() - at, rest.data());  // of an empty text from no address
        block = rest.data();
      }
      sort_out(block, kinds, &plain[at]);
      const uint64_t spaces = bits_of(kinds, kSpace), digits = bits_of(kinds, kDigit),
                     letters = bits_of(kinds, kLetter);
      const uint64_t marks = ~(spaces | digits | letters);
      const uint64_t after_space = spaces << 1 | spaces_before;
      const uint64_t edges = marks | (spaces ^ after_space) |
                             (digits ^ (digits << 1 | digits_before)) |
                             (letters ^ (letters << 1 | letters_before));
      spaces_before = spaces >> 63;
      digits_before = digits >> 63;
      letters_before = letters >> 63;
      for (uint64_t left = edges & ~spaces; left != 0; left &= left - 1)
        begins[n_open++] = at + static_cast<size_t>(std::countr_zero(left));
      size_t n_ended = 0;
      for (uint64_t left = edges & ~after_space; left != 0; left &= left - 1) {
        const size_t end = at + static_cast<size_t>(std::countr_zero(left));
        take(plain.data(), begins[n_ended++], end);
      }
      begins[0] = begins[n_ended];
      n_open -= n_ended;
      n_letters += count_of(kinds, kLetter);
      n_marks += std::popcount(marks);
      n_lines += count_of(kinds, kLine);
      n_sentences += count_of(kinds, kStop);
    }
  }

  // Each slot once, as it first came.
  std::vector<Term> counted() {
    std::vector<Term> words(n_slots_);
    for (size_t i = 0; i < n_slots_; ++i)
      words[i] = {slots_[i], static_cast<float>(std::exchange(n_times()[slots_[i]], 0))};
    n_slots_ = 0;
    return words;
  }

  int n_numbers = 0, n_letters = 0, n_marks = 0, n_lines = 0, n_sentences = 0;
  int n_words() const { return n_tokens_ - n_numbers - n_marks; }

 private:
  // Of each slot; all 0 between two texts.
  static std::array<uint16_t, kWordSlots>& n_times() {
    thread_local std::array<uint16_t, kWordSlots> n{};
    return n;
  }

  // A word is of letters or of digits, of which only some are hashed, or one other character.
  void take(const unsigned char* plain, size_t begin, size_t end) {
    for (; begin < end; begin += kMaxWordBytes) {
      const size_t n_bytes = std::min(end - begin, kMaxWordBytes);
      const bool is_number = plain[begin] == '0';
      const uint64_t hash =
          hash_of(plain + begin, is_number ? std::min(n_bytes, kMaxDigits) : n_bytes);
      count(word_slot(hash));
      if (has_before_) count(word_slot((before_ ^ hash) * 0x9e3779b97f4a7c15));
      before_ = hash;
      has_before_ = true;
      n_numbers += is_number;
      ++n_tokens_;
    }
  }
  void count(uint32_t slot) {
    slots_[n_slots_] = static_cast<uint16_t>(slot);
    n_slots_ += n_times()[slot]++ == 0;
  }

  int n_tokens_ = 0;
  uint64_t before_ = 0;
  bool has_before_ = false;
  size_t n_slots_ = 0;
  // Those that came; one more is written than counts.
  std::array<uint16_t, kWordSlots + 1> slots_;
};

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

}  // namespace

Terms terms_of(std::string_view text, const TermContext& context) {
  Terms terms;
  Words read;
  if (text.size() <= kHeadBytes + kTailBytes) {
    read.add(text);
  } else {
    read.add(text.substr(0, kHeadBytes));
    read.add(text.substr(text.size() - kTailBytes));
  }
  terms.words = read.counted();
  if (!text.empty()) {
    add_size(terms, "\1bytes", std::log2(static_cast<double>(text.size()) + 1));
    add_size(terms, "\1numbers", std::log2(read.n_numbers + 1));
    add_size(terms, "\1lines", std::log2(read.n_lines + 1));
    add_size(terms, "\1marks", std::log2(read.n_marks + 1));
    add_size(terms, "\1sentences", std::log2(read.n_sentences + 1));
    add_size(terms, "\1letters", 2.0 * read.n_letters / std::max(read.n_words(), 1));
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
