// OpenAI's older wires, served side: /v1/chat/completions and /v1/completions to and from the
// canonical form.
//
// Fields that nobody knows, and those that change nothing in the answer (user, metadata, store),
// are ignored, as clients expect. A known field that Hearth cannot honour is Errc::unsupported.
// Errors name the field.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"
#include "wire/dialect.h"

namespace hearth::wire::openai {

struct Request {
  std::string model = "auto";
  CompletionRequest body;
  std::vector<CompletionRequest> others;  // completions: further prompts
  bool is_stream = false;
  bool include_usage = false;  // stream_options.include_usage
  std::string session;         // prompt_cache_key
};

// Parts that other wires have, too.
Result<> read_sampling(json::Element body, Sampling& out);
Result<> read_stop(json::Element body, std::vector<std::string>& out);
// Bytes that need not be UTF-8, for JSON: what is no whole character becomes U+FFFD.
std::string json_text(std::string_view bytes);
json::Object timings_object(const Usage& usage, const Timings& timings);

Result<Request> parse_chat(std::string_view body);
Result<Request> parse_completions(std::string_view body);

std::string chat_response(const Head& head, const Completion& completion);
std::string text_response(const Head& head, std::span<const Completion> choices,
                          const Completion& total);

// Streaming: data of one SSE event each, without "data: " and blank line. Empty when the delta says
// nothing on this wire.
std::string chat_first_chunk(const Head& head);
std::string chat_chunk(const Head& head, const StreamDelta& delta);
std::string chat_last_chunk(const Head& head, FinishReason reason);
// `offset`: characters of the answer before this chunk; grows by its own.
std::string text_chunk(const Head& head, size_t index, std::string_view text,
                       std::span<const TokenLogprob> logprobs, size_t& offset);
std::string text_last_chunk(const Head& head, size_t index, FinishReason reason);
std::string usage_chunk(const Head& head, bool is_chat, const Completion& completion);

// {"error": {"message", "type", "param", "code"}} and the HTTP status that goes with it.
//
// A provider's failure keeps the provider's code and, where it is about the request, its status; a
// 401 becomes 403, since the client's own token is right.
ErrorReply error_reply(const Failure& failure);

// As a dialect has them (openai_dialect.cc).
Result<Asked, Failure> ask_chat(std::string_view body);
Result<Asked, Failure> ask_completions(std::string_view body);
ErrorReply reply_error(const Failure& failure, std::string_view request_id);

}  // namespace hearth::wire::openai
