// Any bytes as a request of every served wire: refused with a message, or read; and what is read
// can be answered, whole and as a stream, in valid UTF-8. The first byte picks the wire.
#include <simdjson.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/dialect.h"
#include "wire/parts.h"

using namespace hearth;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto dialects = wire::dialects();
  const wire::Dialect& dialect = dialects[data[0] % dialects.size()];
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const wire::Head head{"id", 1, "m", 0, 0};
  auto asked = dialect.parse(body);
  if (!asked) {
    const wire::ErrorReply reply = dialect.error(asked.error(), "req");
    if (asked.error().message.empty() || reply.status < 400) std::abort();
    if (!simdjson::validate_utf8(reply.body)) std::abort();
    return 0;
  }
  // The conversation itself as an answer: all that a client may have sent comes back.
  Completion completion;
  completion.message.role = Role::assistant;
  for (const Message& message : asked->body.messages)
    for (const Block& block : message.blocks) completion.message.blocks.push_back(block);
  std::string out;
  asked->shape->begin(head, out);
  for (const StreamDelta& delta : wire::deltas_of(completion.message))
    asked->shape->hear(head, delta, out);
  asked->shape->end(head, completion, out);
  if (!simdjson::validate_utf8(out) || !out.ends_with("\n\n")) std::abort();
  auto again = dialect.parse(body);
  if (!again || !simdjson::validate_utf8(again->shape->whole(head, completion))) std::abort();
  return 0;
}
