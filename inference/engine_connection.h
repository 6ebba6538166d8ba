// One life of the engine child: the process and the framed conversation with it.
//
// Lives on the loop thread. Held by its EngineClient and by the two tasks that read and write.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "engine_process.h"
#include "inference/engine_messages.h"
#include "support/task.h"

namespace hearth::engine {

class EngineConnection {
 public:
  static Result<std::shared_ptr<EngineConnection>> start(net::any_io_executor executor,
                                                         const std::string& executable,
                                                         const std::string& log_path);
  EngineConnection(net::any_io_executor executor, EngineProcess process);

  // Queues a message. Errc::invalid when it is larger than a frame may be, Errc::busy when the
  // child has not read what was sent before.
  Result<> send(const ToEngine& message);

  using OnEvent = std::function<void(FromEngine&)>;
  // Hands over events until the child ends, and says how it ended. A child that sends what is not
  // an event is killed.
  Task<std::string> read_events(OnEvent on_event);
  // Writes what is queued, until the child ends.
  Task<> write_queued();

  // The child reads the end of the stream, and exits.
  void close();
  void kill() { process_.kill(); }
  void kill(std::string why);  // which is what read_events() returns

  int pid() const { return process_.pid(); }
  SnapshotData snapshot() const { return engine::read(process_.snapshot()); }
  const PrefixIndex& prefixes() const { return process_.snapshot().prefixes; }
  uint64_t beat() const { return process_.snapshot().beat.load(std::memory_order_relaxed); }

 private:
  Task<std::string> read_until_end(OnEvent on_event);
  Task<bool> read_into(std::string& bytes, size_t from);

  EngineProcess process_;
  net::local::stream_protocol::socket socket_;
  net::posix::stream_descriptor exit_;  // the pidfd
  std::deque<std::string> outgoing_;
  size_t n_outgoing_bytes_ = 0;
  net::steady_timer has_outgoing_;  // never expires; cancelled to wake the writer
  std::string killed_because_;
  bool is_ended_ = false;
};

}  // namespace hearth::engine
