#include "dialects/reply.h"

#include <algorithm>
#include <utility>

namespace hearth::dialects {

Reply::Reply(const Source& source, Options options)
    : source_(source), options_(std::move(options)) {
  std::erase(options_.stop_strings, "");
  // Of two that begin at the same byte the shorter one is complete first.
  std::ranges::sort(options_.stop_strings, {},
                    [](const std::string& text) { return std::pair(text.size(), text); });
}

void Reply::begin_call(std::string name, std::string id) {
  is_over_ = is_over_ || (options_.has_one_call && n_calls_ > 0);
  if (is_over_) return;
  Piece piece{{.kind = StreamDelta::Kind::tool_call}, source_.n_taken()};
  piece.delta.tool_index = static_cast<uint32_t>(n_calls_++);
  piece.delta.tool_id = id.empty() ? options_.new_id() : std::move(id);
  piece.delta.tool_name = std::move(name);
  pieces_.push_back(std::move(piece));
}

void Reply::add(StreamDelta::Kind kind, std::string_view text) {
  if (is_over_) return;
  if (pieces_.empty() || pieces_.back().delta.kind != kind) {
    pieces_.push_back({{.kind = kind}, 0});
    if (kind == StreamDelta::Kind::tool_call)
      pieces_.back().delta.tool_index = static_cast<uint32_t>(n_calls_ - 1);
  }
  pieces_.back().delta.text += text;
  pieces_.back().end = source_.n_taken();
}

void Reply::no_call(std::string_view taken) {
  if (n_calls_ == 0 || !source_.is_cut()) text(taken);
}

Reading<size_t> Reply::copy_text(Source& in, std::span<const std::string_view> marks) {
  std::vector<std::string_view> all(options_.stop_strings.begin(), options_.stop_strings.end());
  const size_t n_stops = all.size();
  all.insert(all.end(), marks.begin(), marks.end());
  std::string space;      // that may stand before a mark
  bool is_begun = false;  // a mark that was cut off
  const Put put = [&](std::string_view byte) {
    const auto is_beginning = [&](std::string_view mark) {
      return mark.starts_with(byte) && mark.substr(1).starts_with(in.rest());
    };
    if (n_calls_ > 0 && in.is_cut())
      is_begun = is_begun || std::ranges::any_of(marks, is_beginning);
    if (is_begun) {
      space.clear();
    } else if (!marks.empty() && is_space(static_cast<unsigned char>(byte[0]))) {
      space += byte;
    } else {
      if (!space.empty()) text(std::exchange(space, {}));
      text(byte);
    }
  };
  const size_t found = co_await copy_until(in, all, put);
  const bool is_mark = found != kNone && found >= n_stops;
  if (is_mark) co_return found - n_stops;
  if (!space.empty()) text(space);
  if (found != kNone) stop_string_ = options_.stop_strings[found];
  co_return kNone;
}

}  // namespace hearth::dialects
