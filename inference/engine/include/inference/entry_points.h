// The subcommands that run inference in their own process, and what others ask about memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/result.h"

namespace hearth::engine {

// `hearth engine --socket FD --snapshot FD`: serves frames (engine_messages.h) until the socket
// closes or the last model unloads. Started by the daemon only; dies with its parent.
int engine_main(std::span<const std::string> arguments);

// `hearth dev NAME`: for people who work on models. They need no daemon; data that is no file comes
// from standard input and goes to standard output. `tokens`: "1,2,3".
Result<> dev_logits(const std::string& model, const std::string& tokens, const std::string& out,
                    bool exact);
Result<> dev_embed(const std::string& model, const std::string& tokens);
Result<> dev_tokenize(const std::string& model, bool special);
Result<> dev_detokenize(const std::string& model);
Result<> dev_template(const std::string& file);
Result<> dev_inspect(const std::string& model, bool json);
Result<> dev_synth(const std::string& shape, const std::string& type, const std::string& out);
std::string synthetic_shapes();  // those of dev_synth()

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

// What this machine reads and multiplies at best, measured in half a second.
struct MachineSpeed {
  double read_bytes_per_s = 0, int8_ops_per_s = 0;
  uint32_t n_threads = 0;
  std::string path;  // of the processor: "avx2"
};
MachineSpeed machine_speed();

// What all models together may take here when no setting says so: the machine's memory or the
// cgroup's limit, less a margin.
uint64_t model_memory_bytes();

// How models are computed here: "amx", "avx512", "avxvnni", "avx2", or "scalar", which is slow.
std::string processor_path();

}  // namespace hearth::engine
