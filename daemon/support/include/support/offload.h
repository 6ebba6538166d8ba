// Runs a function on a worker pool and comes back to the caller's executor with its value.
// Inputs and result travel by value; the function touches nothing of the loop thread's.
// If the awaiting task is cancelled the function still runs to its end; its result is dropped.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "support/task.h"

namespace hearth {

namespace detail {

// co_spawn makes an empty value beside an exception, so what has none travels in an optional.
template <class T>
using Carried = std::conditional_t<std::is_void_v<T> || std::is_default_constructible_v<T>, T,
                                   std::optional<T>>;

template <class Function, class T>
Task<Carried<T>> call(Function function) {
  co_return function();
}

}  // namespace detail

template <class Function, class T = std::invoke_result_t<Function>>
Task<T> run_on(net::thread_pool& workers, Function function) {
  Task<detail::Carried<T>> task = detail::call<Function, T>(std::move(function));
  if constexpr (std::is_same_v<T, detail::Carried<T>>) {
    co_return co_await net::co_spawn(workers, std::move(task), net::use_awaitable);
  } else {
    auto carried = co_await net::co_spawn(workers, std::move(task), net::use_awaitable);
    co_return std::move(*carried);
  }
}

}  // namespace hearth
