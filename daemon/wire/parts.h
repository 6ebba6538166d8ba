// Deltas as the parts that they amount to, for wires on which one part is closed before the next
// begins.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/completion.h"

namespace hearth::wire {

struct Part {
  StreamDelta::Kind kind = StreamDelta::Kind::text;  // text, reasoning, tool_call
  std::string call_id, name;                         // tool_call; never empty
  std::string text;                                  // all of it so far
};

// Hears of parts in order: open, piece..., close, and then the next one.
class PartSink {
 public:
  virtual ~PartSink() = default;
  virtual void open(const Part& part) = 0;
  virtual void piece(const Part& part, std::string_view text) = 0;
  virtual void close(const Part& part) = 0;
  // What only its provider understands. Between open() and close() of the reasoning that it belongs
  // to, or on its own.
  virtual void opaque(const Part* reasoning, std::string_view provider, std::string_view json) = 0;
};

// Pieces of several calls may come mixed: those of later calls are held until the one that is open
// is whole JSON, or the answer ends.
class Parts {
 public:
  explicit Parts(PartSink& sink) : sink_(sink) {}

  void hear(const StreamDelta& delta);
  void finish();

 private:
  void hear_call(const StreamDelta& delta);
  void begin(StreamDelta::Kind kind);
  void begin_call(const StreamDelta& delta);
  void say(std::string_view text);
  void close();
  void release_held();

  PartSink& sink_;
  std::optional<Part> open_;
  uint32_t open_call_ = 0;  // while a call is open: its index
  uint32_t n_calls_ = 0;    // begun so far; calls begin in the order of their indexes
  std::map<uint32_t, StreamDelta> held_;
};

// A message as if it had been streamed.
std::vector<StreamDelta> deltas_of(const Message& message);

}  // namespace hearth::wire
