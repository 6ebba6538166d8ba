// How much room a provider says that an account has left: x-ratelimit-... of OpenAI and those who
// follow it, anthropic-ratelimit-... .
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "outbound/http_client.h"
#include "router/attempt.h"

namespace hearth::router {

// Headers that make no sense are passed over.
RateRoom rate_room_of(const OutboundResponse& head, std::chrono::system_clock::time_point now);

// "6m0s", "1h2m3.5s", "12ms", "7" (seconds); nullopt for anything else, or more than a month.
std::optional<std::chrono::milliseconds> duration_of(std::string_view text);

// "2026-10-21T12:00:30Z".
std::optional<std::chrono::system_clock::time_point> date_of(std::string_view text);

}  // namespace hearth::router
