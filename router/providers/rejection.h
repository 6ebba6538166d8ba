// What it means when a provider says no.
//
// A status alone says little: 429 is a full second, a full day, an empty balance or a locked
// account, and each wants another reaction. So the words of the body are asked first: its code, its
// type, a phrase of its message (error_words.h); the status decides only what they leave open.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "inference/failure.h"
#include "router/policy.h"
#include "support/json.h"

namespace hearth::router {

// A refused request. `retry_after` is the header's text; `key_source` the place that the key came
// from. The message is the provider's, in one line of text.
Failure rejection_of(const Target& target, long status, std::string_view body,
                     std::optional<std::string_view> retry_after, std::string_view key_source,
                     std::chrono::system_clock::time_point now);

// An error within a stream: an object with type, code and message, or a text.
Failure stream_error(json::Element error, std::string_view provider = {});

// Seconds or a date; nullopt for what makes no sense. More than a week is a week.
std::optional<std::chrono::seconds> wait_of(std::string_view retry_after,
                                            std::chrono::system_clock::time_point now);

}  // namespace hearth::router
