// What happens in a session, as events. The same records are logged, replayed, folded and sent as
// the notification
//
//   {"method": "event", "params": {"session", "seq", "epoch", "t", "kind", "data"}}
//
// seq starts at 1 and never repeats; a client's cursor is the seq of the last event it has folded.
// It need not be contiguous: merged deltas cover a range (from..seq), and a restart after a crash
// jumps. The kinds in the second part change no state: they repeat the seq of the event before
// them, are never logged, and move no cursor.
//
// Plain data, any thread. A record's kType is its kind; kVersion grows when its fields change
// meaning.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "inference/completion.h"
#include "inference/message.h"
#include "router/decision.h"
#include "support/record.h"

namespace hearth::protocol {

// needs_action: an approval or an answer of the user is awaited.
enum class Activity : uint8_t { idle, running, needs_action };

// Why a session is idle.
enum class EndReason : uint8_t { done, interrupted, error };

// proposed: the model asked for it; nothing ran yet.
enum class ToolStatus : uint8_t { writing, proposed, running, done, failed };

}  // namespace hearth::protocol

namespace hearth {
template <>
struct EnumNames<protocol::Activity> {
  using A = protocol::Activity;
  static constexpr std::pair<A, std::string_view> names[] = {
      {A::idle, "idle"}, {A::running, "running"}, {A::needs_action, "needs_action"}};
};
template <>
struct EnumNames<protocol::EndReason> {
  using R = protocol::EndReason;
  static constexpr std::pair<R, std::string_view> names[] = {
      {R::done, "done"}, {R::interrupted, "interrupted"}, {R::error, "error"}};
};
template <>
struct EnumNames<protocol::ToolStatus> {
  using S = protocol::ToolStatus;
  static constexpr std::pair<S, std::string_view> names[] = {{S::writing, "writing"},
                                                             {S::proposed, "proposed"},
                                                             {S::running, "running"},
                                                             {S::done, "done"},
                                                             {S::failed, "failed"}};
};
}  // namespace hearth

namespace hearth::protocol {

// Part one: events that are logged and folded.

struct SessionCreated {
  static constexpr std::string_view kType = "session.created";
  static constexpr int kVersion = 1;
  std::string title;
  std::string cwd;
  std::map<std::string, std::string> labels;
  static void fields(auto& self, auto&& field) {
    field.or_default("title", self.title);
    field.or_default("cwd", self.cwd);
    field.or_default("labels", self.labels);
  }
};

struct SessionRenamed {
  static constexpr std::string_view kType = "session.renamed";
  static constexpr int kVersion = 1;
  std::string title;
  static void fields(auto& self, auto&& field) { field("title", self.title); }
};

struct SessionStateChanged {
  static constexpr std::string_view kType = "session.state";
  static constexpr int kVersion = 1;
  Activity state = Activity::idle;
  std::string turn;                 // the running one, or the one that ended
  std::optional<EndReason> reason;  // idle
  std::optional<Error> error;       // reason error
  std::optional<uint64_t>
      lost_after;  // recovery: events after this seq may have been seen but are lost
  static void fields(auto& self, auto&& field) {
    field("state", self.state);
    field.or_default("turn", self.turn);
    field("reason", self.reason);
    field("error", self.error);
    field("lostAfter", self.lost_after);
  }
};

// A whole message: new, or in place of all that was known of it.
struct MessageUpsert {
  static constexpr std::string_view kType = "message.upsert";
  static constexpr int kVersion = 1;
  Message message;
  std::string turn;
  std::string finish;           // assistant: a FinishReason, "interrupted" or "error"
  std::string idempotency_key;  // user: of its turn/start
  static void fields(auto& self, auto&& field) {
    field("message", self.message);
    field("turn", self.turn);
    field.or_default("finish", self.finish);
    field.or_default("idempotencyKey", self.idempotency_key);
  }
};

// The next piece of an assistant message's text.
struct MessageDelta {
  static constexpr std::string_view kType = "message.delta";
  static constexpr int kVersion = 1;
  std::string message;
  std::string text;
  std::optional<uint64_t> from;  // merged: the first seq of the range that ends at this event's
  static void fields(auto& self, auto&& field) {
    field("message", self.message);
    field("text", self.text);
    field("from", self.from);
  }
};

// The same for its thinking.
struct ThoughtDelta {
  static constexpr std::string_view kType = "thought.delta";
  static constexpr int kVersion = 1;
  std::string message;
  std::string text;
  std::optional<uint64_t> from;
  static void fields(auto& self, auto&& field) {
    field("message", self.message);
    field("text", self.text);
    field("from", self.from);
  }
};

struct ToolUpsert {
  static constexpr std::string_view kType = "tool.upsert";
  static constexpr int kVersion = 1;
  std::string id;
  std::string message;
  std::string name;
  std::string arguments;  // as the model wrote them; empty while it writes
  ToolStatus status = ToolStatus::writing;
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field("message", self.message);
    field("name", self.name);
    field.or_default("arguments", self.arguments);
    field("status", self.status);
  }
};

struct TurnUsage {
  static constexpr std::string_view kType = "usage";
  static constexpr int kVersion = 1;
  std::string turn;
  std::string target;  // that answered
  std::optional<std::string> model;
  Usage usage;
  Timings timings;
  std::optional<CacheDivergence> divergence;  // local: where the prompt had to be read anew
  std::vector<std::string> moved_lines;       // of the prompt, as the settings asked for
  static void fields(auto& self, auto&& field) {
    field("turn", self.turn);
    field.or_default("target", self.target);
    field("model", self.model);
    field("usage", self.usage);
    field("timings", self.timings);
    field("divergence", self.divergence);
    field.or_default("movedLines", self.moved_lines);
  }
};

// Which target answers, and why. Another one for the same turn: it does in the place of the first,
// which failed or was too slow, or whose answer did not pass.
struct TurnRoute {
  static constexpr std::string_view kType = "route";
  static constexpr int kVersion = 1;
  std::string turn;
  router::Decision decision;
  static void fields(auto& self, auto&& field) {
    field("turn", self.turn);
    field("decision", self.decision);
  }
};

using EventData = std::variant<SessionCreated, SessionRenamed, SessionStateChanged, MessageUpsert,
                               MessageDelta, ThoughtDelta, ToolUpsert, TurnUsage, TurnRoute>;

// Part two: for whoever watches now. sync.gap is in session.h, since it carries a snapshot.

struct TurnProgress {
  static constexpr std::string_view kType = "turn.progress";
  std::string turn;
  uint32_t n_done = 0;  // prompt tokens read
  uint32_t n_prompt = 0;
  static void fields(auto& self, auto&& field) {
    field("turn", self.turn);
    field("done", self.n_done);
    field("total", self.n_prompt);
  }
};

// All that was missed has been sent; what follows is live.
struct SyncLive {
  static constexpr std::string_view kType = "sync.live";
  static void fields(auto&, auto&&) {}
};

struct SessionDeleted {
  static constexpr std::string_view kType = "session.deleted";
  static void fields(auto&, auto&&) {}
};

}  // namespace hearth::protocol
