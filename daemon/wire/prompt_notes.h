// What a local answer says of its prompt beside the counts, in the usage of every wire: where it
// had to be read anew, and which of its lines were moved.
#pragma once

#include "inference/completion.h"
#include "support/json.h"

namespace hearth::wire {

void add_prompt_notes(const Completion& completion, json::Object& usage);

// OpenAI's details of a prompt: what a cache gave and took, and the notes.
json::Object prompt_details(const Completion& completion);

}  // namespace hearth::wire
