// Gemini's generateContent, streamed. Source: Gemini API reference, "Generating content", "Function
// calling", "Thinking", "Thought signatures"; version v1beta.
//
// Each event is a partial answer; the one with a finishReason is the last, there is no other mark.
// A part may carry a thoughtSignature, which must come back on the same part: it is an Opaque part
// behind the block that it belongs to.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "providers/stream_reader.h"
#include "providers/wire.h"

namespace hearth::router::gemini {

Result<std::string> content_body(const Target& target, const Quirks& quirks,
                                 const CompletionRequest& request, std::string_view affinity = {},
                                 const OwnWords& own = {});
std::unique_ptr<StreamReader> content_reader(const Target& target, DeltaSink sink,
                                             size_t max_bytes);

}  // namespace hearth::router::gemini
