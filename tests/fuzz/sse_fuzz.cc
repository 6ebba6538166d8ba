// A provider's stream, from bytes to an answer. The first byte is the size of the pieces in which
// the rest arrives: the outcome must not depend on it, and every text of ours must be UTF-8.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "providers/rejection.h"
#include "providers/sse.h"
#include "providers/wire.h"

using namespace hearth;
using namespace hearth::router;

namespace {

// All that was heard, as one text to compare.
std::string outcome_of(const Wire& wire, std::string_view stream, size_t n_bytes) {
  std::string heard;
  DeltaSink sink = [&](const StreamDelta& delta) {
    heard += static_cast<char>('0' + static_cast<int>(delta.kind));
    heard += std::to_string(delta.tool_index) + delta.tool_id + delta.tool_name + delta.text + "\n";
  };
  auto reader = wire.reader(Target{}, sink, 1 << 16);
  Result<void, Failure> outcome;
  SseParser events(
      [&](std::string_view event, std::string_view data) {
        if (outcome) outcome = reader->hear(event, data);
      },
      1 << 16);
  Result<> fed;
  for (size_t at = 0; at < stream.size() && fed; at += n_bytes)
    fed = events.feed(stream.substr(at, n_bytes));
  if (outcome && !fed) outcome = fed.error();
  auto completion = reader->finish("fuzz");
  if (!outcome) heard += outcome.error().message;
  if (!completion) heard += completion.error().message;
  if (completion)
    heard += std::to_string(completion->usage.n_prompt) +
             std::to_string(completion->message.blocks.size());
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const Wire* wire : {&kOpenAiChat, &kAnthropicMessages}) {
    std::string whole = outcome_of(*wire, stream, std::string_view::npos / 2);
    if (outcome_of(*wire, stream, static_cast<size_t>(data[0]) + 1) != whole) std::abort();
    if (!simdjson::validate_utf8(whole)) std::abort();
  }
  Failure failure = rejection_of(Target{}, data[0] * 4, stream, stream.substr(0, 20), "KEY", {});
  if (!simdjson::validate_utf8(failure.message + failure.word)) std::abort();
  return 0;
}
