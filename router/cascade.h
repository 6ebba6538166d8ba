// The cheap target first, and a dearer one only when what it gave does not pass.
//
// A verifier decides, not a guess: "parse" (calls and demanded JSON must parse), or a command of
// the policy that finds the answer on its standard input and ends with 0 when it is right. Commands
// run on a worker thread, with an environment that holds no keys, for two minutes at most. Nothing
// of an answer is shown before it passed; the last step's is shown as it comes. Loop thread.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inference/completion.h"
#include "router/decision.h"
#include "router/policy.h"
#include "support/task.h"

namespace hearth::router {

// The steps for this decision: targets of its class's cascade that pass ("sonnet@low": at this
// level), in their order, at most one and max_escalations of them. Fewer than two: no cascade.
std::vector<std::string> cascade_of(const Policy& policy, const RequestFacts& facts,
                                    const Decision& decision);

// Whether an answer passes all of `checks`. Never on the loop thread: it may wait for a command.
Result<bool> passes(const std::vector<std::string>& checks, const Completion& completion,
                    bool wants_json);

// One step to its end; `is_last` streams.
struct CascadeStep {
  std::string target;
  DeltaSink sink;
};
using RunStep = std::function<Task<Answer>(CascadeStep step)>;

struct CascadePlan {
  std::vector<std::string> steps;
  std::vector<std::string> verify;
  bool wants_json = false;
  DeltaSink sink;
  // Before anything of a later step's answer is shown, and why it is not the first one's: "gave
  // what did not pass".
  std::function<void(const std::string& target, std::string why)> on_later_step;
  // Of each answer that a verifier judged.
  std::function<void(const std::string& target, bool passed)> on_verdict;
};

Task<Answer> run_cascade(CascadePlan plan, RunStep run);

}  // namespace hearth::router
