// Server-sent events as a test reads them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"
#include "wire/dialect.h"

namespace hearth::wire {

struct SentEvent {
  std::string name;
  json::Value data;  // null for "[DONE]" and comments
};

inline std::vector<SentEvent> read_events(std::string_view bytes) {
  std::vector<SentEvent> events;
  while (!bytes.empty()) {
    const size_t end = bytes.find("\n\n");
    EXPECT_NE(end, bytes.npos) << "an event is not ended: " << bytes;
    std::string_view event = bytes.substr(0, end);
    bytes.remove_prefix(end + 2);
    SentEvent& out = events.emplace_back();
    while (!event.empty()) {
      const std::string_view line = event.substr(0, event.find('\n'));
      event.remove_prefix(std::min(event.size(), line.size() + 1));
      if (line.starts_with("event: ")) out.name = line.substr(7);
      if (!line.starts_with("data: ")) continue;
      if (auto data = json::parse_value(line.substr(6))) out.data = std::move(*data);
    }
  }
  return events;
}

inline std::string names_of(const std::vector<SentEvent>& events) {
  std::string names;
  for (const SentEvent& event : events) names += (names.empty() ? "" : " ") + event.name;
  return names;
}

// A whole stream of one answer.
inline std::string streamed(AnswerShape& shape, const Head& head,
                            const std::vector<StreamDelta>& deltas, const Completion& completion) {
  std::string out;
  shape.begin(head, out);
  for (const StreamDelta& delta : deltas) shape.hear(head, delta, out);
  shape.end_choice(head, completion, out);
  shape.end(head, completion, out);
  return out;
}

}  // namespace hearth::wire
