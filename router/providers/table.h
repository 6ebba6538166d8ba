// The remote providers: one row each. A target's own base_url and key win.
#pragma once

#include <span>
#include <string_view>

#include "providers/wire.h"

namespace hearth::router {

struct ProviderRow {
  std::string_view name;      // of kind = "api:NAME"
  std::string_view base_url;  // the wire's path is appended
  std::string_view key_env;   // "" where no key is needed
  Quirks quirks{};
  const Wire* wire = &kOpenAiChat;
};

std::span<const ProviderRow> provider_rows();

// A provider that no row has speaks OpenAI's chat wire, at the target's base_url.
const ProviderRow& row_of(std::string_view provider);

// A target may name another wire than its provider's own: "chat", "responses", "messages",
// "gemini". nullptr for a name that is none.
const Wire* wire_of_name(std::string_view name);
const Wire& wire_of(const Target& target);

// What a target cannot honour.
Needs lacks_of(const Target& target);

}  // namespace hearth::router
