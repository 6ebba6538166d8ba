// Lines at the beginning of a prompt that change with every request (a client's billing header, the
// time): each would have the whole prompt read anew. Where the settings of a model name them, they
// are moved to its end, and the answer says so.
//
// Pure, any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "inference/completion.h"

namespace hearth::engine {

// Moves the lines of system text that begin with one of `beginnings` behind the newest message of a
// user or a tool, and returns them. Nothing is moved where there is no such message.
std::vector<std::string> move_volatile_lines(CompletionRequest& request,
                                             std::span<const std::string> beginnings);

}  // namespace hearth::engine
