// The providers that there are.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "inference/engine_client.h"
#include "outbound/http_client.h"
#include "router/provider.h"
#include "support/clock.h"

namespace hearth::router {

// The local engine. `model_spec` gives a target's model as file and settings, at the moment of use.
std::unique_ptr<Provider> make_engine_provider(
    engine::EngineClient& engine,
    std::function<Result<engine::ModelSpec>(const std::string& model)> model_spec);

// Every row of providers/table.cc, over pooled HTTPS connections. `ca_file` as HttpClient takes it.
std::unique_ptr<Provider> make_remote_provider(net::any_io_executor executor, EgressSink on_egress,
                                               std::function<std::string()> ca_file = {});

// The same over another transport. The clock outlives it.
std::unique_ptr<Provider> make_remote_provider(std::unique_ptr<Transport> transport, Clock& clock);

// Where a remote provider is reached unless a target says otherwise; "" for one that is not known
// here.
std::string_view provider_address(std::string_view name);

// Of the wires that a target may name in place of its provider's own.
bool is_wire_name(std::string_view name);

// Whether its provider is told one effort in other words than the other.
bool tells_apart(const Target& target, Effort one, Effort other);

// Whether what the request says of sampling and of calls is accepted together with thinking.
bool thinks_beside(const Target& target, const CompletionRequest& request);

}  // namespace hearth::router
