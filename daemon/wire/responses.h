// OpenAI's responses wire, served side: /v1/responses.
//
// Nothing is stored here: what a request refers to by id (previous_response_id, conversation,
// item_reference) is not found, and clients send the items themselves. Tools that run at OpenAI's
// cannot run here: they are not offered to the model, and named in Asked::left_out.
#pragma once

#include "wire/dialect.h"

namespace hearth::wire::responses {

Result<Asked, Failure> parse(std::string_view body);

}  // namespace hearth::wire::responses
