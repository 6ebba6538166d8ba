#include "providers/stream_reader.h"

#include <fmt/format.h>

namespace hearth::router {

Result<void, Failure> StreamReader::say(const StreamDelta& delta) {
  constexpr size_t kDelta = 16;  // an empty one takes room too
  n_bytes_ += delta.text.size() + delta.tool_id.size() + delta.tool_name.size() + kDelta;
  if (n_bytes_ > max_bytes_)
    return Error{
        Errc::upstream,
        fmt::format("the answer is longer than the {} bytes that it may have", max_bytes_)};
  append(completion_.message, delta);
  sink_(delta);
  return {};
}

Result<void, Failure> StreamReader::say(StreamDelta::Kind kind, std::string_view text) {
  if (text.empty()) return {};
  StreamDelta delta;
  delta.kind = kind;
  delta.text = text;
  return say(delta);
}

Result<void, Failure> StreamReader::say_opaque(std::string_view provider, std::string part) {
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::opaque;
  delta.provider = provider;
  delta.text = std::move(part);
  return say(delta);
}

Result<void, Failure> StreamReader::say_prompt(std::string_view provider) {
  StreamDelta delta;
  delta.kind = StreamDelta::Kind::progress;
  delta.provider = provider;
  delta.n_prompt = completion_.usage.n_prompt;
  delta.n_done = completion_.usage.n_cached;
  sink_(delta);
  return {};
}

Answer StreamReader::finish(std::string_view provider) {
  if (!is_complete())
    return Error{Errc::upstream,
                 fmt::format("{} closed the stream before the answer was complete", provider)};
  return std::move(completion_);
}

}  // namespace hearth::router
