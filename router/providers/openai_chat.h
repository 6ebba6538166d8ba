// OpenAI's chat completions, which most providers speak. Source: OpenAI API reference, "Chat"; the
// departures of others are Quirks.
//
// An answer is complete when a finish_reason was seen: [DONE] may be missing, and alone it proves
// nothing (proxies append it to answers that were cut).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "providers/stream_reader.h"
#include "providers/wire.h"

namespace hearth::router::openai {

Result<std::string> chat_body(const Target& target, const Quirks& quirks,
                              const CompletionRequest& request, std::string_view affinity = {},
                              const OwnWords& own = {});
std::unique_ptr<StreamReader> chat_reader(const Target& target, DeltaSink sink, size_t max_bytes);

}  // namespace hearth::router::openai
