// `hearth logs`: the daemon's log as a file, or its engine's.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "support/file.h"

namespace hearth::cli {

namespace {

struct Options {
  bool follow = false;
  bool of_engine = false;
  uint32_t n_lines = 50;
};

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

int run(const Common& common, const Options& options) {
  std::string path =
      path::join(common.folders.state, options.of_engine ? "engine.log" : "hearth.log");
  auto text = file::read(path, 256u << 20);
  if (!text && text.error().code == Errc::not_found)
    return fail(
        {Errc::not_found,
         fmt::format("{}: there is no log yet; a daemon writes it (hearth serve --detach)", path)});
  if (!text) return fail(text.error());
  size_t begin = options.n_lines == 0 ? text->size() : tail_begin(*text, options.n_lines);
  fmt::print("{}", std::string_view(*text).substr(begin));
  std::fflush(stdout);
  if (!options.follow) return 0;

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

}  // namespace

Command logs() {
  return command("logs", "Show the daemon's log", run, [](Form& form, Options& options) {
    form.flag("-f,--follow", options.follow, "Wait for more");
    form.option("-n,--lines", options.n_lines, "How many lines");
    form.flag("--engine", options.of_engine, "The engine process's log instead");
  });
}

}  // namespace hearth::cli
