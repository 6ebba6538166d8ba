// OpenAI's chat completions, client side: canonical request -> body, stream -> deltas.
// Pure but for the accumulation of a stream; openai.cc does the sending.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "inference/completion.h"
#include "router/policy.h"
#include "support/result.h"

namespace hearth::router::openai {

std::string chat_body(const Target& target, const CompletionRequest& request);

// Folds one answer's stream. Terminal: [DONE], after a finish_reason was seen.
class StreamReader {
 public:
  explicit StreamReader(DeltaSink sink) : sink_(std::move(sink)) {}

  // The data of one event. An error event ends the answer.
  Result<> hear(std::string_view data);
  // The answer, or Errc::upstream when the stream ended without its terminal event.
  Result<Completion> finish(const std::string& provider);

  bool has_begun() const { return has_begun_; }

 private:
  void hear_delta(const StreamDelta& delta);

  DeltaSink sink_;
  Completion completion_;
  bool has_begun_ = false;
  bool has_finish_reason_ = false;
  bool is_done_ = false;
};

// Status and body of a refusal -> what it means for us, in the provider's words.
Error error_of(const Target& target, long status, std::string_view body,
               std::optional<std::string_view> retry_after);

}  // namespace hearth::router::openai
