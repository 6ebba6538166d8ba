// session/*: create, find, watch and delete conversations.
// Plain data, any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/protocol/event.h"
#include "daemon/protocol/life.h"

namespace hearth::protocol {

// A session's line in the list.
struct SessionInfo {
  std::string id;
  std::string title;
  std::string cwd;
  std::map<std::string, std::string> labels;
  int64_t created_ms = 0;  // unix time
  int64_t updated_ms = 0;
  Activity state = Activity::idle;
  uint64_t seq = 0;  // of the last event
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field.or_default("title", self.title);
    field.or_default("cwd", self.cwd);
    field.or_default("labels", self.labels);
    field("createdAt", self.created_ms);
    field("updatedAt", self.updated_ms);
    field("state", self.state);
    field("seq", self.seq);
  }
};

// Totals over all turns.
struct SessionUsage {
  uint64_t n_prompt = 0;
  uint64_t n_cached = 0;
  uint64_t n_completion = 0;
  uint64_t n_reasoning = 0;
  static void fields(auto& self, auto&& field) {
    field("promptTokens", self.n_prompt);
    field("cachedTokens", self.n_cached);
    field("completionTokens", self.n_completion);
    field("reasoningTokens", self.n_reasoning);
  }
};

struct SessionMessage {
  Message message;
  std::string turn;
  std::string finish;  // empty while it is written
  static void fields(auto& self, auto&& field) {
    field("message", self.message);
    field.or_default("turn", self.turn);
    field.or_default("finish", self.finish);
  }
};

// Everything that the events up to info.seq amount to.
struct SessionSnapshot {
  SessionInfo info;
  uint64_t epoch = 0;
  std::string turn;                 // running, or the last one
  std::optional<EndReason> reason;  // how it ended
  std::optional<Error> error;
  std::vector<SessionMessage> messages;
  std::vector<ToolUpsert> tools;
  std::optional<TurnRoute> route;  // of the last turn
  SessionUsage usage;
  static void fields(auto& self, auto&& field) {
    field("info", self.info);
    field("epoch", self.epoch);
    field.or_default("turn", self.turn);
    field("reason", self.reason);
    field("error", self.error);
    field("messages", self.messages);
    field("tools", self.tools);
    field("route", self.route);
    field("usage", self.usage);
  }
};

// The client's state is replaced by `snapshot`; its cursor becomes the snapshot's seq.
struct SyncGap {
  static constexpr std::string_view kType = "sync.gap";
  std::string reason;  // for people
  SessionSnapshot snapshot;
  static void fields(auto& self, auto&& field) {
    field("reason", self.reason);
    field("snapshot", self.snapshot);
  }
};

struct Nothing {
  static void fields(auto&, auto&&) {}
};

struct SessionCreate {
  std::string title;
  std::string cwd;
  std::map<std::string, std::string> labels;
  static void fields(auto& self, auto&& field) {
    field.or_default("title", self.title);
    field.or_default("cwd", self.cwd);
    field.or_default("labels", self.labels);
  }
};

struct SessionList {
  uint32_t limit = 50;               // at most 500
  std::optional<std::string> after;  // `next` of the page before
  static void fields(auto& self, auto&& field) {
    field.or_default("limit", self.limit);
    field("after", self.after);
  }
};

// Latest first.
struct SessionPage {
  std::vector<SessionInfo> sessions;
  std::optional<std::string> next;  // absent: the last page
  static void fields(auto& self, auto&& field) {
    field("sessions", self.sessions);
    field("next", self.next);
  }
};

struct SessionRef {
  std::string session;
  static void fields(auto& self, auto&& field) { field("session", self.session); }
};

struct SessionRename {
  std::string session;
  std::string title;
  static void fields(auto& self, auto&& field) {
    field("session", self.session);
    field("title", self.title);
  }
};

struct SessionPurged {
  // Damaged logs that were set aside and may still hold the session's text; theirs to delete.
  std::vector<std::string> remains;
  static void fields(auto& self, auto&& field) { field("remains", self.remains); }
};

struct SessionSubscribe {
  std::string session;
  std::optional<uint64_t> since;  // the client's cursor; absent: it knows nothing, send a snapshot
  RawJson epoch;  // that the cursor was taken in (is_epoch()); absent: the current one
  static void fields(auto& self, auto&& field) {
    field("session", self.session);
    field("since", self.since);
    field("epoch", self.epoch);
  }
};

struct SessionSubscribed {
  uint64_t seq = 0;  // of the last event sent before sync.live
  uint64_t epoch = 0;
  static void fields(auto& self, auto&& field) {
    field("seq", self.seq);
    field("epoch", self.epoch);
  }
};

}  // namespace hearth::protocol
