// A request's prompt as text and as tokens. What an earlier answer of this model was sampled as
// stands in it token for token: by what is remembered of recent answers (recent_answers.h), or by
// the ids that the message itself kept.
//
// On the preparer's thread.
#pragma once

#include <vector>

#include "engine/loaded_model.h"
#include "inference/completion.h"

namespace hearth::engine {

struct Prompt {
  jinja::Rendered text;  // none of an infill
  std::vector<Token> tokens;
};

// The prompt is never shortened, but for what stands around a gap. Errors: of the template; an
// infill for a model that was not trained for it.
Result<Prompt> prompt_of(const CompletionRequest& body, const LoadedModel& model,
                         int64_t unix_time_s);

}  // namespace hearth::engine
