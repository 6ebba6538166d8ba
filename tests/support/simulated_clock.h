// A clock that stands still until everything that can run has run, and then jumps to the next
// moment that somebody waits for. Hours pass in microseconds, and the same seed gives the same run.
//
//   net::io_context io;
//   SimulatedClock clock(io);
//   net::co_spawn(io, something(clock), ...);
//   clock.run();                                  // until nothing is left to do
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>

#include "support/clock.h"

namespace hearth::testing {

class SimulatedClock : public Clock {
 public:
  explicit SimulatedClock(net::io_context& io) : io_(io) {}

  Time now() const override { return now_; }
  Date date() const override { return date_ + (now_ - Time{}); }

  Task<> wait_until(Time when) override {
    net::steady_timer woken(io_, net::steady_timer::time_point::max());
    Waiter waiter(waiters_, when, woken);
    while (now_ < when) (void)co_await woken.async_wait(as_result);
  }

  void run() {
    for (;;) {
      io_.restart();
      io_.poll();
      if (waiters_.empty()) return;
      jump(std::max(now_, waiters_.begin()->first));
    }
  }
  // As after a suspension: whoever waited for a moment in between wakes late.
  void jump(Time when) {
    now_ = std::max(now_, when);
    for (auto& [due, timer] : waiters_)
      if (due <= now_) timer->cancel();
  }
  // Somebody set the machine's date.
  void set_date_back(std::chrono::hours by) { date_ -= by; }

 private:
  using Waiters = std::multimap<Time, net::steady_timer*>;
  struct Waiter {
    Waiter(Waiters& all, Time when, net::steady_timer& timer)
        : waiters(all), at(all.emplace(when, &timer)) {}
    ~Waiter() { waiters.erase(at); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    Waiters& waiters;
    Waiters::iterator at;
  };

  net::io_context& io_;
  Time now_{std::chrono::hours(1000)};
  Date date_ = std::chrono::system_clock::from_time_t(1'792'584'000);
  Waiters waiters_;
};

}  // namespace hearth::testing
