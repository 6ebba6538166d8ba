// A thread that does one job after the other beside its owner's thread. What a job leaves to be
// done on the owner's thread is handed back, in order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace hearth::engine {

class Worker {
 public:
  using Finish = std::function<void()>;  // on the owner's thread
  using Job = std::function<Finish()>;   // on the worker's

  // `wake` is called on the worker's thread after each job; take() then has its Finish.
  explicit Worker(std::function<void()> wake);
  // Jobs that have not begun are dropped; one that has is waited for.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void post(Job job);
  std::vector<Finish> take();
  // Posted and not yet taken.
  size_t n_out() const { return n_out_; }

 private:
  void work();

  const std::function<void()> wake_;
  size_t n_out_ = 0;  // the owner's
  std::mutex mu_;
  std::condition_variable changed_;
  // guarded by mu_
  std::deque<Job> waiting_;
  std::vector<Finish> finished_;
  bool is_closing_ = false;

  std::thread thread_;
};

}  // namespace hearth::engine
