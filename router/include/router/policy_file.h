// The policy as text: [policy], [target.NAME], [class.NAME] and [[label]] of hearth.toml, or of a
// file of its own.
#pragma once

#include <string>
#include <string_view>

#include "router/policy.h"
#include "support/result.h"

namespace hearth::settings {
class Section;
}

namespace hearth::router {

// Reads the policy's sections of a file; errors go to the root's fault.
Policy read_policy(settings::Section& root);

// A file that holds a policy and nothing else. The error names file, line and what was expected.
Result<Policy> parse_policy(std::string_view text, const std::string& file_name);

// Reading it gives the same policy. Keys are never shown, only where they lie.
std::string print_policy(const Policy& policy);

// Tells policies apart: of the printed text, 16 hexadecimal digits.
std::string policy_hash(const Policy& policy);

}  // namespace hearth::router
