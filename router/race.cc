#include "race.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <optional>
#include <utility>

namespace hearth::router {

namespace {

// One that runs beside the others until it ends or is stopped.
struct Runner {
  RaceLeg leg;
  net::cancellation_signal stop;
  std::optional<Answer> answer;
  bool is_running = false;
};

class Race {
 public:
  Race(net::any_io_executor executor, Clock& clock, DeltaSink sink)
      : executor_(executor),
        clock_(clock),
        sink_(std::move(sink)),
        changed_(executor, net::steady_timer::time_point::max()) {}

  Task<Answer> run(RaceLeg first, RaceLeg second, Clock::Time due,
                   std::function<bool()> may_begin) {
    legs_[0].leg = std::move(first);
    legs_[1].leg = std::move(second);
    // Whatever happens, all that was started is waited for.
    co_await net::this_coro::throw_if_cancelled(false);
    auto withdrawal = co_await net::this_coro::cancellation_state;
    begin(legs_[0]);
    begin_alarm(due);
    bool is_withdrawn = false, is_asked = false;
    while (legs_[0].is_running || legs_[1].is_running) {
      is_withdrawn = is_withdrawn || withdrawal.cancelled() != net::cancellation_type::none;
      for (Runner& leg : legs_)
        if (leg.is_running && (is_withdrawn || (winner_ && winner_ != &leg)))
          leg.stop.emit(net::cancellation_type::terminal);
      if (is_due_ && !is_asked && !winner_ && !is_withdrawn) {
        is_asked = true;
        if (may_begin()) begin(legs_[1]);
      }
      (void)co_await changed_.async_wait(as_result);
    }
    alarm_.stop.emit(net::cancellation_type::terminal);
    while (alarm_.is_running) (void)co_await changed_.async_wait(as_result);
    co_await net::this_coro::throw_if_cancelled(true);
    if (is_withdrawn) co_return Error{Errc::cancelled, "the client withdrew"};
    co_return result();
  }

 private:
  void begin(Runner& leg) {
    leg.is_running = true;
    DeltaSink sink = [this, &leg](const StreamDelta& delta) {
      const bool is_word = delta.kind != StreamDelta::Kind::progress;
      if (!winner_ && is_word) {
        winner_ = &leg;
        leg.leg.on_won();
        changed_.cancel();
      }
      if (winner_ == &leg || (!winner_ && &leg == legs_)) sink_(delta);
    };
    Task<> task = keep(leg, leg.leg.run(std::move(sink)));
    spawn(leg, std::move(task));
  }
  static Task<> keep(Runner& leg, Task<Answer> way) { leg.answer = co_await std::move(way); }

  void begin_alarm(Clock::Time due) {
    alarm_.is_running = true;
    Task<> task = ring(due);
    spawn(alarm_, std::move(task));
  }
  Task<> ring(Clock::Time due) {
    Task<> wait = clock_.wait_until(due);
    co_await std::move(wait);
    is_due_ = true;
  }

  void spawn(Runner& runner, Task<> task) {
    auto ended = [this, &runner](std::exception_ptr) {
      runner.is_running = false;
      changed_.cancel();
    };
    net::co_spawn(executor_, std::move(task),
                  net::bind_cancellation_slot(runner.stop.slot(), ended));
  }

  Answer result() {
    Runner* best = winner_;
    for (Runner& leg : legs_)
      if (!best && leg.answer && *leg.answer) best = &leg;
    if (!best) best = legs_;
    if (!winner_) best->leg.on_won();
    if (!best->answer) return Error{Errc::cancelled, "the attempt was withdrawn"};
    return std::move(*best->answer);
  }

  net::any_io_executor executor_;
  Clock& clock_;
  DeltaSink sink_;
  net::steady_timer changed_;  // never expires; cancelled when something happened
  Runner legs_[2], alarm_;
  Runner* winner_ = nullptr;
  bool is_due_ = false;
};

}  // namespace

Task<Answer> race(Clock& clock, RaceLeg first, RaceLeg second, Clock::Time due, DeltaSink sink,
                  std::function<bool()> may_begin) {
  net::any_io_executor executor = co_await net::this_coro::executor;
  Race race(executor, clock, std::move(sink));
  Task<Answer> running = race.run(std::move(first), std::move(second), due, std::move(may_begin));
  co_return co_await std::move(running);
}

}  // namespace hearth::router
