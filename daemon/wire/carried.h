// How a part that only its provider understands travels over another provider's wire: as the
// signature (encrypted content) of a piece of reasoning, which clients keep and send back
// unchanged. What came from the wire's own provider goes as it is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "inference/message.h"

namespace hearth::wire {

std::string carry(std::string_view provider, std::string_view part);

// Nothing when `signature` is a provider's own.
std::optional<Opaque> carried(std::string_view signature);

}  // namespace hearth::wire
