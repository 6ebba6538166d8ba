// The remote side of the router.
#pragma once

#include <memory>

#include "router/router.h"

namespace hearth::router {

// Speaks every wire of providers/table.cc over pooled HTTPS connections.
std::unique_ptr<Provider> make_remote_provider(net::any_io_executor executor);

}  // namespace hearth::router
