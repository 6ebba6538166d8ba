#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "backend/cpu/machine_speed.h"
#include "engine/bench.h"
#include "inference/entry_points.h"
#include "support/json.h"

namespace hearth::engine {
namespace {

// A row of the machine-readable output; tok_s is the median.
struct Row {
  std::string test;
  uint32_t depth = 0;
  double tok_s = 0, min = 0, max = 0;
  static void fields(auto& self, auto&& field) {
    field("test", self.test);
    field("depth", self.depth);
    field("tok_s", self.tok_s);
    field("min", self.min);
    field("max", self.max);
  }
};

std::vector<SpeedTest> tests_of(const BenchOptions& options) {
  std::vector<SpeedTest> tests;
  for (const uint32_t depth : options.depths) {
    for (const uint32_t n : options.n_prompt)
      if (n > 0) tests.push_back({SpeedTest::Kind::prompt, n, depth});
    for (const uint32_t n : options.n_generated)
      if (n > 0) tests.push_back({SpeedTest::Kind::generation, n, depth});
  }
  return tests;
}

void print_json(const std::vector<SpeedResult>& results) {
  std::vector<Row> rows;
  for (const SpeedResult& result : results)
    rows.push_back({result.test.name(), result.test.depth, result.median(),
                    result.tokens_per_s.front(), result.tokens_per_s.back()});
  fmt::print("{}\n", json::encode(rows));
}

void print_table(const std::vector<SpeedResult>& results, const Backend& backend) {
  cpu::ThreadPool pool(backend.n_threads());
  const cpu::MachineSpeed machine = cpu::measure_speed({pool, cpu::best_path()});
  fmt::print("{}, {} threads: reads {:.1f} GB/s, int8 {:.0f} GOP/s, f32 {:.0f} GOP/s\n",
             backend.name(), backend.n_threads(), machine.read_bytes_per_s / 1e9,
             machine.int8_ops_per_s / 1e9, machine.f32_ops_per_s / 1e9);
  fmt::print("{:<10} {:>6} {:>10}   {:<19} {}\n", "test", "depth", "tok/s", "range",
             "of the machine");
  for (const SpeedResult& result : results) {
    const double seconds = result.test.n_tokens / result.median();
    const double operations = result.work.operations / seconds;
    const double bytes = result.work.read_bytes / seconds;
    const std::string share = result.test.kind == SpeedTest::Kind::prompt
                                  ? fmt::format("{:.0f} GOP/s, {:.0f} % of int8", operations / 1e9,
                                                100 * operations / machine.int8_ops_per_s)
                                  : fmt::format("{:.1f} GB/s, {:.0f} % of read", bytes / 1e9,
                                                100 * bytes / machine.read_bytes_per_s);
    fmt::print("{:<10} {:>6} {:>10.1f}   {:>8.1f} - {:<8.1f} {}\n", result.test.name(),
               result.test.depth, result.median(), result.tokens_per_s.front(),
               result.tokens_per_s.back(), share);
  }
}

}  // namespace

MachineSpeed machine_speed() {
  cpu::ThreadPool pool;
  const cpu::Path path = cpu::best_path();
  // The peak of tiles is no measure: most of a product's time scales their sums.
  const cpu::MachineSpeed speed = cpu::measure_speed({pool, std::min(path, cpu::Path::avx512)});
  return {.read_bytes_per_s = speed.read_bytes_per_s,
          .int8_ops_per_s = speed.int8_ops_per_s,
          .n_threads = pool.size(),
          .path = std::string(cpu::name_of(path))};
}

int bench_main(const BenchOptions& options) {
  const auto fail = [](const Error& error) {
    fmt::print(stderr, "hearth bench engine: {}\n", error.message);
    return 1;
  };
  auto file = gguf::File::open(options.model);
  if (!file) return fail(file.error());
  const std::unique_ptr<Backend> backend = cpu_backend(options.n_threads);
  const auto results = measure(*file, *backend, tests_of(options), options.n_repetitions);
  if (!results) return fail(results.error());
  if (options.json)
    print_json(*results);
  else
    print_table(*results, *backend);
  return 0;
}

}  // namespace hearth::engine
