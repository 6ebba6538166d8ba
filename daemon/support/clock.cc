#include "support/clock.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

namespace hearth {

namespace {

class MachineClock : public Clock {
 public:
  Time now() const override { return std::chrono::steady_clock::now(); }
  Date date() const override { return std::chrono::system_clock::now(); }
  Task<> wait_until(Time when) override {
    net::any_io_executor executor = co_await net::this_coro::executor;
    net::steady_timer timer(executor, when);
    co_await timer.async_wait(net::use_awaitable);
  }
};

}  // namespace

Clock& machine_clock() {
  static MachineClock clock;
  return clock;
}

}  // namespace hearth
