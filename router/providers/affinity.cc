#include "providers/affinity.h"

#include <fmt/format.h>

namespace hearth::router {

namespace {

// FNV-1a: keys are to differ, and nobody gains by forging one.
class Hash {
 public:
  void add(std::string_view text) {
    for (unsigned char c : text) value_ = (value_ ^ c) * 0x100000001b3;
    value_ = (value_ ^ 0xff) * 0x100000001b3;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

bool is_asked_once(TaskClass task) {
  return task == TaskClass::completion || task == TaskClass::summary || task == TaskClass::title ||
         task == TaskClass::commit_message;
}

}  // namespace

std::string affinity_of(const RouteRequest& request) {
  if (is_asked_once(request.facts.task)) return "";
  Hash hash;
  hash.add(request.facts.session);
  if (request.facts.session.empty())
    for (const Message& message : request.body.messages) {
      hash.add(text_of(message));
      if (message.role == Role::user) break;  // what follows grows from turn to turn
    }
  return fmt::format("hearth-{:016x}", hash.value());
}

}  // namespace hearth::router
