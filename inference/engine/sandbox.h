// What the engine process gives up before it looks at the first hostile byte.
#pragma once

#include "support/result.h"

namespace hearth::engine {

// Closes every descriptor but 0-2 and the two given, ties the process's life to the daemon that
// holds the other end of `socket_fd`, offers it first when memory runs out, forbids core dumps,
// bounds the files that it writes, and filters system calls for good: no new sockets, no other
// programs, no looking into other processes. Call before any thread is started.
Result<> enter_sandbox(int socket_fd, int snapshot_fd);

}  // namespace hearth::engine
