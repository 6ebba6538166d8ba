// A text that arrives in pieces, and the words with which readers take it in. What a reader decides
// cannot depend on how the text was cut: it sees single bytes, and sleeps where one is missing.
#pragma once

#include <coroutine>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dialects/reading.h"

namespace hearth::dialects {

class Source {
 public:
  static constexpr int kEnd = -1;

  // More of the text. Wakes the reader that waits; it runs until it wants more than there is.
  void push(std::string_view text);
  // There is no more. `is_cut`: the author was interrupted, so what is open is not to be closed.
  void finish(bool is_cut);
  bool is_cut() const { return is_cut_; }

  struct Peek {
    Source& source;
    size_t ahead;
    bool await_ready() const { return source.has(ahead) || source.is_ended_; }
    void await_suspend(std::coroutine_handle<> reader) const {
      source.reader_ = reader;
      source.wanted_ = ahead;
    }
    int await_resume() const { return source.at(ahead); }
  };
  // co_await: the byte that many after the next one, 0 to 255, or kEnd; takes nothing.
  Peek peek(size_t ahead = 0) { return {*this, ahead}; }
  void take(size_t n_bytes = 1);  // of those that were peeked at
  size_t n_taken() const { return n_taken_; }

  // What is left of a text that has ended; "" before.
  std::string_view rest() const {
    return is_ended_ ? std::string_view(held_).substr(first_) : std::string_view();
  }

  // Marks between and behind calls: JSON that is open where one stands ends there (loose_json.h).
  void set_call_marks(std::span<const std::string_view> marks);
  std::span<const std::string_view> call_marks() const { return call_marks_; }

  // Taken bytes are appended there, too, until told otherwise (null). The one before is returned.
  std::string* record(std::string* into) { return std::exchange(record_, into); }

 private:
  bool has(size_t ahead) const { return ahead < held_.size() - first_; }
  int at(size_t ahead) const {
    return has(ahead) ? static_cast<unsigned char>(held_[first_ + ahead]) : kEnd;
  }
  void wake();

  std::string held_;  // not taken yet from `first_` on
  size_t first_ = 0;
  size_t n_taken_ = 0;
  bool is_ended_ = false, is_cut_ = false;
  std::coroutine_handle<> reader_;  // waits for one byte more than `wanted_`
  size_t wanted_ = 0;
  std::string* record_ = nullptr;
  std::vector<std::string_view> call_marks_;
};

using Put = std::function<void(std::string_view)>;  // where text goes

inline bool is_space(int byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

// Whether the text goes on like this from `ahead` on; decided as soon as a byte differs.
Reading<bool> follows(Source& in, std::string_view literal, size_t ahead = 0);
// The same, and takes it.
Reading<bool> accept(Source& in, std::string_view literal);
Reading<> skip_space(Source& in);
Reading<> skip_line_breaks(Source& in);
// A function's name or an id: letters, digits, and what else such names are made of.
Reading<std::string> read_word(Source& in);

inline constexpr size_t kNone = static_cast<size_t>(-1);
// Copies up to the first of the marks, which it takes and tells the place of in the list; kNone at
// the end of the text. Of two that begin at the same byte the first in the list is found,
// and "" never.
Reading<size_t> copy_until(Source& in, std::span<const std::string_view> marks, const Put& put);

}  // namespace hearth::dialects
