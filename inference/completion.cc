#include "inference/completion.h"

namespace hearth {

namespace {

template <class T>
T* last_block(Message& message) {
  return message.blocks.empty() ? nullptr : std::get_if<T>(&message.blocks.back().content);
}

template <class T>
void append_text(Message& message, const StreamDelta& delta) {
  T* open = last_block<T>(message);
  if (!open) {
    if (delta.text.empty() && delta.tokens.empty()) return;
    message.blocks.emplace_back().content = T{};
    open = last_block<T>(message);
  }
  open->text += delta.text;
  auto& tokens = message.blocks.back().tokens;
  tokens.insert(tokens.end(), delta.tokens.begin(), delta.tokens.end());
}

}  // namespace

void append(Message& message, const StreamDelta& delta) {
  switch (delta.kind) {
    case StreamDelta::Kind::text: return append_text<Text>(message, delta);
    case StreamDelta::Kind::reasoning: return append_text<Reasoning>(message, delta);
    case StreamDelta::Kind::progress: return;
    case StreamDelta::Kind::opaque:
      message.blocks.emplace_back().content = Opaque{delta.provider, {delta.text}};
      return;
    case StreamDelta::Kind::tool_call: break;
  }
  uint32_t index = 0;
  for (Block& block : message.blocks) {
    ToolCall* call = std::get_if<ToolCall>(&block.content);
    if (!call || index++ != delta.tool_index) continue;
    call->arguments += delta.text;
    block.tokens.insert(block.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    return;
  }
  message.blocks.emplace_back().content = ToolCall{delta.tool_id, delta.tool_name, delta.text};
  message.blocks.back().tokens = delta.tokens;
}

}  // namespace hearth
