#include "session/subscription.h"

#include <algorithm>

namespace hearth::session {

namespace {

size_t text_bytes(const Event& delta) {
  if (const auto* message = std::get_if<protocol::MessageDelta>(&delta.data))
    return message->text.size();
  if (const auto* thought = std::get_if<protocol::ThoughtDelta>(&delta.data))
    return thought->text.size();
  return 0;
}

}  // namespace

Subscription::Subscription(EventSink& client, const protocol::SessionSnapshot& view)
    : client_(client), client_id_(client.client_id()), view_(view) {}

void Subscription::deliver(const Event& event, const Text& text) {
  if (mode_ == Mode::behind) return;  // in the next snapshot
  if (!client_.wants(kind_of(event))) return;
  if (mode_ == Mode::replaying) {
    held_bytes_ += text->size();
    if (held_bytes_ <= kSnapshotAboveBytes) held_.emplace_back(event, text);
    return;
  }
  size_t backlog = backlog_bytes();
  if (backlog > kSnapshotAboveBytes) return fall_behind();
  if (backlog > kMergeAboveBytes && is_delta(event)) {
    if (pending_ && merge_delta(*pending_, event)) return;
    send_pending();
    pending_ = event;
    return when_drained();
  }
  send_pending();
  client_.send(text);
}

void Subscription::deliver_passing(std::string_view kind, const Text& text) {
  if (mode_ == Mode::live && backlog_bytes() <= kMergeAboveBytes && client_.wants(kind))
    client_.send(text);
}

void Subscription::go_live(const std::vector<Missed>& missed) {
  if (held_bytes_ > kSnapshotAboveBytes)
    return go_live_from_snapshot("more happened during the replay than is kept for it");
  for (const auto& [kind, text] : missed) {
    if (!client_.wants(kind)) continue;
    client_.send(text);
    replay_bytes_ += text->size();
  }
  client_.send(passing_notification(view_, protocol::SyncLive{}));
  mode_ = Mode::live;
  if (replay_bytes_) when_drained();
  for (const auto& [event, text] : std::exchange(held_, {})) deliver(event, text);
}

void Subscription::go_live_from_snapshot(const std::string& reason) {
  held_.clear();
  send_snapshot(reason);
  client_.send(passing_notification(view_, protocol::SyncLive{}));
  mode_ = Mode::live;
}

size_t Subscription::backlog_bytes() const {
  size_t queued = client_.queued_bytes();
  size_t pending = pending_ ? text_bytes(*pending_) : 0;
  return queued - std::min(queued, replay_bytes_) + pending;
}

void Subscription::send_pending() {
  if (!pending_) return;
  client_.send(notification(view_, *pending_));
  pending_.reset();
}

void Subscription::send_snapshot(const std::string& reason) {
  protocol::SyncGap gap{reason, view_};
  client_.send(passing_notification(view_, gap));
}

void Subscription::fall_behind() {
  mode_ = Mode::behind;
  pending_.reset();
  when_drained();
}

void Subscription::when_drained() {
  if (awaits_drain_) return;
  awaits_drain_ = true;
  client_.when_drained([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->awaits_drain_ = false;
    self->replay_bytes_ = 0;
    if (self->mode_ == Mode::behind) {
      self->mode_ = Mode::live;
      self->send_snapshot("the client read too slowly; this is the state now");
    }
    self->send_pending();
  });
}

}  // namespace hearth::session
