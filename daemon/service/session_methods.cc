#include "service/session_methods.h"

namespace hearth::session {

using namespace protocol;

void bind_methods(jsonrpc::Dispatcher& dispatcher, SessionMethods& methods) {
  dispatcher.bind("session/create", methods, &SessionMethods::create);
  dispatcher.bind("session/list", methods, &SessionMethods::list);
  dispatcher.bind("session/get", methods, &SessionMethods::get);
  dispatcher.bind("session/rename", methods, &SessionMethods::rename);
  dispatcher.bind("session/delete", methods, &SessionMethods::remove);
  dispatcher.bind("session/subscribe", methods, &SessionMethods::subscribe);
  dispatcher.bind("session/unsubscribe", methods, &SessionMethods::unsubscribe);
  dispatcher.bind("session/snapshot", methods, &SessionMethods::snapshot);
  dispatcher.bind("turn/start", methods, &SessionMethods::start_turn);
  dispatcher.bind("turn/interrupt", methods, &SessionMethods::interrupt_turn);
}

Task<Result<SessionInfo>> SessionMethods::create(Call, SessionCreate params) {
  auto session = co_await sessions_.create(std::move(params));
  if (!session) co_return session.error();
  co_return (*session)->view().info;
}

Task<Result<SessionPage>> SessionMethods::list(Call, SessionList params) {
  return store_.page(std::move(params));
}

Task<Result<SessionInfo>> SessionMethods::get(Call, SessionRef params) {
  auto session = co_await sessions_.open(std::move(params.session));
  if (!session) co_return session.error();
  co_return (*session)->view().info;
}

Task<Result<SessionInfo>> SessionMethods::rename(Call, SessionRename params) {
  auto session = co_await sessions_.open(std::move(params.session));
  if (!session) co_return session.error();
  std::vector<EventData> events;
  events.emplace_back(SessionRenamed{std::move(params.title)});
  auto recorded = co_await (*session)->record_durably(std::move(events));
  if (!recorded) co_return recorded.error();
  co_return (*session)->view().info;
}

Task<Result<SessionPurged>> SessionMethods::remove(Call, SessionRef params) {
  auto purged = co_await sessions_.purge(std::move(params.session));
  if (!purged) co_return purged.error();
  co_return SessionPurged{store_.set_aside_files()};
}

Task<Result<SessionSubscribed>> SessionMethods::subscribe(Call call, SessionSubscribe params) {
  return sessions_.subscribe(call.client, std::move(params));
}

Task<Result<Nothing>> SessionMethods::unsubscribe(Call call, SessionRef params) {
  auto session = co_await sessions_.open(std::move(params.session));
  if (!session) co_return session.error();
  (*session)->unsubscribe(call.client.client_id());
  co_return Nothing{};
}

Task<Result<SessionSnapshot>> SessionMethods::snapshot(Call, SessionRef params) {
  auto session = co_await sessions_.open(std::move(params.session));
  if (!session) co_return session.error();
  co_return (*session)->view();
}

Task<Result<TurnStarted>> SessionMethods::start_turn(Call, TurnStart params) {
  return sessions_.start_turn(std::move(params));
}

Task<Result<TurnInterrupted>> SessionMethods::interrupt_turn(Call, TurnInterrupt params) {
  return sessions_.interrupt_turn(std::move(params));
}

}  // namespace hearth::session
