#include "session/fold.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/json.h"

namespace hearth::session {

using namespace protocol;

namespace {

SessionMessage* find_message(SessionState& state, const std::string& id) {
  std::vector<SessionMessage>& messages = state.view.messages;
  for (size_t at = state.places.size(); at < messages.size(); ++at)
    state.places.emplace(messages[at].message.id, at);
  auto found = state.places.find(id);
  return found == state.places.end() ? nullptr : &messages[found->second];
}

// The request itself was at fault: sent again, it would fail again.
bool blames_request(const Error& error) {
  return error.code == Errc::invalid || error.code == Errc::denied ||
         error.code == Errc::not_found || error.code == Errc::context_exceeded ||
         error.code == Errc::unsupported;
}

struct Fold {
  SessionState& state;
  uint64_t seq;
  SessionSnapshot& view = state.view;

  void operator()(const SessionCreated&) {}
  void operator()(const SessionRenamed&) {}

  void operator()(const SessionStateChanged& change) {
    if (change.state == Activity::running && change.turn != view.turn) {
      view.tools.clear();
      view.route.reset();
    }
    if (!change.turn.empty()) view.turn = change.turn;
    view.reason = change.reason;
    view.error = change.error;
    if (change.error && blames_request(*change.error)) state.refused.insert(change.turn);
    if (change.lost_after) state.lost.push_back({*change.lost_after, seq});
  }

  void operator()(const MessageUpsert& upsert) {
    SessionMessage* entry = find_message(state, upsert.message.id);
    if (!entry) entry = &view.messages.emplace_back();
    *entry = {upsert.message, upsert.turn, upsert.finish};
    if (!upsert.idempotency_key.empty())
      state.starts[upsert.idempotency_key] = {upsert.turn, upsert.message.id, seq};
  }

  void operator()(const MessageDelta& delta) { extend(delta, StreamDelta::Kind::text); }
  void operator()(const ThoughtDelta& delta) { extend(delta, StreamDelta::Kind::reasoning); }

  void operator()(const ToolUpsert& upsert) {
    for (ToolUpsert& tool : view.tools)
      if (tool.id == upsert.id) {
        tool = upsert;
        return;
      }
    view.tools.push_back(upsert);
  }

  void operator()(const TurnUsage& turn) {
    view.usage.n_prompt += turn.usage.n_prompt;
    view.usage.n_cached += turn.usage.n_cached;
    view.usage.n_completion += turn.usage.n_completion;
    view.usage.n_reasoning += turn.usage.n_reasoning;
  }

  void operator()(const TurnRoute& route) { view.route = route; }

 private:
  void extend(const auto& delta, StreamDelta::Kind kind) {
    SessionMessage* entry = find_message(state, delta.message);
    if (!entry) {
      entry = &view.messages.emplace_back();
      entry->message.id = delta.message;
      entry->message.role = Role::assistant;
      entry->turn = view.turn;
    }
    StreamDelta piece;
    piece.kind = kind;
    piece.text = delta.text;
    append(entry->message, piece);
    // Should nothing but deltas survive a crash, they carry what their request did.
    if (!view.route || entry->message.blocks.empty()) return;
    Block& block = entry->message.blocks.back();
    if (block.labels.empty()) block.labels = view.route->decision.labels;
  }
};

template <class... Kinds>
Result<std::optional<Event>> decode_as(const LoggedEvent& logged, std::variant<Kinds...>*) {
  Result<std::optional<Event>> outcome = std::optional<Event>();
  auto try_one = [&]<class Kind>() {
    if (logged.kind != Kind::kType || logged.version > Kind::kVersion) return false;
    auto data = json::decode<Kind>(logged.data, logged.kind);
    if (!data) {
      outcome = Error{Errc::corrupt,
                      fmt::format("event {} is damaged: {}", logged.seq, data.error().message)};
    } else {
      outcome = std::optional(Event{logged.seq, logged.t_ms, EventData(std::move(*data))});
    }
    return true;
  };
  (try_one.template operator()<Kinds>() || ...);
  return outcome;
}

template <class Delta>
bool merge_as(Event& into, const Event& next) {
  Delta* first = std::get_if<Delta>(&into.data);
  const Delta* second = std::get_if<Delta>(&next.data);
  if (!first || !second || first->message != second->message) return false;
  first->text += second->text;
  if (!first->from) first->from = into.seq;
  into.seq = next.seq;
  into.t_ms = next.t_ms;
  return true;
}

}  // namespace

void apply(SessionInfo& info, const Event& event) {
  info.seq = event.seq;
  info.updated_ms = std::max(info.updated_ms, event.t_ms);
  if (const auto* created = std::get_if<SessionCreated>(&event.data)) {
    info.title = created->title;
    info.cwd = created->cwd;
    info.labels = created->labels;
    info.created_ms = event.t_ms;
  } else if (const auto* renamed = std::get_if<SessionRenamed>(&event.data)) {
    info.title = renamed->title;
  } else if (const auto* change = std::get_if<SessionStateChanged>(&event.data)) {
    info.state = change->state;
  }
}

void apply(SessionState& state, const Event& event) {
  apply(state.view.info, event);
  std::visit(Fold{state, event.seq}, event.data);
}

bool is_delta(const Event& event) {
  return std::holds_alternative<MessageDelta>(event.data) ||
         std::holds_alternative<ThoughtDelta>(event.data);
}

std::string_view kind_of(const Event& event) {
  auto kind = []<class Kind>(const Kind&) { return Kind::kType; };
  return std::visit(kind, event.data);
}

LoggedEvent encode(const Event& event) {
  LoggedEvent logged;
  logged.seq = event.seq;
  logged.t_ms = event.t_ms;
  auto fill = [&]<class Kind>(const Kind& data) {
    logged.kind = Kind::kType;
    logged.version = Kind::kVersion;
    logged.data = json::encode(data);
    if constexpr (requires { data.from; }) logged.first = data.from.value_or(event.seq);
  };
  std::visit(fill, event.data);
  return logged;
}

Result<std::optional<Event>> decode(const LoggedEvent& logged) {
  return decode_as(logged, static_cast<EventData*>(nullptr));
}

std::vector<Event> merge_deltas(const std::vector<Event>& deltas) {
  std::vector<Event> merged;
  for (const Event& delta : deltas)
    if (merged.empty() || !merge_delta(merged.back(), delta)) merged.push_back(delta);
  return merged;
}

bool merge_delta(Event& into, const Event& next) {
  return merge_as<MessageDelta>(into, next) || merge_as<ThoughtDelta>(into, next);
}

}  // namespace hearth::session
