#include "engine/worker.h"

#include <utility>

namespace hearth::engine {

Worker::Worker(std::function<void()> wake) : wake_(std::move(wake)), thread_([this] { work(); }) {}

Worker::~Worker() {
  {
    std::lock_guard lock(mu_);
    is_closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Worker::post(Job job) {
  ++n_out_;
  {
    std::lock_guard lock(mu_);
    waiting_.push_back(std::move(job));
  }
  changed_.notify_all();
}

std::vector<Worker::Finish> Worker::take() {
  std::lock_guard lock(mu_);
  n_out_ -= finished_.size();
  return std::exchange(finished_, {});
}

void Worker::work() {
  std::unique_lock lock(mu_);
  for (;;) {
    changed_.wait(lock, [&] { return !waiting_.empty() || is_closing_; });
    if (is_closing_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Finish finish = job();
    job = nullptr;  // what it holds goes before its owner hears of it
    lock.lock();
    finished_.push_back(std::move(finish));
    lock.unlock();
    wake_();
    lock.lock();
  }
}

}  // namespace hearth::engine
