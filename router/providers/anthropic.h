// Anthropic's messages. Source: Claude API reference, "Messages", "Streaming messages", "Errors",
// version 2023-06-01.
//
// An answer is complete at message_stop. Thinking comes back signed, and must be returned as it was
// where it led to a tool call: the text is a Reasoning block, the signature an Opaque part behind
// it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "providers/stream_reader.h"
#include "providers/wire.h"

namespace hearth::router::anthropic {

Result<std::string> messages_body(const Target& target, const Quirks& quirks,
                                  const CompletionRequest& request, std::string_view affinity = {},
                                  const OwnWords& own = {});
std::unique_ptr<StreamReader> messages_reader(const Target& target, DeltaSink sink,
                                              size_t max_bytes);

}  // namespace hearth::router::anthropic
