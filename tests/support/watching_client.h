// An EventSink that behaves as an editor should: it folds what it is sent, keeps a cursor, and
// counts whatever a client must never see.
//
// Unless `is_slow` is set, its queue is always empty. Lives on the loop thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/protocol/event_sink.h"
#include "session/fold.h"
#include "support/json.h"

namespace hearth::test {

class WatchingClient : public EventSink {
 public:
  explicit WatchingClient(uint64_t id) : id_(id) {}

  struct Seen {
    uint64_t seq = 0;
    std::string kind;
    std::string data;
  };

  bool is_slow = false;
  std::string unwanted;  // kind of events

  void send(std::shared_ptr<const std::string> text) override {
    if (is_slow) {
      queued_bytes_ += text->size();
      queue_.push_back(std::move(text));
    } else {
      receive(*text);
    }
  }
  size_t queued_bytes() const override { return queued_bytes_; }
  void when_drained(std::function<void()> callback) override {
    if (queue_.empty()) return callback();
    on_drained_ = std::move(callback);
  }
  bool wants(std::string_view kind) const override { return kind != unwanted; }
  uint64_t client_id() const override { return id_; }

  // Reads everything that is queued; what this makes the session send stays queued.
  void drain() {
    auto queue = std::exchange(queue_, {});
    queued_bytes_ = 0;
    for (const auto& text : queue) receive(*text);
    if (auto callback = std::exchange(on_drained_, nullptr)) callback();
  }

  // The connection broke: what was queued is lost, the cursor and the state are kept.
  void disconnect() {
    queue_.clear();
    queued_bytes_ = 0;
    on_drained_ = nullptr;
  }

  uint64_t cursor() const { return state_.view.info.seq; }
  uint64_t epoch() const { return state_.view.epoch; }
  const protocol::SessionSnapshot& view() const { return state_.view; }
  const std::vector<Seen>& seen() const { return seen_; }
  std::vector<std::string> kinds() const {
    std::vector<std::string> kinds;
    for (const Seen& event : seen_) kinds.push_back(event.kind);
    return kinds;
  }
  size_t count(const std::string& kind) const {
    size_t n = 0;
    for (const Seen& event : seen_) n += event.kind == kind;
    return n;
  }
  void forget_seen() { seen_.clear(); }
  size_t n_doubled() const { return n_doubled_; }
  size_t n_malformed() const { return n_malformed_; }

 private:
  void receive(const std::string& text) {
    auto document = json::Document::parse(text);
    if (!document) {
      ++n_malformed_;
      return;
    }
    auto params = document->root()["params"];
    session::LoggedEvent event;
    event.seq = params["seq"].get_uint64();
    event.t_ms = params["t"].get_int64();
    event.kind = std::string_view(params["kind"]);
    event.data = json::to_text(params["data"]);
    seen_.push_back({event.seq, event.kind, event.data});
    if (event.kind == protocol::SyncGap::kType) {
      auto gap = json::decode<protocol::SyncGap>(event.data);
      if (!gap) ++n_malformed_;
      state_ = {};
      if (gap) state_.view = std::move(gap->snapshot);
      return;
    }
    if (event.kind.starts_with("sync.") || event.kind == "turn.progress" ||
        event.kind == "session.deleted")
      return;
    state_.view.info.id = std::string_view(params["session"]);
    state_.view.epoch = params["epoch"].get_uint64();
    auto decoded = session::decode(event);
    if (!decoded || !*decoded) {
      ++n_malformed_;
      return;
    }
    uint64_t first = event.seq;
    if (uint64_t from; !params["data"]["from"].get_uint64().get(from)) first = from;
    if (first <= cursor()) ++n_doubled_;
    session::apply(state_, **decoded);
  }

  const uint64_t id_;
  session::SessionState state_;
  std::vector<Seen> seen_;
  std::deque<std::shared_ptr<const std::string>> queue_;
  size_t queued_bytes_ = 0;
  std::function<void()> on_drained_;
  size_t n_doubled_ = 0;
  size_t n_malformed_ = 0;
};

}  // namespace hearth::test
