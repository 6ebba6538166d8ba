// The engine child as the operating system sees it: spawned, signalled, reaped. What is said to it
// is engine_client.cc's business.
//
// Lives on the loop thread (whose end would kill the child).
#pragma once

#include <sys/types.h>

#include <string>

#include "inference/engine_snapshot.h"
#include "support/file.h"
#include "support/result.h"

namespace hearth::engine {

class EngineProcess {
 public:
  // Starts `executable engine --socket 3 --snapshot 4` with nothing else open, no signal blocked
  // and stderr appended to log_path (inherited when empty). One that has grown large becomes
  // log_path.1 first; one that cannot be opened is done without.
  static Result<EngineProcess> spawn(const std::string& executable, const std::string& log_path);

  EngineProcess(EngineProcess&& other) noexcept;
  EngineProcess& operator=(EngineProcess&&) = delete;
  ~EngineProcess();  // kills and reaps what has not been reaped

  int pid() const { return pid_; }
  void kill();
  // How it ended ("signal 9", "status 1"), once pidfd() is readable; waits until then.
  std::string reap();

  file::Descriptor take_socket() { return std::move(socket_); }
  file::Descriptor take_pidfd() { return std::move(pidfd_); }
  const Snapshot& snapshot() const { return *snapshot_; }

 private:
  EngineProcess() = default;

  pid_t pid_ = -1;  // -1: reaped
  file::Descriptor socket_, pidfd_;
  const Snapshot* snapshot_ = nullptr;  // mapped
};

}  // namespace hearth::engine
