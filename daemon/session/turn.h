// One turn: the user's message is on disk; ask, stream, record how it ended.
//
// Lives on the loop thread, inside the task that runs it. Its Session outlives it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "router/router.h"
#include "session/session.h"
#include "support/task.h"

namespace hearth::session {

class Turn {
 public:
  Turn(net::any_io_executor loop, Session& session, std::string id);

  // Streams into the session and ends with it idle, however that comes about: done, interrupt(),
  // cancellation of the task, an error.
  Task<> run(router::Completer& completer, router::RouteRequest request);
  // The same end for a turn that could not be run at all.
  void abandon();

  void interrupt();
  const std::string& id() const { return id_; }

 private:
  void on_delta(const StreamDelta& delta);
  void end(Answer outcome);
  void record_message(Message message, std::string finish);

  Session& session_;
  const std::string id_;
  std::string message_id_;  // of the answer; empty until its first piece
  Message partial_;         // the deltas folded, with their tokens
  std::set<uint32_t> begun_tools_;
  std::string target_, model_;
  std::vector<std::string> labels_;  // of the request: the answer inherits them
  bool is_interrupted_ = false;
  net::steady_timer interrupt_;  // expires when the turn is to stop
};

}  // namespace hearth::session
