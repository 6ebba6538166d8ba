#include "service/privacy_methods.h"

#include <chrono>

namespace hearth {

void PrivacyMethods::bind(jsonrpc::Dispatcher& dispatcher) {
  dispatcher.bind("privacy/declassify", *this, &PrivacyMethods::declassify);
  dispatcher.bind("privacy/state", *this, &PrivacyMethods::state);
}

Task<Result<protocol::Empty>> PrivacyMethods::declassify(jsonrpc::Call, protocol::Declassify act) {
  router::Declassified made;
  made.time_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count();
  made.text = std::move(act.text);
  made.label = std::move(act.label);
  made.who = std::move(act.who);
  made.why = std::move(act.why);
  if (auto done = labeller_.declassify(std::move(made)); !done) co_return done.error();
  co_return protocol::Empty{};
}

Task<Result<protocol::PrivacyState>> PrivacyMethods::state(jsonrpc::Call, protocol::Empty) {
  auto report = co_await labeller_.report(policy_());
  if (!report) co_return report.error();
  protocol::PrivacyState state;
  state.workspace = std::move(*report);
  state.declassified = labeller_.declassified();
  co_return state;
}

}  // namespace hearth
