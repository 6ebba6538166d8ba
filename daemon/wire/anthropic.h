// Anthropic's wire, served side: /v1/messages and /v1/messages/count_tokens.
//
// Unknown fields and beta features that only save tokens are ignored, as clients expect. Tools that
// run at Anthropic's cannot run here: they are not offered to the model, and named in
// Asked::left_out.
#pragma once

#include "wire/dialect.h"

namespace hearth::wire::anthropic {

Result<Asked, Failure> parse_messages(std::string_view body);
// The same request without max_tokens, to be counted only.
Result<Asked, Failure> parse_count(std::string_view body);

// {"type": "error", "error": {"type", "message"}, "request_id"}.
ErrorReply error_reply(const Failure& failure, std::string_view request_id);

}  // namespace hearth::wire::anthropic
