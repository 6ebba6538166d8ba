#include "net/discovery.h"

#include <fmt/format.h>
#include <unistd.h>

#include "net/owned_file.h"
#include "support/file.h"
#include "support/json.h"
#include "support/path.h"

namespace hearth::transport {

std::string discovery_path(const std::string& runtime_folder) {
  return path::join(runtime_folder, "daemon.json");
}

Result<> write_discovery(const std::string& path, const Discovery& daemon) {
  return file::write_atomic(path, json::encode(daemon) + "\n", 0600);
}

Result<Discovery> read_discovery(const std::string& path) {
  auto bytes = read_owned_file(path, 64 << 10);
  if (!bytes) return bytes.error();
  auto daemon = json::decode<Discovery>(*bytes, path);
  if (daemon) return daemon;
  const std::string& what = daemon.error().message;
  return Error{
      Errc::corrupt,
      fmt::format("{}{}; it is damaged, or of another version: end the daemon and start it "
                  "again",
                  what.starts_with(path) ? "" : path + ": ", what)};
}

void remove_discovery(const std::string& path) {
  auto daemon = read_discovery(path);
  if (daemon && daemon->pid == ::getpid()) ::unlink(path.c_str());
}

}  // namespace hearth::transport
