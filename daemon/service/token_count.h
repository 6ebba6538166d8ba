// How many tokens a local model makes of a request, by its own template and tokenizer.
#pragma once

#include <cstdint>
#include <optional>

#include "inference/engine_client.h"

namespace hearth {

// Has the engine begun with the request and stops it as soon as the prompt is counted. Nothing when
// the engine cannot say. Loads the model if it must.
Task<std::optional<uint32_t>> count_prompt(engine::EngineClient& engine, engine::ModelSpec spec,
                                           CompletionRequest request);

}  // namespace hearth
