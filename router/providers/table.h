// The providers that speak OpenAI's chat wire: one row each. A target's own base_url and key win.
#pragma once

#include <span>
#include <string_view>

namespace hearth::router {

struct ProviderRow {
  std::string_view name;      // of kind = "api:NAME"
  std::string_view base_url;  // "/chat/completions" is appended
  std::string_view key_env;   // "" where no key is needed
};

// Null for a name that no row has; such a target needs a base_url.
const ProviderRow* find_provider(std::string_view name);
std::span<const ProviderRow> provider_rows();

}  // namespace hearth::router
