#include "support/binary.h"

#include <gtest/gtest.h>

#include "inference/engine_messages.h"
#include "support/json.h"

namespace hearth {
namespace {

engine::ToEngine sample() {
  engine::Generate generate;
  generate.request = 7;
  generate.model = "m";
  generate.body.messages = {text_message(Role::user, "hello")};
  generate.body.messages[0].blocks[0].source = Source{"a", "b", std::nullopt};
  generate.body.stop = {"x", ""};
  generate.body.sampling.temperature = 0.5f;
  generate.body.sampling.logit_bias = {{5, -100.f}};
  return generate;
}

TEST(Binary, DecodesWhatItEncodes) {
  std::string bytes = binary::encode(sample());
  auto again = binary::decode<engine::ToEngine>(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(binary::encode(*again), bytes);
  const auto& generate = std::get<engine::Generate>(*again);
  EXPECT_EQ(text_of(generate.body.messages[0]), "hello");
  EXPECT_EQ(generate.body.sampling.temperature, 0.5f);
  EXPECT_FALSE(generate.body.sampling.top_k);
}

TEST(Binary, RefusesEveryTruncationAndTrailingBytes) {
  std::string bytes = binary::encode(sample());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(binary::decode<engine::ToEngine>(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(binary::decode<engine::ToEngine>(bytes + "x"));
}

TEST(Binary, NeverReadsPastTheEndWhateverByteIsFlipped) {
  const std::string bytes = binary::encode(sample());
  size_t n_refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      n_refused += !binary::decode<engine::ToEngine>(damaged);
    }
  EXPECT_GT(n_refused, 0u);
}

TEST(EngineMessages, FrameStartsWithThePayloadsSize) {
  std::string frame = engine::encode_frame(sample());
  uint32_t size = 0;
  std::memcpy(&size, frame.data(), 4);
  EXPECT_EQ(size, frame.size() - 4);
  EXPECT_TRUE(engine::decode_to_engine(std::string_view(frame).substr(4)));
}

TEST(Completion, FoldsDeltasIntoBlocks) {
  Message message;
  auto say = [&](StreamDelta::Kind kind, std::string text, std::vector<Token> tokens = {}) {
    StreamDelta delta;
    delta.kind = kind;
    delta.text = std::move(text);
    delta.tokens = std::move(tokens);
    append(message, delta);
  };
  say(StreamDelta::Kind::reasoning, "th", {1});
  say(StreamDelta::Kind::reasoning, "ink", {2});
  say(StreamDelta::Kind::text, "he", {3});
  say(StreamDelta::Kind::text, "llo", {4, 5});
  StreamDelta call;
  call.kind = StreamDelta::Kind::tool_call;
  call.tool_id = "c";
  call.tool_name = "read";
  append(message, call);
  call.text = "{}";
  append(message, call);
  ASSERT_EQ(message.blocks.size(), 3u);
  EXPECT_EQ(std::get<Reasoning>(message.blocks[0].content).text, "think");
  EXPECT_EQ(text_of(message), "hello");
  EXPECT_EQ(message.blocks[1].tokens, (std::vector<Token>{3, 4, 5}));
  EXPECT_EQ(std::get<ToolCall>(message.blocks[2].content).arguments, "{}");
}

}  // namespace
}  // namespace hearth
