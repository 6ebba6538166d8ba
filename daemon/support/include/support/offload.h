// Runs a function on a worker pool and comes back to the caller's executor with its value.
// Inputs and result travel by value; the function touches nothing of the loop thread's.
// If the awaiting task is cancelled the function still runs to its end; its result is dropped.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <utility>

#include "support/task.h"

namespace hearth {

namespace detail {
template <class Function, class T>
Task<T> call(Function function) {
  co_return function();
}
}  // namespace detail

template <class Function, class T = std::invoke_result_t<Function>>
Task<T> run_on(net::thread_pool& workers, Function function) {
  Task<T> task = detail::call<Function, T>(std::move(function));
  co_return co_await net::co_spawn(workers, std::move(task), net::use_awaitable);
}

}  // namespace hearth
