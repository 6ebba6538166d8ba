// How work is handed out.
//
// Problem: a decode step makes hundreds of run() calls of 10-100 us each, so a call must cost about
// a microsecond; and a worker that wakes late must neither delay the call nor touch the next one.
//
// Idea: one 64-bit word, the ticket, holds the call's number and how many pieces are left. Claiming
// a piece is a compare-exchange that decrements it; success proves that the call is still running
// (its caller waits for that very piece), so fn_ and n_ may be read afterwards. A late worker finds
// zero left, or the next call's pieces, and both are fine. The caller waits for pieces, not
// workers.
//
// Cost: measured by tests/bench/cpu_ops_bench.
#include "backend/cpu/thread_pool.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hearth::cpu {
namespace {

// Longer than the serial gaps between two calls of a forward pass, shorter than anyone notices.
constexpr auto kSpin = std::chrono::microseconds(50);

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Whether `ready` came true within kSpin.
template <class Ready>
bool spin_until(const Ready& ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; i++) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return ready();
}

constexpr uint64_t kLeftMask = 0xffffffff;
constexpr uint64_t kOneCall = uint64_t{1} << 32;

}  // namespace

struct ThreadPool::State {
  // Written by run() before the ticket is published, constant while pieces are left.
  const std::function<void(uint32_t)>* fn = nullptr;
  uint32_t n = 0;

  alignas(64) std::atomic<uint64_t> ticket{0};  // call number << 32 | pieces left to claim
  alignas(64) std::atomic<uint32_t> n_done{0};  // of the current call
  alignas(64) std::atomic<uint32_t> calls{0};   // what sleeping workers wait on
  std::atomic<bool> stopping{false};
  std::vector<std::jthread> workers;

  // Computes pieces until none is left to claim.
  void take_part() {
    uint64_t seen = ticket.load(std::memory_order_acquire);
    while ((seen & kLeftMask) != 0) {
      if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel)) continue;
      const uint32_t n_pieces = n;
      (*fn)(n_pieces - static_cast<uint32_t>(seen & kLeftMask));
      if (n_done.fetch_add(1, std::memory_order_acq_rel) + 1 == n_pieces) n_done.notify_one();
      seen = ticket.load(std::memory_order_acquire);
    }
  }

  void work() {
    uint32_t seen = 0;
    while (true) {
      if (!spin_until([&] { return calls.load(std::memory_order_acquire) != seen; })) {
        calls.wait(seen, std::memory_order_acquire);
      }
      seen = calls.load(std::memory_order_acquire);
      if (stopping.load(std::memory_order_acquire)) return;
      take_part();
    }
  }
};

ThreadPool::ThreadPool(uint32_t n_threads) : state_(std::make_unique<State>()) {
  if (n_threads == 0) n_threads = usable_cores();
  for (uint32_t i = 1; i < n_threads; i++) {
    state_->workers.emplace_back([state = state_.get()] { state->work(); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stopping.store(true, std::memory_order_release);
  state_->calls.fetch_add(1, std::memory_order_acq_rel);
  state_->calls.notify_all();
  state_->workers.clear();  // joins
}

uint32_t ThreadPool::size() const { return static_cast<uint32_t>(state_->workers.size()) + 1; }

void ThreadPool::run(uint32_t n, const std::function<void(uint32_t)>& fn) {
  State& s = *state_;
  if (n <= 1 || s.workers.empty()) {
    for (uint32_t i = 0; i < n; i++) fn(i);
    return;
  }
  s.fn = &fn;
  s.n = n;
  s.n_done.store(0, std::memory_order_relaxed);
  const uint64_t call = (s.ticket.load(std::memory_order_relaxed) & ~kLeftMask) + kOneCall;
  s.ticket.store(call | n, std::memory_order_release);
  s.calls.fetch_add(1, std::memory_order_acq_rel);
  s.calls.notify_all();

  s.take_part();
  const auto all_done = [&] { return s.n_done.load(std::memory_order_acquire) == n; };
  while (!spin_until(all_done)) {
    const uint32_t done = s.n_done.load(std::memory_order_acquire);
    if (done != n) s.n_done.wait(done, std::memory_order_acquire);
  }
}

}  // namespace hearth::cpu
