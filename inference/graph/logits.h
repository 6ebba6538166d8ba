// Logits of every position of a token sequence: for comparing a model with a reference
// (`hearth dev logits`). The engine does not use it.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "backend/backend.h"
#include "cache/page.h"
#include "gguf/reader.h"
#include "inference/message.h"
#include "support/result.h"

namespace hearth {

// Of the KV cache: float32 for files without quantized matrices, so that nothing is rounded; else
// f16, as the engine's.
KvElement kv_element_for(const gguf::File& file);

struct LogitsOptions {
  std::optional<KvElement> kv = std::nullopt;  // by default kv_element_for() the file
  uint32_t chunk = 512;  // at most this many tokens in a batch; no influence on the result
};

// Receives n_vocab logits of each position, in order. An error stops the run and is returned.
using LogitsSink = std::function<Result<>(std::span<const float>)>;

// At least one token; memory is bounded by a chunk's logits, never the whole sequence's.
Result<> logits_of(const gguf::File& file, Backend& backend, std::span<const Token> tokens,
                   const LogitsOptions& options, const LogitsSink& sink);

}  // namespace hearth
