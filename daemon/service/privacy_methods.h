// JSON-RPC methods of privacy/*. Lives on the loop thread; what it is made with outlives it.
#pragma once

#include <functional>
#include <memory>

#include "daemon/protocol/model.h"
#include "daemon/protocol/privacy.h"
#include "jsonrpc/dispatcher.h"

namespace hearth {

class PrivacyMethods {
 public:
  PrivacyMethods(router::Labeller& labeller,
                 std::function<std::shared_ptr<const router::Policy>()> policy)
      : labeller_(labeller), policy_(std::move(policy)) {}

  void bind(jsonrpc::Dispatcher& dispatcher);

 private:
  Task<Result<protocol::Empty>> declassify(jsonrpc::Call, protocol::Declassify act);
  Task<Result<protocol::PrivacyState>> state(jsonrpc::Call, protocol::Empty);

  router::Labeller& labeller_;
  std::function<std::shared_ptr<const router::Policy>()> policy_;
};

}  // namespace hearth
