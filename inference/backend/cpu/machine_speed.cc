#include "backend/cpu/machine_speed.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "backend/cpu/kernels.h"

namespace hearth::cpu {
namespace {

// The fastest of many calls: what the machine does when nobody disturbs it.
template <class Call>
double seconds_of(const Call& call) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(150);
  double best = 1e9;
  while (Clock::now() < end) {
    const auto from = Clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - from).count());
  }
  return best;
}

double read_speed(ThreadPool& pool) {
  constexpr uint32_t kPieces = 64;
  // In numbers: what is added up at once, a cache line, and how far ahead it is fetched.
  constexpr size_t kStep = 128, kLine = 8, kAhead = 512;
  const std::vector<uint64_t> memory(size_t{1} << 25, 1);
  std::vector<uint64_t> sums(kPieces);
  const double seconds = seconds_of([&] {
    pool.run(kPieces, [&](uint32_t i) {
      const size_t n = memory.size() / kPieces;
      const uint64_t* from = memory.data() + i * n;
      for (size_t j = 0; j < n; j += kStep) {
        for (size_t line = 0; line < kStep; line += kLine)
          __builtin_prefetch(from + j + kAhead + line);
        sums[i] = std::accumulate(from + j, from + j + kStep, sums[i]);
      }
    });
  });
  return static_cast<double>(memory.size() * sizeof(uint64_t)) / seconds;
}

double chain_speed(ThreadPool& pool, uint64_t (*chain)(uint64_t)) {
  constexpr uint64_t kRounds = 20'000;
  std::vector<uint64_t> n_products(pool.size());
  const double seconds = seconds_of(
      [&] { pool.run(pool.size(), [&](uint32_t i) { n_products[i] = chain(kRounds); }); });
  const auto all = std::accumulate(n_products.begin(), n_products.end(), uint64_t{0});
  return 2 * static_cast<double>(all) / seconds;
}

}  // namespace

MachineSpeed measure_speed(const Machine& machine) {
  const Kernels& kernels = kernels_of(machine.path);
  return {.read_bytes_per_s = read_speed(machine.pool),
          .int8_ops_per_s = chain_speed(machine.pool, kernels.int8_chain),
          .f32_ops_per_s = chain_speed(machine.pool, kernels.f32_chain)};
}

}  // namespace hearth::cpu
