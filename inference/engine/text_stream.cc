#include "engine/text_stream.h"

#include <algorithm>
#include <string_view>

#include "engine/utf8.h"

namespace hearth::engine {

namespace {

// Bytes at the end of `text` that could be the beginning of `pattern`.
size_t open_end(std::string_view text, std::string_view pattern) {
  size_t longest = pattern.empty() ? 0 : std::min(text.size(), pattern.size() - 1);
  for (size_t n = longest; n > 0; --n)
    if (text.ends_with(pattern.substr(0, n))) return n;
  return 0;
}

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer,
                       std::optional<ChatTemplate::ReasoningMarkers> markers,
                       std::vector<std::string> stop_strings)
    : tokenizer_(tokenizer), markers_(std::move(markers)), stop_strings_(std::move(stop_strings)) {
  std::erase(stop_strings_, "");
  if (markers_ && (markers_->open.empty() || markers_->close.empty())) markers_.reset();
  if (!markers_) phase_ = Phase::answer;
}

std::vector<TextStream::Piece> TextStream::push(Token token) {
  std::vector<Piece> out;
  if (stop_string_) return out;
  std::string_view name = tokenizer_.text(token);
  bool is_marker = markers_ && (name == markers_->open || name == markers_->close);
  bytes_ += tokenizer_.piece(token, is_marker);
  move_whole_utf8(bytes_, held_);
  tokens_.push_back({token, n_taken_ + held_.size() + (bytes_.empty() ? 0 : 1)});
  advance(false, out);
  return out;
}

std::vector<TextStream::Piece> TextStream::finish() {
  std::vector<Piece> out;
  if (stop_string_) return out;
  move_whole_utf8(bytes_, held_, true);
  advance(true, out);
  return out;
}

void TextStream::advance(bool at_end, std::vector<Piece>& out) {
  if (phase_ == Phase::start && !leave_start(at_end, out)) return;
  if (phase_ == Phase::reasoning && !leave_reasoning(at_end, out)) return;
  show_answer(at_end, out);
}

// False while what came so far may still become the opening marker.
bool TextStream::leave_start(bool at_end, std::vector<Piece>& out) {
  const std::string& open = markers_->open;
  size_t n_space = std::min(held_.find_first_not_of(" \t\r\n"), held_.size());
  std::string_view rest = std::string_view(held_).substr(n_space);
  if (rest.starts_with(open)) {
    take(n_space + open.size(), true, false, out);
    phase_ = Phase::reasoning;
  } else if (!at_end && open.starts_with(rest)) {
    return false;
  } else {
    phase_ = markers_->opened_by_prompt ? Phase::reasoning : Phase::answer;
  }
  drops_line_breaks_ = phase_ == Phase::reasoning;
  return true;
}

bool TextStream::leave_reasoning(bool at_end, std::vector<Piece>& out) {
  drop_line_breaks(out);
  const std::string& close = markers_->close;
  size_t at = held_.find(close);
  if (at == std::string::npos) {
    take(held_.size() - (at_end ? 0 : open_end(held_, close)), true, true, out);
    return false;
  }
  take(at, true, true, out);
  take(close.size(), true, false, out);
  phase_ = Phase::answer;
  drops_line_breaks_ = true;
  return true;
}

void TextStream::show_answer(bool at_end, std::vector<Piece>& out) {
  drop_line_breaks(out);
  size_t first = std::string::npos, n_open = 0;
  for (const std::string& stop : stop_strings_) {
    if (size_t at = held_.find(stop); at < first) {
      first = at;
      stop_string_ = stop;
    }
    n_open = std::max(n_open, open_end(held_, stop));
  }
  if (stop_string_)
    take(first, false, true, out);
  else
    take(held_.size() - (at_end ? 0 : n_open), false, true, out);
}

void TextStream::drop_line_breaks(std::vector<Piece>& out) {
  if (!drops_line_breaks_) return;
  size_t n = std::min(held_.find_first_not_of("\r\n"), held_.size());
  bool is_decided = n < held_.size();
  take(n, true, false, out);
  if (is_decided) drops_line_breaks_ = false;
}

void TextStream::take(size_t n_bytes, bool is_reasoning, bool is_shown, std::vector<Piece>& out) {
  Piece piece{is_reasoning, is_shown ? held_.substr(0, n_bytes) : "", {}};
  held_.erase(0, n_bytes);
  n_taken_ += n_bytes;
  for (; !tokens_.empty() && tokens_.front().end <= n_taken_; tokens_.pop_front())
    piece.tokens.push_back(tokens_.front().token);
  if (piece.text.empty() && piece.tokens.empty()) return;
  if (out.empty() || out.back().is_reasoning != is_reasoning)
    return out.push_back(std::move(piece));
  out.back().text += piece.text;
  out.back().tokens.insert(out.back().tokens.end(), piece.tokens.begin(), piece.tokens.end());
}

}  // namespace hearth::engine
