// Where a target's requests go, and the key that they carry.
//
// A key comes from a variable of the daemon's environment or from a file that only its owner can
// read. It is in no Config, no log line and no error text; only the request holds it.
#pragma once

#include <string>
#include <string_view>

#include "router/policy.h"
#include "support/result.h"

namespace hearth::router {

struct Endpoint {
  std::string base_url;  // without a slash at its end
  std::string key;       // "" where none is needed
};

// Reads the key anew each time, so that a rotated one is used at once. A provider's own variable
// (providers/table.cc) is taken only for its own address: with a base_url, the target names its
// key.
Result<Endpoint> endpoint_of(const Target& target);

// The variable or file that the key comes from, for messages.
std::string key_source(const Target& target);

// The text without the key: a provider's message may repeat what it was sent.
std::string without_key(std::string text, std::string_view key);

}  // namespace hearth::router
