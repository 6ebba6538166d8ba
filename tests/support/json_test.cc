#include "support/json.h"

#include <gtest/gtest.h>

#include "inference/completion.h"

namespace hearth {
namespace {

struct Inner {
  uint8_t small = 0;
  static void fields(auto& self, auto&& field) { field("small", self.small); }
};

struct Outer {
  std::string name;
  std::optional<int64_t> count;
  std::vector<Inner> inner;
  RawJson raw;
  bool flag = true;
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field("count", self.count);
    field("inner", self.inner);
    field("raw", self.raw);
    field.or_default("flag", self.flag);
  }
};

std::string error_of(std::string_view text) {
  auto decoded = json::decode<Outer>(text, "params");
  return decoded ? "" : decoded.error().message;
}

TEST(Json, DecodesWhatItEncodes) {
  Outer outer;
  outer.name = "a \"quoted\"\n\xc3\xa9";
  outer.count = -5;
  outer.inner = {Inner{1}, Inner{255}};
  outer.raw.text = R"({"z":1,"a":[true,null]})";
  outer.flag = false;
  auto again = json::decode<Outer>(json::encode(outer));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->name, outer.name);
  EXPECT_EQ(again->count, -5);
  EXPECT_EQ(again->inner[1].small, 255);
  EXPECT_EQ(again->raw.text, outer.raw.text);
  EXPECT_FALSE(again->flag);
}

TEST(Json, KeepsKeyOrderOfRawText) {
  auto decoded = json::decode<Outer>(R"({"name":"n","raw":{"z":1,"y":2,"x":3}})");
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->raw.text, R"({"z":1,"y":2,"x":3})");
}

TEST(Json, IgnoresUnknownFields) { EXPECT_EQ(error_of(R"({"name":"n","later":{"a":1}})"), ""); }

TEST(Json, TakesNullAsAbsentForOptionalFields) {
  auto decoded = json::decode<Outer>(R"({"name":"n","count":null,"inner":null,"flag":null})");
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_FALSE(decoded->count);
  EXPECT_TRUE(decoded->flag);
}

TEST(Json, NamesThePathOfWhatIsWrong) {
  EXPECT_EQ(error_of("{}"), "params.name: missing");
  EXPECT_EQ(error_of(R"({"name":3})"), "params.name: expected a string, got a number");
  EXPECT_EQ(error_of(R"({"name":"n","inner":[{"small":1},{"small":256}]})"),
            "params.inner[1].small: out of range");
  EXPECT_EQ(error_of(R"({"name":"n","inner":[{"small":-1}]})"),
            "params.inner[0].small: expected a non-negative integer, got a number");
  EXPECT_EQ(error_of(R"([1])"), "params: expected an object, got an array");
}

TEST(Json, RefusesMalformedTextAndDeepNesting) {
  EXPECT_FALSE(json::Document::parse("{\"a\":"));
  EXPECT_FALSE(json::Document::parse("\"\xff\""));
  EXPECT_FALSE(json::Document::parse("1e400"));
  EXPECT_TRUE(json::Document::parse(std::string(60, '[') + std::string(60, ']')));
  EXPECT_FALSE(json::Document::parse(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(json::Document::parse(std::string(1'000'000, '[')));
}

TEST(Json, RoundTripsEveryKindOfBlock) {
  Message message;
  message.id = "m1";
  message.role = Role::assistant;
  message.blocks.resize(6);
  message.blocks[0].content = Text{"hello"};
  message.blocks[1].content = Image{"data:image/png;base64,AA==", "low"};
  message.blocks[2].content = Reasoning{"hm", "signed"};
  message.blocks[3].content = ToolCall{"c1", "read", "{\"path\": \"a b\"}"};
  message.blocks[4].content = ToolResult{"c1", "text", true};
  message.blocks[5].content = Opaque{"anthropic", {R"({"type":"redacted_thinking","data":"x"})"}};
  message.blocks[0].source = Source{"src/a.cc", std::nullopt, "read"};
  message.blocks[0].labels = {"work"};
  message.blocks[0].tokens = {1, 2, 3};
  std::string text = json::encode(message);
  auto again = json::decode<Message>(text);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(json::encode(*again), text);
  EXPECT_EQ(std::get<ToolCall>(again->blocks[3].content).arguments, "{\"path\": \"a b\"}");
  EXPECT_EQ(again->blocks[0].tokens, (std::vector<Token>{1, 2, 3}));
}

TEST(Json, RefusesAnUnknownBlockType) {
  auto decoded = json::decode<Block>(R"({"type":"hologram"})", "block");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message, "block.type: unknown type \"hologram\"");
}

}  // namespace
}  // namespace hearth
