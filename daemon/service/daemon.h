// The running daemon: every service, built in order of dependence, ended in the reverse.
//
// Lives on the loop thread. run() returns when the daemon has been asked to stop and everything has
// been joined.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "config/config.h"
#include "support/path.h"
#include "support/result.h"

namespace hearth {

struct DaemonOptions {
  path::Folders folders;
  ConfigFiles config_files;
  std::optional<uint16_t> port;    // over the config's
  std::function<void()> on_ready;  // listening, discovery file written
};

// Serves until stopped by signal (SIGINT, SIGTERM) or by ops/shutdown. Errc::busy when another
// daemon of the same user runs. SIGHUP reloads the configuration.
Result<> run_daemon(DaemonOptions options);

}  // namespace hearth
