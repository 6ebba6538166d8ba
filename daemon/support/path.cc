#include "support/path.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace hearth::path {

namespace {

// An XDG variable must be an absolute path to count (XDG base directory specification 0.8).
std::string base_folder(const char* variable, const std::string& home, std::string_view fallback) {
  const char* value = std::getenv(variable);
  if (value && value[0] == '/') return join(value, "hearth");
  if (home.empty() || fallback.empty()) return {};
  return join(join(home, fallback), "hearth");
}

}  // namespace

std::string join(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

std::vector<std::string> system_config_files(std::string_view name) {
  const char* variable = std::getenv("XDG_CONFIG_DIRS");
  std::string_view left = variable && *variable ? variable : "/etc/xdg";
  std::vector<std::string> files;
  while (!left.empty()) {
    const std::string_view folder = left.substr(0, left.find(':'));
    left.remove_prefix(std::min(folder.size() + 1, left.size()));
    if (folder.starts_with('/')) files.push_back(join(join(folder, "hearth"), name));
  }
  std::ranges::reverse(files);
  return files;
}

Result<Folders> folders() {
  const char* home_variable = std::getenv("HOME");
  std::string home = home_variable && home_variable[0] == '/' ? home_variable : "";
  Folders found;
  found.config = base_folder("XDG_CONFIG_HOME", home, ".config");
  found.state = base_folder("XDG_STATE_HOME", home, ".local/state");
  found.data = base_folder("XDG_DATA_HOME", home, ".local/share");
  found.runtime = base_folder("XDG_RUNTIME_DIR", home, "");
  if (found.runtime.empty()) found.runtime = found.state;
  if (found.config.empty() || found.state.empty() || found.data.empty())
    return Error{Errc::invalid,
                 "HOME is not an absolute path: set HOME, or XDG_CONFIG_HOME, XDG_STATE_HOME and "
                 "XDG_DATA_HOME"};
  return found;
}

Result<> refuse_shared_dir(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || (info.st_mode & 022) == 0)
    return {};
  return Error{Errc::denied,
               fmt::format("{}: mode {:04o} lets others write there, expected 0700; remove the "
                           "folder or point XDG_RUNTIME_DIR elsewhere",
                           path, info.st_mode & 07777)};
}

Result<> make_private_dir(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return Error{Errc::io, fmt::format("{}: cannot create folder: {}", part, strerror(errno))};
    if (slash == std::string::npos) break;
  }
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0)
    return Error{Errc::io, fmt::format("{}: {}", path, strerror(errno))};
  if (!S_ISDIR(info.st_mode))
    return Error{Errc::denied, fmt::format("{}: expected a folder, found something else", path)};
  if (info.st_uid != ::geteuid())
    return Error{Errc::denied,
                 fmt::format("{}: belongs to uid {}, expected {}", path, info.st_uid, ::geteuid())};
  if ((info.st_mode & 077) != 0 && ::chmod(path.c_str(), 0700) != 0)
    return Error{Errc::io, fmt::format("{}: cannot set mode 0700: {}", path, strerror(errno))};
  return {};
}

}  // namespace hearth::path
