// One client that watches one session.
//
// It begins replaying: live events are held until the missed ones have been read from the log, so
// that nothing lies between the two. Then it is live. A client that reads too slowly gets adjacent
// deltas merged, then falls behind: it is sent nothing until its queue has drained, and then the
// whole folded state. Generation never waits for it.
//
// Lives on the loop thread, owned by its Session; shared, because the client's drain callback may
// come after it is gone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/protocol/event_sink.h"
#include "session/fold.h"
#include "session/notification.h"

namespace hearth::session {

// An event of the log, for a client that was away.
struct Missed {
  std::string kind;
  Text text;
};

class Subscription : public std::enable_shared_from_this<Subscription> {
 public:
  static constexpr size_t kMergeAboveBytes = 512u << 10;
  static constexpr size_t kSnapshotAboveBytes = 1u << 20;

  // `view` is the session's live state and outlives the subscription.
  Subscription(EventSink& client, const protocol::SessionSnapshot& view);

  // An event that `view` already holds.
  void deliver(const Event& event, const Text& text);
  // One that changes no state; left out when the client is slow.
  void deliver_passing(std::string_view kind, const Text& text);

  // Ends the replay: what was missed (or a snapshot), sync.live, what was held.
  void go_live(const std::vector<Missed>& missed);
  void go_live_from_snapshot(const std::string& reason);

  uint64_t client_id() const { return client_id_; }

 private:
  enum class Mode { replaying, live, behind };

  size_t backlog_bytes() const;
  void send_pending();
  void send_snapshot(const std::string& reason);
  void when_drained();
  void fall_behind();

  EventSink& client_;
  const uint64_t client_id_;
  const protocol::SessionSnapshot& view_;
  Mode mode_ = Mode::replaying;
  std::vector<std::pair<Event, Text>> held_;  // replaying
  size_t held_bytes_ = 0;
  std::optional<Event> pending_;  // live: merged deltas that wait for the queue
  size_t replay_bytes_ = 0;       // of the replay, still queued: not the client's slowness
  bool awaits_drain_ = false;
};

}  // namespace hearth::session
