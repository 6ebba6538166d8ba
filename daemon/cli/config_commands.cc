// `hearth config check`, `logs`: the configuration and the log as files.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "support/file.h"
#include "support/json.h"

namespace hearth::cli {

int config_check(const Common& common) {
  auto config = load_config(common.config_files);
  if (!config) return fail(config.error());
  if (config->path.empty())
    fmt::print(stderr, "{} does not exist: the defaults are in force\n",
               common.config_files.back());
  else
    fmt::print(stderr, "{} is good\n", config->path);
  fmt::print("{}", to_toml(*config));
  return 0;
}

namespace {

// From the start of the last n lines.
size_t tail_begin(const std::string& text, uint32_t n_lines) {
  size_t at = text.size();
  if (at > 0 && text[at - 1] == '\n') --at;
  for (uint32_t i = 0; i < n_lines; ++i) {
    size_t before = at == 0 ? text.npos : text.rfind('\n', at - 1);
    if (before == text.npos) return 0;
    at = before;
  }
  return at + 1;
}

}  // namespace

int logs(const Common& common, bool follow, uint32_t n_lines) {
  std::string path = path::join(common.folders.state, "hearth.log");
  auto text = file::read(path, 256u << 20);
  if (!text && text.error().code == Errc::not_found)
    return fail(
        {Errc::not_found,
         fmt::format("{}: there is no log yet; a daemon writes it (hearth serve --detach)", path)});
  if (!text) return fail(text.error());
  size_t begin = n_lines == 0 ? text->size() : tail_begin(*text, n_lines);
  fmt::print("{}", std::string_view(*text).substr(begin));
  std::fflush(stdout);
  if (!follow) return 0;

  size_t n_seen = text->size();
  file::Descriptor watch(::inotify_init1(IN_CLOEXEC));
  // The folder, not the file: a rotated log is a new file of the same name.
  if (::inotify_add_watch(watch.get(), common.folders.state.c_str(),
                          IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
    return fail(file::io_error("watch", common.folders.state, errno));
  for (;;) {
    char events[4096];
    if (::read(watch.get(), events, sizeof events) < 0 && errno != EINTR) return kFailed;
    text = file::read(path, 256u << 20);
    if (!text) continue;
    if (text->size() < n_seen) n_seen = 0;
    fmt::print("{}", std::string_view(*text).substr(n_seen));
    std::fflush(stdout);
    n_seen = text->size();
  }
}

}  // namespace hearth::cli
