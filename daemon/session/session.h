// One session: its folded state, the numbering and logging of its events, the clients that watch.
//
// Two promises, and the rules that give them:
// - What a client has seen is never contradicted. Outside of a turn an event is on the disk before
//   anyone sees it. Within a turn it is seen at once and logged soon; the log says "running" from
//   before the first of these until after the last, so a crash is recognised at the next start:
//   numbering then jumps, and a cursor in the jumped range gets a snapshot.
// - Events are seen in the order of their numbers: those that come while an earlier one is still on
//   its way to the disk are held back.
//
// Text deltas are logged merged (every 50 ms or 2 KiB) and only so that a crash keeps the partial
// message; its message.upsert deletes them. Clients that replay meanwhile get them from memory.
//
// Lives on the loop thread. Owned by Sessions; shared with the tasks that use it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "daemon/protocol/event_sink.h"
#include "daemon/protocol/session.h"
#include "session/fold.h"
#include "session/store.h"
#include "session/subscription.h"
#include "support/task.h"

namespace hearth::session {

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(net::any_io_executor loop, Store& store, SessionState state);

  const protocol::SessionSnapshot& view() const { return state_.view; }
  const std::string& id() const { return state_.view.info.id; }
  const protocol::TurnStarted* started_with(const std::string& idempotency_key) const;
  uint64_t next_seq() const { return next_seq_; }
  // The conversation as the next prompt has it: without turns that were refused.
  std::vector<Message> conversation() const;

  // Within a turn: seen now, logged soon.
  void record(protocol::EventData data);
  // Outside of one: on the disk, then seen; or an error, and it never was. All or none.
  Task<Result<>> record_durably(std::vector<protocol::EventData> data);
  // For whoever watches now.
  template <class Kind>
  void tell(const Kind& data) {
    if (subscriptions_.empty()) return;
    Text text = passing_notification(state_.view, data);
    for (auto& subscription : subscriptions_) subscription->deliver_passing(Kind::kType, text);
  }

  // Sends what the client missed, sync.live, then events as they come. Replaces the client's
  // earlier subscription, if any.
  Task<Result<protocol::SessionSubscribed>> subscribe(EventSink& client,
                                                      protocol::SessionSubscribe request);
  void unsubscribe(uint64_t client_id);  // also when a connection ends, before its sink dies
  bool is_watched() const { return !subscriptions_.empty(); }

  // At start-up, for a session whose turn did not survive: keeps its partial message, ends it.
  Task<> recover();

 private:
  struct Unseen {
    Event event;
    enum class Disk : uint8_t { not_awaited, awaited, failed } disk = Disk::not_awaited;
  };

  Event number(protocol::EventData data);
  void see(Unseen unseen);
  void settle(uint64_t first_seq, uint64_t last_seq, bool is_durable);
  void show(const Event& event);
  void log_soon(const Event& event);
  void log_delta(const Event& event);
  void log_deltas();
  protocol::SessionInfo info_with(const std::vector<Event>& events) const;
  std::optional<std::string> why_snapshot(const protocol::SessionSubscribe& request) const;
  Task<Result<std::vector<Missed>>> missed(uint64_t since, uint64_t head,
                                           std::vector<Event> deltas);

  net::any_io_executor loop_;
  Store& store_;
  SessionState state_;
  uint64_t next_seq_;
  std::deque<Unseen> unseen_;        // in order; the front one awaits the disk
  std::vector<Event> deltas_;        // of the message being written
  size_t n_logged_deltas_ = 0;       // of deltas_
  uint64_t first_logged_delta_ = 0;  // of that message; 0: none is in the log
  size_t unlogged_bytes_ = 0;
  net::steady_timer delta_timer_;
  std::vector<std::shared_ptr<Subscription>> subscriptions_;
};

}  // namespace hearth::session
