// A model file in memory with a chat template: printable ASCII as single-letter tokens and a few
// control tokens.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "chat/chat_template.h"
#include "support/tiny_gguf.h"

namespace hearth::testing {

class ChatModel {
 public:
  // An empty source: the file has no template.
  explicit ChatModel(std::string_view source,
                     std::vector<std::string> control = {"<|im_start|>", "<|im_end|>", "<think>",
                                                         "</think>"}) {
    std::vector<std::string> texts;
    std::vector<int32_t> types;
    auto add = [&](std::string text, int32_t type) {
      texts.push_back(std::move(text));
      types.push_back(type);
    };
    for (char c = '!'; c <= '~'; ++c) add(std::string(1, c), 1);
    add("\u0120", 1);  // the space
    add("\u010A", 1);  // the newline
    for (std::string& text : control) add(std::move(text), 3);
    GgufWriter writer;
    writer.set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "qwen2")
        .set_array("tokenizer.ggml.tokens", texts)
        .set_array("tokenizer.ggml.token_type", types)
        .set_array("tokenizer.ggml.merges", std::vector<std::string>())
        .set("tokenizer.ggml.add_bos_token", false);
    if (!control.empty())
      writer.set("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(texts.size() - 3));
    if (!source.empty()) writer.set("tokenizer.chat_template", source);
    bytes_ = writer.build();
    auto file = gguf::File::parse("test.gguf", std::as_bytes(std::span(bytes_)));
    EXPECT_TRUE(file) << file.error().message;
    auto loaded = Tokenizer::load(*file);
    EXPECT_TRUE(loaded) << loaded.error().message;
    tokenizer = std::make_unique<Tokenizer>(std::move(*loaded));
    chat = std::make_unique<Result<ChatTemplate>>(ChatTemplate::load(*file, *tokenizer));
  }

  const ChatTemplate& operator*() const { return **chat; }
  const ChatTemplate* operator->() const { return &**chat; }

  std::string text(std::span<const Message> messages, std::span<const ToolSpec> tools = {},
                   std::string variables = "") const {
    auto rendered = (*chat)->render_text(messages, tools, RawJson{std::move(variables)}, 0);
    return rendered ? rendered->text : rendered.error().message;
  }

  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Result<ChatTemplate>> chat;

 private:
  std::string bytes_;
};

inline Message message(Role role, std::vector<decltype(Block::content)> blocks) {
  Message made;
  made.role = role;
  for (auto& block : blocks) made.blocks.emplace_back().content = std::move(block);
  return made;
}

}  // namespace hearth::testing
