// Speed of the CPU operations: cpu_ops_bench [threads] [path].
//
// Decode-shaped products (one token) are bound by memory: GB/s of weights, next to a plain read
// of memory. Prefill-shaped ones (128 tokens) by instructions: GFLOP/s, two per weight and
// token.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

#include "backend/cpu/machine_speed.h"
#include "backend/cpu/ops.h"
#include "gguf/types.h"

namespace hearth::cpu {
namespace {

using gguf::Type;

constexpr size_t kCols = 1536;
constexpr size_t kDecodeRows = 65536;  // far more than any cache holds
constexpr size_t kPrefillRows = 576;
constexpr size_t kPrefillTokens = 128;

// Seconds of the fastest of many calls: what the machine does when nothing else disturbs it.
double seconds_of(const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kBudget = std::chrono::milliseconds(400);
  const auto start = Clock::now();
  double best = 1e9;
  for (int i = 0; i < 5 || Clock::now() - start < kBudget; i++) {
    const auto from = Clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - from).count());
  }
  return best;
}

// Small random quants with finite scales: 0x2c2c is 0.065 as f16 and tiny as bf16.
std::vector<std::byte> weights_of(Type type, size_t rows) {
  std::vector<std::byte> bytes(gguf::row_bytes(type, kCols) * rows);
  std::fill(bytes.begin(), bytes.end(), std::byte{0x2c});
  return bytes;
}

void bench_pool(const Machine& machine) {
  constexpr int kCalls = 1000;
  const uint32_t n = machine.pool.size() * 4;
  const double seconds = seconds_of([&] {
    for (int i = 0; i < kCalls; i++) machine.pool.run(n, [](uint32_t) {});
  });
  fmt::print("pool: {:.2f} us for a call of {} empty pieces\n", seconds / kCalls * 1e6, n);
}

void bench_matmul(const Machine& machine, Type type) {
  const std::vector<std::byte> rows = weights_of(type, kDecodeRows);
  const std::vector<float> x(kCols * kPrefillTokens, 0.5f);
  std::vector<float> y(std::max(kDecodeRows, kPrefillRows * kPrefillTokens));
  Matrix w{.type = type, .cols = kCols, .rows = kDecodeRows, .data = rows.data()};
  const uint32_t strip_rows = strip_rows_of(machine.path, type);
  std::vector<std::byte> strips;
  double packing = 0;
  if (strip_rows > 1) {
    Matrix packed = w;
    packed.strip_rows = strip_rows;
    strips.resize(bytes_of(packed));
    packing = seconds_of([&] { pack(w, strip_rows, strips.data()); });
    w.data = strips.data();
  }
  w.strip_rows = strip_rows;
  const double decode = seconds_of([&] { matmul(machine, w, x.data(), 1, y.data(), w.rows); });
  const double bytes = static_cast<double>(rows.size());
  w.rows = kPrefillRows;
  const double prefill =
      seconds_of([&] { matmul(machine, w, x.data(), kPrefillTokens, y.data(), w.rows); });
  const double operations = 2.0 * kCols * kPrefillRows * kPrefillTokens;
  const double few = seconds_of([&] { matmul(machine, w, x.data(), 4, y.data(), w.rows); });
  fmt::print(
      "{:5} decode {:6.1f} GB/s {:7.1f} GFLOP/s   4 tokens {:7.1f}   128 tokens {:7.1f} GFLOP/s "
      "  pack {:4.1f} GB/s\n",
      gguf::name_of(type), bytes / decode / 1e9, 2.0 * kCols * kDecodeRows / decode / 1e9,
      operations / 32 / few / 1e9, operations / prefill / 1e9,
      packing > 0 ? bytes / packing / 1e9 : 0);
}

// One layer's attention of a prompt's last 64 tokens, and of one token, at the given length.
void bench_attention(const Machine& machine, KvElement element, std::string_view name,
                     uint32_t length) {
  const AttentionShape shape{
      .n_heads = 9, .n_kv_heads = 3, .k_dim = 64, .v_dim = 64, .scale = 0.125f, .element = element};
  const size_t width = shape.n_heads * shape.k_dim;
  const size_t kv_width = shape.n_kv_heads * shape.k_dim;
  const size_t page_bytes = kv_layer_bytes({shape.n_kv_heads, shape.k_dim, shape.v_dim}, element);
  std::vector<std::byte> memory(length / kPageTokens * page_bytes);
  std::vector<std::byte*> pages;
  for (size_t i = 0; i < length / kPageTokens; i++) pages.push_back(memory.data() + i * page_bytes);
  std::vector<AttentionRow> rows;
  for (uint32_t p = 0; p < length; p++) rows.push_back({p, pages});
  const std::vector<float> kv(length * kv_width, 0.1f), q(64 * width, 0.1f);
  const double store = seconds_of([&] { kv_store(machine, shape, rows, kv.data(), kv.data()); });
  std::vector<float> out(64 * width);
  const std::span<const AttentionRow> last(rows.data() + length - 64, 64);
  const auto attend = [&](std::span<const AttentionRow> some) {
    return seconds_of([&] { attention(machine, shape, some, q.data(), width, out.data(), width); });
  };
  const double many = attend(last), one = attend(last.last(1));
  const double operations = 4.0 * static_cast<double>(width) * length;
  fmt::print(
      "attention {:4} {:5} tokens: decode {:7.1f} us ({:5.1f} GFLOP/s)   64 rows {:6.1f} GFLOP/s   "
      "store {:.2f} us/token\n",
      name, length, one * 1e6, operations / one / 1e9, operations * 64 / many / 1e9,
      store / length * 1e6);
}

void bench_small(const Machine& machine) {
  constexpr size_t kWidth = 576, kHidden = 1536, kTokens = 128;
  std::vector<float> x(kTokens * kHidden, 0.5f), y(x.size(), 0.25f), w(kWidth, 1);
  const auto per_token = [&](std::string_view name, const std::function<void()>& call) {
    fmt::print("{}: {:.2f} us a token of 128\n", name, seconds_of(call) / kTokens * 1e6);
  };
  per_token("rms_norm 576", [&] {
    normalize(machine, NormKind::rms, x.data(), w.data(), nullptr, 1e-5f, kWidth, kTokens,
              y.data());
  });
  per_token("silu_mul 1536", [&] {
    activate(machine, Activation::silu, x.data(), y.data(), kTokens * kHidden, x.data());
  });
  const std::vector<float> cos_sin(kTokens * 64, 0.7f);
  per_token("rope 9 x 64", [&] {
    rope(machine, RopeKind::norm, x.data(), kWidth, 9, 64, 64, cos_sin.data(), kTokens);
  });
}

int run(int argc, char** argv) {
  ThreadPool pool(argc > 1 ? static_cast<uint32_t>(std::atoi(argv[1])) : 0);
  Path path = best_path();
  for (Path p : {Path::scalar, Path::avx2, Path::avxvnni, Path::avx512, Path::amx}) {
    if (argc > 2 && name_of(p) == argv[2] && is_usable(p)) path = p;
  }
  const Machine machine{pool, path};
  fmt::print("{} threads, {}\n", pool.size(), name_of(path));
  const MachineSpeed speed = measure_speed(machine);
  fmt::print("plain read {:.1f} GB/s, int8 {:.0f} GOP/s, f32 {:.0f} GFLOP/s\n",
             speed.read_bytes_per_s / 1e9, speed.int8_ops_per_s / 1e9, speed.f32_ops_per_s / 1e9);
  bench_pool(machine);
  for (Type type : {Type::q4_0, Type::q4_1, Type::q5_0, Type::q5_1, Type::q8_0, Type::q4_k,
                    Type::q5_k, Type::q6_k, Type::mxfp4, Type::bf16, Type::f16, Type::f32}) {
    bench_matmul(machine, type);
  }
  bench_small(machine);
  for (uint32_t length : {512u, 4096u}) {
    bench_attention(machine, KvElement::f32, "f32", length);
    bench_attention(machine, KvElement::i16, "i16", length);
    bench_attention(machine, KvElement::i8, "i8", length);
  }
  return 0;
}

}  // namespace
}  // namespace hearth::cpu

int main(int argc, char** argv) { return hearth::cpu::run(argc, argv); }
