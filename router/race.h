// Two ways to one answer: the second is begun only when the first is slow to say its first word.
// Who speaks first wins; the other is cancelled, and what it said is never heard. Lives on the loop
// thread.
#pragma once

#include <functional>

#include "inference/completion.h"
#include "support/clock.h"
#include "support/task.h"

namespace hearth::router {

struct RaceLeg {
  std::function<Task<Answer>(DeltaSink sink)> run;
  std::function<void()> on_won;  // before anything of it but progress is heard
};

// The winner's answer; where nobody spoke, an answer before a failure and the first's before the
// second's. `may_begin` is asked once, when the second is due. Both legs have ended when this
// returns, also when it is cancelled.
Task<Answer> race(Clock& clock, RaceLeg first, RaceLeg second, Clock::Time due, DeltaSink sink,
                  std::function<bool()> may_begin);

}  // namespace hearth::router
