// Reading what providers send: any field may be missing or of another type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "support/json.h"

namespace hearth::router {

std::optional<std::string_view> text_at(json::Element object, std::string_view name);
// 0 when there is no count; no more than 32 bits hold.
uint32_t count_at(json::Element object, std::string_view name);
bool has_count(json::Element object, std::string_view name);

// Bytes of a provider as text for people: one line of valid UTF-8, cut after a few hundred bytes.
std::string words_of(std::string_view bytes);

// 0.7f as 0.7 and not as 0.699999988079071.
double shortest(float value);

}  // namespace hearth::router
