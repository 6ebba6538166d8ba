#include "wire/parts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

namespace hearth::wire {
namespace {

using Kind = StreamDelta::Kind;

// What was heard, as text: "<kind name text>" for each part, checking that one closes before the
// next opens.
class Heard : public PartSink {
 public:
  void open(const Part& part) override {
    EXPECT_FALSE(is_open_) << all;
    is_open_ = true;
    all += fmt::format("<{}{} ", static_cast<int>(part.kind),
                       part.name.empty() ? "" : ":" + part.name + "=" + part.call_id);
  }
  void piece(const Part&, std::string_view text) override {
    EXPECT_TRUE(is_open_);
    all += text;
  }
  void close(const Part&) override {
    EXPECT_TRUE(is_open_);
    is_open_ = false;
    all += ">";
  }
  void opaque(const Part* reasoning, std::string_view provider, std::string_view json) override {
    EXPECT_EQ(is_open_, reasoning != nullptr);
    all += fmt::format("[{}:{}]", provider, json);
  }
  std::string all;

 private:
  bool is_open_ = false;
};

StreamDelta say(Kind kind, std::string text) {
  StreamDelta delta;
  delta.kind = kind;
  delta.text = std::move(text);
  return delta;
}

StreamDelta call(uint32_t index, std::string text, std::string name = "") {
  StreamDelta delta = say(Kind::tool_call, std::move(text));
  delta.tool_index = index;
  if (!name.empty()) delta.tool_id = "id" + name;
  delta.tool_name = std::move(name);
  return delta;
}

std::string heard(const std::vector<StreamDelta>& deltas) {
  Heard sink;
  Parts parts(sink);
  for (const StreamDelta& delta : deltas) parts.hear(delta);
  parts.finish();
  return sink.all;
}

TEST(Parts, OnePartClosesBeforeTheNextOpens) {
  EXPECT_EQ(heard({say(Kind::reasoning, "h"), say(Kind::reasoning, "m"), say(Kind::text, "a"),
                   say(Kind::text, ""), say(Kind::text, "b"), call(0, "{}", "f")}),
            "<1 hm><0 ab><2:f=idf {}>");
}

TEST(Parts, WhatSignsAThoughtEndsIt) {
  StreamDelta sign = say(Kind::opaque, "{s}");
  sign.provider = "p";
  EXPECT_EQ(heard({say(Kind::reasoning, "a"), sign, say(Kind::reasoning, "b"), sign}),
            "<1 a[p:{s}]><1 b[p:{s}]>");
  EXPECT_EQ(heard({say(Kind::text, "a"), sign, say(Kind::text, "b")}), "<0 a>[p:{s}]<0 b>");
}

TEST(Parts, MixedPiecesOfCallsAreToldOneCallAfterTheOther) {
  EXPECT_EQ(heard({call(0, "", "f"), call(1, "", "g"), call(0, "{\"a\""), call(1, "{"),
                   call(0, ":1}"), call(1, "}")}),
            R"(<2:f=idf {"a":1}><2:g=idg {}>)");
  EXPECT_EQ(heard({call(0, "{}", "f"), call(1, "{}", "g"), call(2, "{", "h")}),
            "<2:f=idf {}><2:g=idg {}><2:h=idh {>");
  EXPECT_EQ(heard({call(0, "{", "f"), call(1, "{}", "g"), say(Kind::text, "so")}),
            "<2:f=idf {><2:g=idg {}><0 so>")
      << "an answer that is cut short loses nothing";
}

TEST(Parts, ACallWithoutAnIdGetsOne) {
  StreamDelta delta = call(0, "{}", "f");
  delta.tool_id.clear();
  EXPECT_EQ(heard({delta}).substr(0, 10), "<2:f=call-");
}

// However pieces of several calls are mixed, each call is heard whole and in its order.
TEST(Parts, NothingIsLostInAnyMixture) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> rest;
    std::string expected;
    for (size_t i = 0; i < 1 + random() % 4; ++i) {
      rest.push_back(fmt::format(R"({{"k":{{"n":[{},"x}}"]}}}})", random() % 1000));
      expected += fmt::format("<2:f{}=idf{} {}>", i, i, rest.back());
    }
    std::vector<StreamDelta> deltas;
    for (uint32_t i = 0; i < rest.size(); ++i) deltas.push_back(call(i, "", fmt::format("f{}", i)));
    for (bool is_left = true; is_left;) {
      const auto i = static_cast<uint32_t>(random() % rest.size());
      const size_t n = random() % 5;
      deltas.push_back(call(i, rest[i].substr(0, n)));
      rest[i].erase(0, n);
      is_left = false;
      for (const std::string& each : rest) is_left = is_left || !each.empty();
    }
    ASSERT_EQ(heard(deltas), expected) << round;
  }
}

TEST(Parts, AMessageIsHeardAsItsStreamWas) {
  const std::vector<StreamDelta> deltas = {say(Kind::reasoning, "r"), say(Kind::text, "t"),
                                           call(0, "{}", "f"), call(1, "{\"a\":2}", "g")};
  Message message;
  for (const StreamDelta& delta : deltas) append(message, delta);
  EXPECT_EQ(heard(deltas_of(message)), heard(deltas));
}

}  // namespace
}  // namespace hearth::wire
