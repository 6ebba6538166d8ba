// The two subcommands that run inference in their own process, and what others ask about memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

// `hearth engine --socket FD --snapshot FD`: serves frames (engine_messages.h) until the socket
// closes or the last model unloads. Started by the daemon only; dies with its parent.
int engine_main(std::span<const std::string> arguments);

// `hearth dev logits|tokenize|detokenize|template|inspect ...`: for people who work on models.
// Needs no daemon. Returns the exit status; errors go to stderr.
int dev_main(std::span<const std::string> arguments);
std::vector<std::string_view> dev_commands();  // their names

// What all models together may take here when no setting says so: the machine's memory or the
// cgroup's limit, less a margin.
uint64_t model_memory_bytes();

}  // namespace hearth::engine
