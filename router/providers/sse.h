// Server-sent events, read in pieces as they come off the wire.
//
// Line ends may be LF, CRLF or CR; a byte order mark in front and comments are dropped; an event is
// bounded. Any split of the stream gives the same events. Source: HTML standard, 9.2.6
// "Interpreting an event stream".
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "support/result.h"

namespace hearth::router {

class SseParser {
 public:
  // Gets the event's name ("" when it has none) and its data.
  using Sink = std::function<void(std::string_view event, std::string_view data)>;
  explicit SseParser(Sink sink, size_t max_event_bytes = 16u << 20)
      : sink_(std::move(sink)), max_event_bytes_(max_event_bytes) {}

  // Errc::upstream when an event grows past the bound; nothing more is to be fed then.
  Result<> feed(std::string_view bytes);

 private:
  void end_line();

  Sink sink_;
  size_t max_event_bytes_;
  std::string line_;
  std::string event_;
  std::string data_;
  bool is_first_line_ = true;
  bool has_data_ = false;
  bool after_cr_ = false;
};

}  // namespace hearth::router
