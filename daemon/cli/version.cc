// `hearth --version`.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "daemon/commit.h"
#include "daemon/version.h"

namespace hearth::cli {

// With a word about the daemon when it is another one.
std::string version_text(const Common& common) {
  std::string text = fmt::format(
      "hearth {}\ncommit: {}\nbackends: cpu (scalar, avx2, avxvnni, avx512, amx, chosen at "
      "run time)\nbuild: {}",
      HEARTH_VERSION, kCommit, kBuild);
  auto daemon = find_daemon(common.folders);
  std::string note = daemon ? version_note(*daemon) : "";
  return note.empty() ? text : text + "\nnote: " + note;
}

}  // namespace hearth::cli
