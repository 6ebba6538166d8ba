// Folds one answer's stream, event by event, into deltas and the completion.
#pragma once

#include <string>
#include <string_view>

#include "inference/completion.h"
#include "providers/usage.h"
#include "support/result.h"

namespace hearth::router {

class StreamReader {
 public:
  // An answer that grows past max_bytes is an error: a provider may not know our limits.
  StreamReader(DeltaSink sink, size_t max_bytes) : sink_(std::move(sink)), max_bytes_(max_bytes) {
    completion_.message.role = Role::assistant;
  }
  virtual ~StreamReader() = default;

  // One event's name ("" without one) and data. A failure is the provider's and ends the answer.
  virtual Result<void, Failure> hear(std::string_view event, std::string_view data) = 0;
  // The answer was said to be over, whole or not.
  virtual bool is_complete() const = 0;
  // The last event was heard: nothing that the connection does after it matters.
  virtual bool is_done() const = 0;

  // What was counted so far, and how much of an answer came: what a failed one may have cost.
  bool has_usage() const { return has_usage_; }
  const Usage& usage() const { return completion_.usage; }
  UsageBasis basis() const { return basis_; }
  size_t n_bytes() const { return n_bytes_; }

  // The answer, or Errc::upstream when the stream ended without its terminal event.
  Answer finish(std::string_view provider);

 protected:
  Result<void, Failure> say(const StreamDelta& delta);
  Result<void, Failure> say(StreamDelta::Kind kind, std::string_view text);
  // What only its provider understands, to be returned to it as it is.
  Result<void, Failure> say_opaque(std::string_view provider, std::string part);
  // The size of the prompt, and how much of it was cached, before the first word.
  Result<void, Failure> say_prompt(std::string_view provider);
  // The last one counts.
  void note_usage(const CountedUsage& counted) {
    completion_.usage = counted.usage;
    basis_ = counted.basis;
    has_usage_ = true;
  }
  Completion completion_;

 private:
  DeltaSink sink_;
  size_t max_bytes_;
  size_t n_bytes_ = 0;
  bool has_usage_ = false;
  UsageBasis basis_ = UsageBasis::estimated;  // until somebody counts
};

}  // namespace hearth::router
