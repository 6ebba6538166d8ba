#include "providers/affinity.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <string_view>
#include <variant>

namespace hearth::router {

namespace {

// Eight bytes in a step: what a conversation begins with may be long, and is hashed at each of its
// turns. The same on every machine and in every run; nobody gains by forging one.
class Hash {
 public:
  void add(std::string_view text) {
    add(text.size());
    for (; text.size() > sizeof(uint64_t); text.remove_prefix(sizeof(uint64_t)))
      add(word_of(text.substr(0, sizeof(uint64_t))));
    add(word_of(text));
  }
  uint64_t value() const { return value_; }

 private:
  static uint64_t word_of(std::string_view bytes) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    return word;
  }
  void add(uint64_t word) {
    value_ = (value_ ^ word) * 0x9e3779b97f4a7c15;
    value_ ^= value_ >> 32;
  }

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
      for (const Block& block : message.blocks)
        if (auto* text = std::get_if<Text>(&block.content)) hash.add(text->text);
      if (message.role == Role::user) break;  // what follows grows from turn to turn
    }
  return fmt::format("hearth-{:016x}", hash.value());
}

}  // namespace hearth::router
