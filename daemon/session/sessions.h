// All sessions: those in memory, and the way to the others in the store.
//
// Lives on the loop thread. Encloses its Sessions and their turns; the Store outlives it. stop()
// asks running turns to end, join() waits for them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "router/router.h"
#include "session/session.h"
#include "session/turn.h"
#include "support/task_group.h"

namespace hearth::session {

class Sessions {
 public:
  // What a client means by the name of a model, an error when nobody knows it. Absent: itself.
  using FindModel = std::function<Result<std::string>(const std::string& name)>;

  Sessions(net::any_io_executor loop, Store& store, router::Completer& completer,
           FindModel find_model = {});
  ~Sessions();

  // Ends the turns that an earlier process left running. Before anything else.
  Task<Result<>> recover();

  Task<Result<std::shared_ptr<Session>>> create(protocol::SessionCreate request);
  // From memory or from the log; not_found, or corrupt for a damaged one.
  Task<Result<std::shared_ptr<Session>>> open(std::string id);
  Task<Result<protocol::SessionSubscribed>> subscribe(EventSink& client,
                                                      protocol::SessionSubscribe request);
  // Interrupts its turn, removes every byte, tells who watches.
  Task<Result<>> purge(std::string id);

  // The reply comes when the user's message is on disk; the turn runs on. busy while one runs.
  // What no model could carry out is invalid, and then nothing is logged.
  Task<Result<protocol::TurnStarted>> start_turn(protocol::TurnStart request);
  Task<Result<protocol::TurnInterrupted>> interrupt_turn(protocol::TurnInterrupt request);

  void forget_client(uint64_t client_id);  // before its sink dies

  void refuse_turns();  // new ones, from now on
  void stop();          // interrupts those that run
  Task<> join();

 private:
  struct Entry {
    std::shared_ptr<Session> session;
    std::unique_ptr<Turn> turn;  // from before its message is on disk until it ended
    bool is_starting = false;    // its message is on the way there
    bool is_leaving = false;     // being purged
  };

  Entry* find(std::string_view id);
  Task<Result<protocol::TurnStarted>> begin(Entry& entry, protocol::TurnStart request);
  Task<> run_turn(std::shared_ptr<Session> session, router::RouteRequest request);
  Task<> changed();
  void evict();

  net::any_io_executor loop_;
  Store& store_;
  router::Completer& completer_;
  const FindModel find_model_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::set<std::string> purged_;  // by this process: a load that was under way must not revive them
  bool refuses_turns_ = false;
  TaskGroup turns_;
  net::steady_timer change_;  // never expires; cancelled when a turn began or ended
};

}  // namespace hearth::session
