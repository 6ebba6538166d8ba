// OpenAI's chat completions, client side: canonical request -> body, stream -> deltas.
// Pure but for the accumulation of a stream; openai.cc does the sending.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/completion.h"
#include "router/policy.h"
#include "support/json.h"
#include "support/result.h"

namespace hearth::router::openai {

std::string chat_body(const Target& target, const CompletionRequest& request);

// Folds one answer's stream. It is complete when a finish_reason was seen: [DONE] may be missing,
// and alone it proves nothing (proxies append it to answers that were cut).
class StreamReader {
 public:
  explicit StreamReader(DeltaSink sink) : sink_(std::move(sink)) {}

  // The data of one event. An error event ends the answer.
  Result<> hear(std::string_view data);
  // The answer, or Errc::upstream when the stream ended without its terminal event.
  Result<Completion> finish(const std::string& provider);

  // The last event was heard: nothing that the connection does after it matters.
  bool is_done() const { return is_done_ && has_finish_reason_; }

 private:
  // One tool call as the provider numbers it; its place here is the index of our deltas.
  struct Call {
    uint64_t index;
    std::string id;
  };

  void hear_delta(const StreamDelta& delta);
  Result<> hear_call(json::Element call);
  Result<> hear_finish_reason(std::string_view reason);

  DeltaSink sink_;
  Completion completion_;
  std::vector<Call> calls_;
  bool has_finish_reason_ = false;
  bool is_done_ = false;
};

// Status and body of a refusal -> what it means for us, in the provider's words. `key_source` is
// the place that the key came from.
Error error_of(const Target& target, long status, std::string_view body,
               std::optional<std::string_view> retry_after, std::string_view key_source);

// Bytes of a provider as text for people: one line of valid UTF-8, cut after a few hundred bytes.
std::string words_of(std::string_view bytes);

}  // namespace hearth::router::openai
