// The two subcommands that run inference in their own process.
#pragma once

#include <span>
#include <string>

namespace hearth::engine {

// `hearth engine --socket FD --snapshot FD`: serves frames (engine_messages.h) until the socket
// closes or the last model unloads. Started by the daemon only; dies with its parent.
int engine_main(std::span<const std::string> arguments);

// `hearth dev logits|tokenize|detokenize|template|inspect ...`: for people who work on models.
// Needs no daemon. Returns the exit status; errors go to stderr.
int dev_main(std::span<const std::string> arguments);

}  // namespace hearth::engine
