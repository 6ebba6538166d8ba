// A served wire: how its requests read and what its answers look like. What else there is to an
// exchange (streams, signs of life, clients that are slow or gone) is the same for all of them
// (service/exchange.h).
//
// Adding one: a file with its parse function and its AnswerShape, and a line in table.cc. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inference/completion.h"
#include "support/result.h"

namespace hearth::wire {

// What all of an answer repeats.
struct Head {
  std::string id;         // "chatcmpl-...", "msg_...", as the wire has it
  int64_t created_s = 0;  // Unix
  std::string model;      // as answered: the target's model
  uint32_t n_prompt = 0;  // tokens, once known; 0 before
  uint32_t n_cached = 0;  // of those, known to be cached
};

// Shapes one answer, whole or as a stream of server-sent events that are appended to `out`: begin()
// once, hear() for every delta, then end() or fail(). Where a request asks for several choices at
// once, turn_to() says which one is told of next, and what is told at its end is the sum of all.
class AnswerShape {
 public:
  virtual ~AnswerShape() = default;
  virtual std::string whole(const Head& head, const Completion& completion) = 0;
  virtual void begin(const Head& head, std::string& out) = 0;
  virtual void hear(const Head& head, const StreamDelta& delta, std::string& out) = 0;
  virtual void turn_to(size_t /*choice*/) {}
  // Of every choice, in any order; also when they are told whole.
  virtual void end_choice(const Head&, const Completion&, std::string& /*out*/) {}
  virtual void end(const Head& head, const Completion& completion, std::string& out) = 0;
  // After the first byte an error can be no status any more.
  virtual void fail(const Head& head, const Failure& failure, std::string& out) = 0;
};

// A request as its wire says it.
struct Asked {
  std::string model = "auto";
  CompletionRequest body;
  std::vector<CompletionRequest> others;  // further choices, in order
  bool is_stream = false;
  std::string session;  // what the body says of the conversation it belongs to
  std::vector<std::string>
      left_out;  // offers that nobody here can take up ("tools[3]: web_search")
  // What the client says to its own provider alone: who its user is; by name, tools whose calls are
  // plain text, with their "format".
  std::string own_user;
  std::map<std::string, RawJson> free_form;
  std::unique_ptr<AnswerShape> shape;
};

struct ErrorReply {
  int status = 500;
  std::string body;
  std::optional<int64_t> retry_after_s;
};

struct Dialect {
  std::string_view name;       // as metrics have it
  std::string_view path;       // "/v1/messages"
  std::string_view id_prefix;  // of answers
  Result<Asked, Failure> (*parse)(std::string_view body);
  ErrorReply (*error)(const Failure& failure, std::string_view request_id);
  std::string_view request_id_header = "x-request-id";
  std::string_view sign_of_life = ": working\n\n";  // while a stream has nothing else to say
  // A prompt that does not fit is told in the stream, where one was asked for: clients of this wire
  // look for it there.
  bool streams_overflow = false;
};

std::span<const Dialect> dialects();

// One server-sent event, "event: " line only when it has a name.
void add_event(std::string& out, std::string_view name, std::string_view data);

// What is wrong with the request is not the client's to repeat, and its library should not.
bool may_retry(const Failure& failure);

// "messages[2].role: expected ..." -> "messages[2].role"; "" when the message names no field.
std::string_view field_of(const Failure& failure);

}  // namespace hearth::wire
