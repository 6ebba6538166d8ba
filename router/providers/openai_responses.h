// OpenAI's responses. Source: OpenAI API reference, "Responses" and "Streaming events"; guide
// "Reasoning models", section on encrypted reasoning items.
//
// Nothing is stored there (store: false), so that what the model thought comes back encrypted, as
// an item of the answer, and is returned with the next request as it was: its text is a Reasoning
// block, the item an Opaque part behind it. An answer is complete at response.completed or
// response.incomplete.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "providers/stream_reader.h"
#include "providers/wire.h"

namespace hearth::router::openai {

Result<std::string> responses_body(const Target& target, const Quirks& quirks,
                                   const CompletionRequest& request, std::string_view affinity = {},
                                   const OwnWords& own = {});
std::unique_ptr<StreamReader> responses_reader(const Target& target, DeltaSink sink,
                                               size_t max_bytes);

}  // namespace hearth::router::openai
