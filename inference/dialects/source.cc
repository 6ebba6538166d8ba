#include "dialects/source.h"

namespace hearth::dialects {

namespace {

constexpr size_t kMaxWord = 256;  // bytes; no function has a longer name

bool is_word_byte(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || c == '/' || c >= 0x80;
}

}  // namespace

void Source::push(std::string_view text) {
  held_.erase(0, std::exchange(first_, 0));
  held_ += text;
  wake();
}

void Source::finish(bool is_cut) {
  is_ended_ = true;
  is_cut_ = is_cut;
  wake();
}

void Source::set_call_marks(std::span<const std::string_view> marks) {
  call_marks_.assign(marks.begin(), marks.end());
  std::erase(call_marks_, "");
}

void Source::wake() {
  while (reader_ && (has(wanted_) || is_ended_)) std::exchange(reader_, nullptr).resume();
}

void Source::take(size_t n_bytes) {
  if (record_) record_->append(held_, first_, n_bytes);
  first_ += n_bytes;
  n_taken_ += n_bytes;
}

Reading<bool> follows(Source& in, std::string_view literal, size_t ahead) {
  for (size_t i = 0; i < literal.size(); ++i) {
    const int c = co_await in.peek(ahead + i);
    if (c != static_cast<unsigned char>(literal[i])) co_return false;
  }
  co_return true;
}

Reading<bool> accept(Source& in, std::string_view literal) {
  const bool is_there = co_await follows(in, literal);
  if (is_there) in.take(literal.size());
  co_return is_there;
}

Reading<> skip_space(Source& in) {
  for (int c = co_await in.peek(); is_space(c); c = co_await in.peek()) in.take();
}

Reading<> skip_line_breaks(Source& in) {
  for (int c = co_await in.peek(); c == '\n' || c == '\r'; c = co_await in.peek()) in.take();
}

Reading<std::string> read_word(Source& in) {
  std::string word;
  for (int c = co_await in.peek(); is_word_byte(c) && word.size() < kMaxWord;
       c = co_await in.peek()) {
    word += static_cast<char>(c);
    in.take();
  }
  co_return word;
}

Reading<size_t> copy_until(Source& in, std::span<const std::string_view> marks, const Put& put) {
  for (int c = co_await in.peek(); c != Source::kEnd; c = co_await in.peek()) {
    for (size_t i = 0; i < marks.size(); ++i) {
      if (marks[i].empty() || static_cast<unsigned char>(marks[i][0]) != c) continue;
      const bool is_found = co_await accept(in, marks[i]);
      if (is_found) co_return i;
    }
    in.take();
    const char byte = static_cast<char>(c);
    put({&byte, 1});
  }
  co_return kNone;
}

}  // namespace hearth::dialects
