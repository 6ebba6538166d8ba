// What a session's events amount to. One fold for all: live events, replay from the log and, in
// the same rules, every client.
//
// Rules: message.upsert replaces the message with that id or appends it; a delta appends to its
// message, which it creates if need be; tool.upsert likewise, and tools are those of the last turn.
// Plain data and free functions, any thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/protocol/session.h"
#include "daemon/protocol/turn.h"
#include "session/log_writer.h"
#include "support/result.h"

namespace hearth::session {

struct Event {
  uint64_t seq = 0;
  int64_t t_ms = 0;  // unix time
  protocol::EventData data;
};

// Events in (after, before) may have been seen by a client, but did not survive a crash.
struct LostRange {
  uint64_t after = 0;
  uint64_t before = 0;
};

struct SessionState {
  protocol::SessionSnapshot view;
  std::map<std::string, protocol::TurnStarted> starts;  // by idempotency key
  std::vector<LostRange> lost;
  std::set<std::string> refused;  // turns that no target would take: not part of later prompts
  // Message id -> place in view.messages; filled as needed, so that a view can be set as it is.
  std::unordered_map<std::string, size_t> places;
};

void apply(SessionState& state, const Event& event);

// The part of the fold that the list of sessions shows.
void apply(protocol::SessionInfo& info, const Event& event);

bool is_delta(const Event& event);
std::string_view kind_of(const Event& event);

LoggedEvent encode(const Event& event);
// Nothing for a kind that this version does not know.
Result<std::optional<Event>> decode(const LoggedEvent& logged);

// Deltas in order, adjacent ones of a kind as one that covers their range.
std::vector<Event> merge_deltas(const std::vector<Event>& deltas);
// Appends `next` to `into` if both are deltas of the same kind and message.
bool merge_delta(Event& into, const Event& next);

}  // namespace hearth::session
