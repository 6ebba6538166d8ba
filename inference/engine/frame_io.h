// The child's end of the socketpair: one thread that reads, one that writes, so that neither a slow
// daemon nor a long forward pass holds up the other.
//
// Owned by engine_main; used by the engine thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "inference/engine_messages.h"

namespace hearth::engine {

// Frames from the daemon. When kMaxInboxBytes wait to be taken the thread stops reading, and the
// daemon's writes wait in turn.
class Inbox {
 public:
  explicit Inbox(int fd);
  ~Inbox();  // the socket must be at its end by then (shutdown or closed by the peer)
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  enum class Wait : uint8_t { none, a_moment, as_long_as_it_takes };
  // What has arrived. Waits for a message, the end, or a call of wake().
  std::vector<ToEngine> take(Wait wait);
  void wake();  // any thread
  // The daemon is gone, or sent what is not a frame (error() says so). Nothing more will come.
  bool is_at_end();
  std::string error();

 private:
  void read_frames();
  void end(std::string why);

  const int fd_;
  std::mutex mu_;
  std::condition_variable changed_;
  // guarded by mu_
  std::vector<ToEngine> arrived_;
  size_t n_bytes_ = 0;
  bool is_at_end_ = false, is_woken_ = false;
  std::string error_;

  std::thread thread_;
};

// Frames to the daemon. Beyond kMaxOutboxBytes push() waits for room, at most for kPatience: a
// daemon that reads nothing for that long counts as gone.
class Outbox {
 public:
  explicit Outbox(int fd);
  ~Outbox();  // writes what is left, at most for kPatience
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // False when the daemon is gone: what was pushed is lost.
  bool push(const FromEngine& message);

 private:
  void write_frames();
  bool write_all(const std::string& bytes);

  const int fd_;
  std::mutex mu_;
  std::condition_variable changed_;
  // guarded by mu_
  std::deque<std::string> waiting_;
  size_t n_bytes_ = 0;
  bool is_closing_ = false, is_peer_gone_ = false;

  std::thread thread_;
};

}  // namespace hearth::engine
