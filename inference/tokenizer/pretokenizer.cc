#include "pretokenizer.h"

namespace hearth::tokenizer {

namespace {

// Matches are pieces, and so is what lies between two matches.
void cut_by_pattern(const Pattern& pattern, std::string_view piece, size_t begin,
                    std::vector<size_t>& ends) {
  size_t open = 0;  // start of text that nothing has matched yet
  for (size_t at = 0; at < piece.size();) {
    const size_t matched = pattern.match(piece, at);
    if (matched == 0) {
      at += decode_utf8(piece, at).size;
      continue;
    }
    if (at > open) ends.push_back(begin + at);
    at += matched;
    open = at;
    ends.push_back(begin + at);
  }
  if (open < piece.size()) ends.push_back(begin + piece.size());
}

}  // namespace

Result<Pretokenizer> Pretokenizer::compile(const PretokenizerRow& row) {
  Pretokenizer out;
  for (const auto& step : row.steps) {
    if (const auto* function = std::get_if<CutFunction>(&step)) {
      out.steps_.emplace_back(*function);
      continue;
    }
    Result<Pattern> pattern = Pattern::compile(std::get<std::string>(step));
    if (!pattern) return pattern.error();
    out.steps_.emplace_back(std::move(*pattern));
  }
  return out;
}

void Pretokenizer::split(std::string_view text, std::vector<size_t>& ends) const {
  ends.assign(1, text.size());
  std::vector<size_t> finer;
  for (const auto& step : steps_) {
    finer.clear();
    size_t begin = 0;
    for (const size_t end : ends) {
      const std::string_view piece = text.substr(begin, end - begin);
      if (const auto* pattern = std::get_if<Pattern>(&step))
        cut_by_pattern(*pattern, piece, begin, finer);
      else
        std::get<CutFunction>(step)(piece, begin, finer);
      begin = end;
    }
    ends.swap(finer);
  }
}

}  // namespace hearth::tokenizer
