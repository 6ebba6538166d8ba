// Runs tasks to their end on a loop that the test owns, one step at a time.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <type_traits>

#include "support/task.h"

namespace hearth::test {

class Loop {
 public:
  net::any_io_executor executor() { return io_.get_executor(); }

  // Returns as soon as the task has ended; other tasks may still be suspended.
  template <class T>
  T run(Task<T> task) {
    if constexpr (std::is_void_v<T>) {
      bool has_ended = false;
      Task<> outer = mark(std::move(task), has_ended);
      net::co_spawn(io_, std::move(outer), rethrow);
      run_until([&has_ended] { return has_ended; });
    } else {
      std::optional<T> value;
      Task<> outer = keep<T>(std::move(task), value);
      net::co_spawn(io_, std::move(outer), rethrow);
      run_until([&value] { return value.has_value(); });
      return std::move(*value);
    }
  }

  // Starts a task whose value nobody needs. It must end before what it refers to.
  template <class T>
  void start(Task<T> task) {
    Task<> outer = drop<T>(std::move(task));
    net::co_spawn(io_, std::move(outer), rethrow);
  }

  void run_until(auto&& condition) {
    while (!condition()) {
      if (io_.stopped()) io_.restart();
      io_.run_one();
    }
  }
  // Whatever can run without waiting.
  void poll() {
    if (io_.stopped()) io_.restart();
    io_.poll();
  }

 private:
  static void rethrow(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  }
  template <class T>
  static Task<> keep(Task<T> task, std::optional<T>& value) {
    value = co_await std::move(task);
  }
  static Task<> mark(Task<> task, bool& has_ended) {
    co_await std::move(task);
    has_ended = true;
  }
  template <class T>
  static Task<> drop(Task<T> task) {
    (void)co_await std::move(task);
  }

  net::io_context io_;
};

}  // namespace hearth::test
