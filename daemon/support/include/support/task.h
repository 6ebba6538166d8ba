// Coroutine vocabulary. An async function returns Task<Result<T>> or Task<T>; parameters by value.
// Name arguments on the line above a co_await: g++ 12.2 double-destroys aggregate and closure
// temporaries inside such an expression.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hearth {

namespace net = boost::asio;

template <class T = void>
using Task = net::awaitable<T>;

// Expected outcomes (closed, eof, timeout) come back as values: auto [error, n] = co_await ...
inline constexpr auto as_result = net::as_tuple(net::use_awaitable);

}  // namespace hearth
