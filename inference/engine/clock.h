// The engine's sense of time, so that tests hold the clock.
#pragma once

#include <chrono>
#include <functional>

namespace hearth::engine {

using TimePoint = std::chrono::steady_clock::time_point;
using Clock = std::function<TimePoint()>;

inline double milliseconds_between(TimePoint from, TimePoint to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

}  // namespace hearth::engine
