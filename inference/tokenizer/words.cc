#include "words.h"

#include "unicode.h"

namespace hearth::tokenizer {

namespace {

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  size_t done = 0;
  for (size_t at; (at = text.find(from, done)) != text.npos; done = at + from.size())
    out.append(text.substr(done, at - done)).append(to);
  return out.append(text.substr(done));
}

}  // namespace

std::string with_word_marks(std::string_view text) { return replaced(text, " ", kWordMark); }
std::string with_spaces(std::string_view text) { return replaced(text, kWordMark, " "); }

size_t end_of_word(std::string_view text, size_t at) {
  while (text.substr(at).starts_with(kWordMark)) at += kWordMark.size();
  return std::min(text.find(kWordMark, at), text.size());
}

void append_characters(const Vocabulary& vocabulary, std::string_view text, size_t begin,
                       size_t end, std::vector<Symbol>& symbols) {
  while (begin < end) {
    const uint32_t size = decode_utf8(text, begin).size;
    symbols.push_back(
        {static_cast<uint32_t>(begin), size, vocabulary.find_plain(text.substr(begin, size))});
    begin += size;
  }
}

}  // namespace hearth::tokenizer
