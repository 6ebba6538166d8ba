// The remote side of the router.
#pragma once

#include <memory>
#include <string_view>

#include "router/router.h"

namespace hearth::router {

// Where a provider is reached unless a target says otherwise; "" for one that is not known here.
std::string_view provider_address(std::string_view name);

// Speaks every wire of providers/table.cc over pooled HTTPS connections.
std::unique_ptr<Provider> make_remote_provider(net::any_io_executor executor);

}  // namespace hearth::router
