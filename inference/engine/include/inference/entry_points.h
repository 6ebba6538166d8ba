// The two subcommands that run inference in their own process, and what others ask about memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/result.h"

namespace hearth::engine {

// `hearth engine --socket FD --snapshot FD`: serves frames (engine_messages.h) until the socket
// closes or the last model unloads. Started by the daemon only; dies with its parent.
int engine_main(std::span<const std::string> arguments);

// `hearth dev COMMAND ...`: for people who work on models. Needs no daemon. Returns the exit status; errors go to stderr.
int dev_main(std::span<const std::string> arguments);
std::vector<std::string_view> dev_commands();  // their names

// `hearth quantize IN OUT TYPE`: writes a model in another type, with progress on stderr. `out`
// appears when it is complete.
struct QuantizeOptions {
  std::string in, out, type;  // the type in any case: quantize_types()
  uint32_t n_threads = 0;     // 0: all
  bool is_quiet = false;
};
Result<> quantize(const QuantizeOptions& options);
std::string quantize_types();  // "F16, Q8_0, ..."

// `hearth bench engine MODEL`: how fast prompts are read (pp) and tokens generated (tg), for each
// depth: how many tokens lie before. Sizes of 0 are left out.
struct BenchOptions {
  std::string model;  // path
  std::vector<uint32_t> n_prompt{512}, n_generated{128}, depths{0};
  uint32_t n_threads = 0;  // 0: as many as the engine would
  uint32_t n_repetitions = 5;
  bool json = false;  // a list of {"test": "pp512", "depth": 0, "tok_s": ...}
};
int bench_main(const BenchOptions& options);

// What all models together may take here when no setting says so: the machine's memory or the
// cgroup's limit, less a margin.
uint64_t model_memory_bytes();

}  // namespace hearth::engine
