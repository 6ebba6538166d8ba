// Owns tasks: every coroutine that nobody awaits directly is spawned here, with a name.
//
// Lives on one executor (the loop thread). cancel() asks all tasks to stop and refuses new ones;
// join() waits until none is left. The owner joins before it dies; the destructor asserts it did.
// An exception that leaves a task is logged with the task's name and ends only that task.
#pragma once

#include <list>
#include <string>
#include <string_view>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include "support/task.h"

namespace hearth {

class TaskGroup {
 public:
  explicit TaskGroup(net::any_io_executor executor);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // False once closing: the task is dropped unstarted.
  bool spawn(std::string name, Task<> task);

  // Polite: total cancellation. Terminal: for after the deadline.
  void cancel(net::cancellation_type type = net::cancellation_type::terminal);
  // Asks the tasks of that name to stop; the group stays open.
  void cancel_named(std::string_view name);
  Task<> join();

  size_t size() const { return children_.size(); }
  net::any_io_executor executor() const { return executor_; }

 private:
  struct Child {
    std::string name;
    net::cancellation_signal signal;
  };

  net::any_io_executor executor_;
  net::steady_timer empty_;  // never expires; cancelled when the last child ends
  std::list<Child> children_;
  bool closing_ = false;
};

}  // namespace hearth
