#include "session/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/log.h"

namespace hearth::session {

using namespace protocol;

namespace {

constexpr size_t kMergedDeltaBytes = 2048;
constexpr auto kMergedDeltaTime = std::chrono::milliseconds(50);
constexpr size_t kMaxReplayBytes = 2u << 20;

// More events than a turn can have published before any of them reached the disk.
constexpr uint64_t kCrashJump = 1u << 24;

size_t text_bytes(const Event& delta) {
  const auto* message = std::get_if<MessageDelta>(&delta.data);
  return message ? message->text.size() : std::get<ThoughtDelta>(delta.data).text.size();
}

}  // namespace

Session::Session(net::any_io_executor loop, Store& store, SessionState state)
    : loop_(std::move(loop)),
      store_(store),
      state_(std::move(state)),
      next_seq_(state_.view.info.seq + 1),
      delta_timer_(loop_) {
  state_.view.epoch = store_.epoch();
}

const TurnStarted* Session::started_with(const std::string& idempotency_key) const {
  auto found = state_.starts.find(idempotency_key);
  return found == state_.starts.end() ? nullptr : &found->second;
}

std::vector<Message> Session::conversation() const {
  std::vector<Message> messages;
  for (const SessionMessage& entry : view().messages)
    if (!state_.refused.contains(entry.turn)) messages.push_back(entry.message);
  return messages;
}

Event Session::number(EventData data) { return {next_seq_++, now_ms(), std::move(data)}; }

void Session::record(EventData data) {
  Event event = number(std::move(data));
  is_delta(event) ? log_delta(event) : log_soon(event);
  see({std::move(event), Unseen::Disk::not_awaited});
}

Task<Result<>> Session::record_durably(std::vector<EventData> data) {
  auto self = shared_from_this();
  log_deltas();  // before what follows them: the log is a prefix of what was seen
  std::vector<Event> events;
  for (EventData& item : data) events.push_back(number(std::move(item)));
  Append append;
  append.session = id();
  append.info = info_with(events);
  for (const Event& event : events) append.events.push_back(encode(event));
  uint64_t first_seq = events.front().seq;
  uint64_t last_seq = events.back().seq;
  for (Event& event : events) unseen_.push_back({std::move(event), Unseen::Disk::awaited});
  Result<> outcome = co_await store_.append(std::move(append));
  settle(first_seq, last_seq, bool(outcome));
  co_return outcome;
}

void Session::see(Unseen unseen) {
  if (unseen_.empty()) return show(unseen.event);
  unseen_.push_back(std::move(unseen));
}

void Session::settle(uint64_t first_seq, uint64_t last_seq, bool is_durable) {
  for (Unseen& unseen : unseen_)
    if (unseen.event.seq >= first_seq && unseen.event.seq <= last_seq)
      unseen.disk = is_durable ? Unseen::Disk::not_awaited : Unseen::Disk::failed;
  while (!unseen_.empty() && unseen_.front().disk != Unseen::Disk::awaited) {
    Unseen next = std::move(unseen_.front());
    unseen_.pop_front();
    if (next.disk != Unseen::Disk::failed) show(next.event);
  }
}

void Session::show(const Event& event) {
  apply(state_, event);
  if (subscriptions_.empty()) return;
  Text text = notification(state_.view, event);
  for (auto& subscription : subscriptions_) subscription->deliver(event, text);
}

SessionInfo Session::info_with(const std::vector<Event>& events) const {
  SessionInfo info = view().info;
  for (const Unseen& unseen : unseen_)
    if (unseen.disk != Unseen::Disk::failed) apply(info, unseen.event);
  for (const Event& event : events) apply(info, event);
  return info;
}

void Session::log_soon(const Event& event) {
  Append append;
  append.session = id();
  append.info = info_with({event});
  if (std::holds_alternative<MessageUpsert>(event.data)) {  // it carries all that its deltas did
    append.drops_deltas_from = std::exchange(first_logged_delta_, 0);
    deltas_.clear();
    n_logged_deltas_ = 0;
    unlogged_bytes_ = 0;
  }
  log_deltas();  // before what follows them: the log is a prefix of what was seen
  append.events.push_back(encode(event));
  store_.append_later(std::move(append));
}

void Session::log_delta(const Event& event) {
  bool is_first = n_logged_deltas_ == deltas_.size();
  deltas_.push_back(event);
  unlogged_bytes_ += text_bytes(event);
  if (unlogged_bytes_ >= kMergedDeltaBytes) return log_deltas();
  if (!is_first) return;
  delta_timer_.expires_after(kMergedDeltaTime);
  delta_timer_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    if (cancelled) return;
    if (auto self = weak.lock()) self->log_deltas();
  });
}

void Session::log_deltas() {
  std::vector<Event> unlogged(deltas_.begin() + static_cast<ptrdiff_t>(n_logged_deltas_),
                              deltas_.end());
  n_logged_deltas_ = deltas_.size();
  unlogged_bytes_ = 0;
  if (unlogged.empty()) return;
  Append append;
  append.session = id();
  for (const Event& merged : merge_deltas(unlogged)) append.events.push_back(encode(merged));
  if (!first_logged_delta_) first_logged_delta_ = append.events.front().first;
  store_.append_later(std::move(append));
}

Task<Result<SessionSubscribed>> Session::subscribe(EventSink& client, SessionSubscribe request) {
  auto self = shared_from_this();
  auto subscription = std::make_shared<Subscription>(client, state_.view);
  unsubscribe(client.client_id());
  subscriptions_.push_back(subscription);

  // From here on live events are held in the subscription: what was missed ends at `head`.
  uint64_t head = view().info.seq;
  std::optional<std::string> gap = why_snapshot(request);
  std::vector<Missed> missed_events;
  if (!gap && *request.since < head) {
    auto events = co_await missed(*request.since, head, deltas_);
    bool is_current = std::find(subscriptions_.begin(), subscriptions_.end(), subscription) !=
                      subscriptions_.end();
    if (!is_current)
      co_return Error{Errc::cancelled, "subscription to " + id() + " was replaced or ended"};
    events ? void(missed_events = std::move(*events)) : void(gap = events.error().message);
  }
  SessionSubscribed reply{gap ? view().info.seq : head, view().epoch};
  gap ? subscription->go_live_from_snapshot(*gap) : subscription->go_live(missed_events);
  co_return reply;
}

void Session::unsubscribe(uint64_t client_id) {
  std::erase_if(subscriptions_,
                [client_id](const auto& entry) { return entry->client_id() == client_id; });
}

std::optional<std::string> Session::why_snapshot(const SessionSubscribe& request) const {
  if (!request.since) return "no cursor was given";
  uint64_t since = *request.since;
  if (!request.epoch.text.empty() && !is_epoch(request.epoch, view().epoch))
    return fmt::format("the cursor is of another epoch, this log's is {}", view().epoch);
  if (since > view().info.seq)
    return fmt::format("cursor {} is beyond the last event, {}", since, view().info.seq);
  for (const LostRange& lost : state_.lost)
    if (since > lost.after && since < lost.before)
      return fmt::format("events after {} were lost in a crash", lost.after);
  return std::nullopt;
}

// Events in (since, head] as texts: from the log, but deltas of the message being written from
// memory, where they are not merged across `since`.
Task<Result<std::vector<Missed>>> Session::missed(uint64_t since, uint64_t head,
                                                  std::vector<Event> deltas) {
  if (auto flushed = co_await store_.flush(); !flushed) co_return flushed.error();
  EventRange range{id(), since, head, kMaxReplayBytes};
  auto logged = co_await store_.events(std::move(range));
  if (!logged) co_return logged.error();

  std::vector<Missed> events;
  size_t n_bytes = 0;
  auto add = [&](const LoggedEvent& event) {
    Text text = notification(state_.view, event.seq, event.t_ms, event.kind, event.data);
    n_bytes += text->size();
    events.push_back({event.kind, std::move(text)});
  };
  auto delta = std::find_if(deltas.begin(), deltas.end(),
                            [since](const Event& event) { return event.seq > since; });
  auto add_deltas_before = [&](uint64_t seq) {
    auto end =
        std::find_if(delta, deltas.end(), [seq](const Event& event) { return event.seq >= seq; });
    std::vector<Event> some(delta, end);
    for (const Event& merged : merge_deltas(some)) add(encode(merged));
    delta = end;
  };
  for (const LoggedEvent& event : *logged) {
    if (event.first) continue;
    add_deltas_before(event.seq);
    add(event);
  }
  add_deltas_before(head + 1);
  if (n_bytes > kMaxReplayBytes)
    co_return Error{Errc::over_budget, fmt::format("{} bytes were missed", n_bytes)};
  co_return events;
}

Task<> Session::recover() {
  auto self = shared_from_this();
  uint64_t lost_after = view().info.seq;
  next_seq_ = lost_after + kCrashJump;
  first_logged_delta_ = 1;  // whichever the log holds
  std::vector<EventData> ending;
  if (!view().messages.empty()) {
    const SessionMessage& last = view().messages.back();
    if (last.message.role == Role::assistant && last.finish.empty())
      ending.push_back(MessageUpsert{last.message, last.turn, "interrupted", {}});
  }
  SessionStateChanged idle;
  idle.turn = view().turn;
  // Idle already: only the list says otherwise, since a start failed beside a rename.
  bool was_running = view().info.state != Activity::idle;
  idle.reason = was_running ? EndReason::interrupted : view().reason;
  idle.error = view().error;
  idle.lost_after = lost_after;
  ending.push_back(std::move(idle));
  // Recorded without waiting for the disk if it must be: the session is usable either way.
  for (EventData& event : ending) record(std::move(event));
  if (auto flushed = co_await store_.flush(); !flushed)
    log::warn("a session's recovery is not on disk yet",
              {{"session", id()}, {"reason", flushed.error().message}});
}

}  // namespace hearth::session
