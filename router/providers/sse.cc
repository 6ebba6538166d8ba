#include "providers/sse.h"

#include <fmt/format.h>

#include <utility>

namespace hearth::router {

Result<> SseParser::feed(std::string_view bytes) {
  for (char c : bytes) {
    bool is_second_half = c == '\n' && after_cr_;
    after_cr_ = c == '\r';
    if (is_second_half) continue;
    if (c == '\n' || c == '\r') {
      end_line();
      continue;
    }
    line_ += c;
    if (line_.size() + data_.size() > max_event_bytes_)
      return Error{Errc::upstream,
                   fmt::format("an event of the stream is longer than {} bytes", max_event_bytes_)};
  }
  return {};
}

void SseParser::end_line() {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (std::exchange(is_first_line_, false) && line_.starts_with(kByteOrderMark)) line_.erase(0, 3);
  if (line_.empty()) {  // a blank line ends the event
    if (has_data_) sink_(event_, data_);
    event_.clear();
    data_.clear();
    has_data_ = false;
    return;
  }
  size_t colon = line_.find(':');
  std::string_view field = std::string_view(line_).substr(0, colon);
  std::string_view value = colon == line_.npos ? "" : std::string_view(line_).substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  } else if (field == "event") {
    event_ = value;
  }
  line_.clear();
}

}  // namespace hearth::router
