// The served wires, a line each, and what they share.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "wire/anthropic.h"
#include "wire/dialect.h"
#include "wire/infill.h"
#include "wire/openai.h"
#include "wire/responses.h"

namespace hearth::wire {

namespace {

const Dialect kDialects[] = {
    {"chat", "/v1/chat/completions", "chatcmpl", &openai::ask_chat, &openai::reply_error},
    {"completions", "/v1/completions", "cmpl", &openai::ask_completions, &openai::reply_error},
    {"infill", "/infill", "infill", &infill::parse, &openai::reply_error},
    {.name = "responses",
     .path = "/v1/responses",
     .id_prefix = "resp",
     .parse = &responses::parse,
     .error = &openai::reply_error,
     .streams_overflow = true},
    {.name = "messages",
     .path = "/v1/messages",
     .id_prefix = "msg",
     .parse = &anthropic::parse_messages,
     .error = &anthropic::error_reply,
     .request_id_header = "request-id",
     .sign_of_life = "event: ping\ndata: {\"type\": \"ping\"}\n\n"},
};

}  // namespace

std::span<const Dialect> dialects() { return kDialects; }

void add_event(std::string& out, std::string_view name, std::string_view data) {
  if (!name.empty()) out.append("event: ").append(name).append("\n");
  out.append("data: ").append(data).append("\n\n");
}

bool may_retry(const Failure& failure) {
  return failure.remedy == Remedy::retry_same || failure.remedy == Remedy::retry_after;
}

std::string_view field_of(const Failure& failure) {
  const std::string_view message = failure.message;
  const std::string_view field = message.substr(0, message.find(": "));
  constexpr std::string_view kOfPaths =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.[]";
  const bool is_path = field.size() < message.size() && !field.empty() && field != "body" &&
                       field.find_first_not_of(kOfPaths) == field.npos;
  return is_path ? field : "";
}

}  // namespace hearth::wire
