// The embedding of a text: one vector, from the hidden states of its tokens.
#pragma once

#include <span>
#include <vector>

#include "graph/model.h"
#include "inference/message.h"
#include "support/result.h"

namespace hearth {

// Pages and window parts of an empty sequence, `pages`, must suffice for the tokens. The model's
// pooling (for generating models that name none, the last token's state), divided by its Euclidean
// length. A text longer than the model's context is Errc::context_exceeded.
Result<std::vector<float>> embedding_of(Model& model, KvCache& cache,
                                        const std::vector<PageIndex>& pages,
                                        std::span<const Token> tokens);

}  // namespace hearth
