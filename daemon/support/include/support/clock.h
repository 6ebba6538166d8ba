// Time as a service, so that what waits can be tested without waiting.
//
// now() never jumps and is for deadlines; date() may, and is for people and for what others wrote
// down. Any thread; wait_until() on the executor of the task that awaits it.
#pragma once

#include <chrono>

#include "support/task.h"

namespace hearth {

class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Date = std::chrono::system_clock::time_point;

  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual Date date() const = 0;
  // At once when it is past. Cancelling the awaiting task ends the wait.
  virtual Task<> wait_until(Time when) = 0;
};

// This machine's. Lives for ever.
Clock& machine_clock();

}  // namespace hearth
