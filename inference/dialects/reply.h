// What a reader makes of the model's text: deltas in order, each with the place in the text up to
// which it tells all.
//
// Lives and dies with the reader that fills it.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/source.h"
#include "dialects/tools.h"
#include "inference/completion.h"

namespace hearth::dialects {

class Reply {
 public:
  struct Options {
    Tools tools;
    std::vector<std::string>
        stop_strings{};                   // in the answer's text; not in reasoning, not in calls
    std::function<std::string()> new_id;  // of a call that the model gave none
    bool has_one_call = false;            // the first call is the last thing that is told
  };
  Reply(const Source& source, Options options);

  const Tools& tools() const { return options_.tools; }

  void text(std::string_view text) { add(StreamDelta::Kind::text, text); }
  void reasoning(std::string_view text) { add(StreamDelta::Kind::reasoning, text); }
  // From here on arguments() belongs to this call. A name that nobody offered is the caller's to
  // refuse: it knows what to tell the model.
  void begin_call(std::string name, std::string id = "");
  void arguments(std::string_view json) { add(StreamDelta::Kind::tool_call, json); }
  size_t n_calls() const { return n_calls_; }
  // Told as text: what began as a call and is none. Where the answer was cut off behind other calls
  // nobody knows that, and it is dropped.
  void no_call(std::string_view text);
  // The model began another call than the one that it may make.
  bool is_over() const { return is_over_; }

  // Whether what the model writes now is thinking.
  bool is_reasoning = false;

  // Copies text up to the first of the marks, as copy_until() does; a stop string ends the answer
  // and gives kNone. White space before a mark belongs to it and is dropped; so is, behind a call,
  // the beginning of a mark that was cut off. Marks may be "".
  Reading<size_t> copy_text(Source& in, std::span<const std::string_view> marks);
  const std::optional<std::string>& stop_string() const { return stop_string_; }

  struct Piece {
    StreamDelta delta;
    size_t end;  // bytes of the text up to here are told
  };
  // What has come since the last time.
  std::vector<Piece> take() { return std::exchange(pieces_, {}); }

 private:
  void add(StreamDelta::Kind kind, std::string_view text);

  const Source& source_;
  Options options_;
  std::vector<Piece> pieces_;
  size_t n_calls_ = 0;
  bool is_over_ = false;
  std::optional<std::string> stop_string_;
};

}  // namespace hearth::dialects
