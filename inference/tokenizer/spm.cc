#include "spm.h"

#include <bit>

#include "merge.h"
#include "word_cache.h"
#include "words.h"

namespace hearth::tokenizer {

namespace {

// Higher scores first: the bits of a float, ordered as the numbers are and turned round.
uint32_t priority_of(float score) {
  const auto bits = std::bit_cast<uint32_t>(score + 0.0f);  // -0 becomes 0
  const uint32_t ascending = bits & 0x80000000 ? ~bits : bits | 0x80000000;
  return std::min(~ascending, kNeverMerges - 1);
}

}  // namespace

Spm Spm::load(const Vocabulary& vocabulary, Token unknown) {
  Spm out;
  out.byte_tokens_ = ByteTokens::of_codes(vocabulary, unknown);
  out.cuts_at_spaces_ = !vocabulary.has_tokens_across_words();
  return out;
}

void Spm::encode(const Vocabulary& vocabulary, std::string_view raw,
                 std::vector<Token>& out) const {
  const std::string text = with_word_marks(raw);
  MergeLoop loop;
  WordCache cache(text, out);
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = cuts_at_spaces_ ? end_of_word(text, begin) : text.size();
    cache.append(begin, end - begin, [&] {
      loop.symbols.clear();
      append_characters(vocabulary, text, begin, end, loop.symbols);
      loop.run([&](const Symbol& left, const Symbol& right) -> Merge {
        const std::string_view joined(text.data() + left.begin, left.size + right.size);
        const Token token = vocabulary.find_plain(joined);
        if (token < 0) return {kNeverMerges, -1};
        return {priority_of(vocabulary.score(token)), token};
      });
      byte_tokens_.append(text, loop.symbols, out);
    });
  }
}

}  // namespace hearth::tokenizer
