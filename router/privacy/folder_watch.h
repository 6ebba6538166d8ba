// Tells whether something below watched folders has changed, at the moment of asking.
//
// The kernel queues an event as part of the change itself, so that what a client wrote before it
// asked is seen. Lives on the loop thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "support/file.h"

namespace hearth::router {

class FolderWatch {
 public:
  FolderWatch();

  // Watches these and no others. True when some are new: what happened in them before is not known.
  bool watch(const std::vector<std::string>& folders);

  // Drains the queue: true when a folder came or went, a file for which `matters(path)`, or when
  // events were lost.
  template <class Matters>
  bool has_changed(Matters matters) {
    bool has = false;
    drain([&](std::string path, bool is_folder) { has = has || is_folder || matters(path); });
    return has;
  }

  // False when the kernel gives no more watches: the answer above is then not to be trusted.
  bool sees_all() const { return sees_all_; }

 private:
  template <class Visit>
  void drain(Visit visit) {
    std::vector<Event> events = read_events();
    for (Event& event : events) visit(std::move(event.path), event.is_folder);
  }
  struct Event {
    std::string path;  // "" with is_folder: anything
    bool is_folder = false;
  };
  std::vector<Event> read_events();

  file::Descriptor inotify_;
  std::unordered_map<int, std::string> folders_;
  std::unordered_map<std::string, int> watches_;
  bool sees_all_ = true;
};

}  // namespace hearth::router
