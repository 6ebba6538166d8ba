#include "privacy/folder_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>
#include <unordered_set>

namespace hearth::router {

FolderWatch::FolderWatch() : inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  sees_all_ = bool(inotify_);
}

bool FolderWatch::watch(const std::vector<std::string>& folders) {
  if (!inotify_) return false;
  const std::unordered_set<std::string> wanted(folders.begin(), folders.end());
  for (auto at = watches_.begin(); at != watches_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    ::inotify_rm_watch(inotify_.get(), at->second);
    folders_.erase(at->second);
    at = watches_.erase(at);
  }
  bool has_new = false;
  sees_all_ = true;
  for (const std::string& folder : wanted) {
    if (watches_.contains(folder)) continue;
    constexpr uint32_t kChanges = IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                                  IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
    const int watch = ::inotify_add_watch(inotify_.get(), folder.c_str(), kChanges | IN_ONLYDIR);
    if (watch < 0) {
      sees_all_ = false;
      continue;
    }
    folders_[watch] = folder;
    watches_[folder] = watch;
    has_new = true;
  }
  return has_new;
}

std::vector<FolderWatch::Event> FolderWatch::read_events() {
  std::vector<Event> events;
  alignas(inotify_event) char buffer[16 << 10];
  for (;;) {
    const ssize_t n = inotify_ ? ::read(inotify_.get(), buffer, sizeof buffer) : -1;
    if (n <= 0) return events;
    for (ssize_t at = 0; at < n;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof event);
      const char* name = event.len ? buffer + at + sizeof event : "";
      at += static_cast<ssize_t>(sizeof event + event.len);
      const auto folder = folders_.find(event.wd);
      const bool is_gone = event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED);
      if (event.mask & IN_IGNORED && folder != folders_.end()) {
        watches_.erase(folder->second);
        folders_.erase(folder);
        events.push_back({"", true});
        continue;
      }
      if (folder == folders_.end() && !(event.mask & IN_Q_OVERFLOW)) continue;
      const bool is_folder = event.mask & (IN_ISDIR | IN_Q_OVERFLOW) || is_gone;
      events.push_back({folder == folders_.end() ? "" : folder->second + "/" + name, is_folder});
    }
  }
}

}  // namespace hearth::router
