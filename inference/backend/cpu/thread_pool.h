// A fixed pool for data-parallel work. The calling thread is worker 0 and takes part.
//
// Size: physical cores allowed by affinity, capped by the cgroup's CPU quota, unless given.
// run() may be called by one thread at a time (the engine thread). Workers spin briefly between
// calls, then sleep: an idle engine wakes nobody.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace hearth::cpu {

// Physical cores this process may use: sched affinity, SMT siblings counted once, cgroup v2 cpu.max
// (and v1 quota). At least 1.
uint32_t usable_cores();

// Bytes of memory this process may use: cgroup limits or the machine's RAM, whichever is smaller.
uint64_t usable_memory_bytes();

class ThreadPool {
 public:
  explicit ThreadPool(uint32_t n_threads = 0);  // 0: usable_cores()
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t size() const;

  // Calls fn(i) for every i < n, spread over the workers in any order; returns when all are done.
  // What fn(i) computes must not depend on which worker runs it.
  void run(uint32_t n, const std::function<void(uint32_t)>& fn);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::cpu
