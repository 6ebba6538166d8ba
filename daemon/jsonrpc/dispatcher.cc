#include "jsonrpc/dispatcher.h"

#include <fmt/format.h>

namespace hearth::jsonrpc {

// -326xx are JSON-RPC's own, -32800 is LSP's RequestCancelled, -32001 to -32099 are free for
// servers.
int code_of(Errc code) {
  switch (code) {
    case Errc::invalid: return -32602;
    case Errc::internal: return -32603;
    case Errc::cancelled: return -32800;
    case Errc::busy: return -32001;
    case Errc::denied: return -32003;
    case Errc::not_found: return -32004;
    case Errc::timeout: return -32005;
    case Errc::over_budget: return -32006;
    case Errc::context_exceeded: return -32007;
    case Errc::unsupported: return -32008;
    case Errc::corrupt: return -32009;
    case Errc::io: return -32010;
    case Errc::upstream: return -32011;
  }
  return -32603;
}

Task<Result<std::string>> Dispatcher::call(Call call, std::string_view method,
                                           json::Element params) const {
  auto entry = methods_.find(method);
  if (entry == methods_.end()) {
    Error unknown{Errc::unsupported, fmt::format("unknown method \"{}\"", method)};
    co_return unknown;
  }
  co_return co_await entry->second.call(call, params);
}

std::vector<std::string> Dispatcher::methods() const {
  std::vector<std::string> names;
  for (const auto& [name, method] : methods_) names.push_back(name);
  return names;
}

json::Object Dispatcher::describe() const {
  json::Object methods;
  for (const auto& [name, method] : methods_) {
    MethodSchema schema = method.describe();
    methods[name] =
        json::Object{{"params", std::move(schema.params)}, {"result", std::move(schema.result)}};
  }
  return json::Object{{"methods", std::move(methods)}};
}

}  // namespace hearth::jsonrpc
