#include "inference/message.h"

namespace hearth {

std::string text_of(const Message& message) {
  std::string text;
  for (const Block& block : message.blocks)
    if (const Text* part = std::get_if<Text>(&block.content)) text += part->text;
  return text;
}

Message text_message(Role role, std::string text) {
  Message message;
  message.role = role;
  message.blocks.emplace_back().content = Text{std::move(text)};
  return message;
}

}  // namespace hearth
