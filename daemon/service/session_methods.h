// The handlers of session/* and turn/*.
//
// Live on the loop thread; Sessions and Store outlive them.
#pragma once

#include "daemon/protocol/session.h"
#include "daemon/protocol/turn.h"
#include "jsonrpc/dispatcher.h"
#include "session/sessions.h"
#include "session/store.h"

namespace hearth::session {

class SessionMethods {
 public:
  SessionMethods(Sessions& sessions, Store& store) : sessions_(sessions), store_(store) {}

  template <class Reply>
  using Answer = Task<Result<Reply>>;
  using Call = jsonrpc::Call;

  Answer<protocol::SessionInfo> create(Call call, protocol::SessionCreate params);
  Answer<protocol::SessionPage> list(Call call, protocol::SessionList params);
  Answer<protocol::SessionInfo> get(Call call, protocol::SessionRef params);
  Answer<protocol::SessionInfo> rename(Call call, protocol::SessionRename params);
  Answer<protocol::SessionPurged> remove(Call call, protocol::SessionRef params);
  Answer<protocol::SessionSubscribed> subscribe(Call call, protocol::SessionSubscribe params);
  Answer<protocol::Nothing> unsubscribe(Call call, protocol::SessionRef params);
  Answer<protocol::SessionSnapshot> snapshot(Call call, protocol::SessionRef params);

  Answer<protocol::TurnStarted> start_turn(Call call, protocol::TurnStart params);
  Answer<protocol::TurnInterrupted> interrupt_turn(Call call, protocol::TurnInterrupt params);

 private:
  Sessions& sessions_;
  Store& store_;
};

void bind_methods(jsonrpc::Dispatcher& dispatcher, SessionMethods& methods);

}  // namespace hearth::session
