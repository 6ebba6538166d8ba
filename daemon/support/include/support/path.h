// Where things live: the XDG base directories, so that a test runs beside a user's own daemon.
// Errors name the variable or folder that is wrong and the fix.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/result.h"

namespace hearth::path {

struct Folders {
  std::string config;   // $XDG_CONFIG_HOME/hearth   (~/.config/hearth)
  std::string state;    // $XDG_STATE_HOME/hearth    (~/.local/state/hearth)  token, logs, sessions
  std::string data;     // $XDG_DATA_HOME/hearth     (~/.local/share/hearth)  models
  std::string runtime;  // $XDG_RUNTIME_DIR/hearth; the state folder where that variable is missing
};

// Where an administrator puts a file of that name for all users: hearth/NAME in each folder of
// $XDG_CONFIG_DIRS (/etc/xdg), the most important last.
std::vector<std::string> system_config_files(std::string_view name);

// From the environment; creates nothing. HOME unset and no XDG variable is an error.
Result<Folders> folders();

// Creates a folder (and its parents) with mode 0700; an existing one of ours is tightened to 0700.
// Someone else's folder, or a symlink to one, is Errc::denied.
Result<> make_private_dir(const std::string& path);

// A folder that others may write can hold what someone planted, a socket or a lock: tightening its
// mode would not take that back. Errc::denied then; one that is not there yet is good.
Result<> refuse_shared_dir(const std::string& path);

std::string join(std::string_view folder, std::string_view name);

}  // namespace hearth::path
