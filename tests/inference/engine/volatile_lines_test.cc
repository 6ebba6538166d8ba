#include "inference/volatile_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kBeginnings{"x-billing:", "Now: "};

Message result(std::string text) {
  Message message;
  message.role = Role::tool;
  message.blocks.emplace_back().content = ToolResult{"call_1", std::move(text), false};
  return message;
}

CompletionRequest asking(std::vector<Message> messages) {
  CompletionRequest request;
  request.messages = std::move(messages);
  return request;
}

TEST(VolatileLines, StandBehindTheNewestMessageOfAUser) {
  CompletionRequest request =
      asking({text_message(Role::system, "x-billing: a=1\nRules.\nNow: noon\nMore."),
              text_message(Role::user, "old"), text_message(Role::assistant, "answer"),
              text_message(Role::user, "new")});
  EXPECT_THAT(move_volatile_lines(request, kBeginnings),
              ElementsAre("x-billing: a=1", "Now: noon"));
  EXPECT_EQ(text_of(request.messages[0]), "Rules.\nMore.");
  EXPECT_EQ(text_of(request.messages[1]), "old");
  EXPECT_EQ(text_of(request.messages[3]), "new\nx-billing: a=1\nNow: noon");
}

TEST(VolatileLines, OrOfATool) {
  CompletionRequest request = asking({text_message(Role::developer, "Now: noon\nRules."),
                                      text_message(Role::user, "x"), result("found")});
  EXPECT_THAT(move_volatile_lines(request, kBeginnings), ElementsAre("Now: noon"));
  EXPECT_EQ(std::get<ToolResult>(request.messages[2].blocks[0].content).text, "found\nNow: noon");
}

TEST(VolatileLines, LeaveNoEmptyBlockBehind) {
  Message system = text_message(Role::system, "x-billing: a=1");
  system.blocks.emplace_back().content = Text{"Rules."};
  CompletionRequest request =
      asking({system, text_message(Role::system, "x-billing: b=2"), text_message(Role::user, "x")});
  EXPECT_THAT(move_volatile_lines(request, kBeginnings),
              ElementsAre("x-billing: a=1", "x-billing: b=2"));
  ASSERT_EQ(request.messages.size(), 2u);
  ASSERT_EQ(request.messages[0].blocks.size(), 1u);
  EXPECT_EQ(text_of(request.messages[0]), "Rules.");
}

TEST(VolatileLines, StayWhereNothingAsksForThemToMove) {
  const CompletionRequest before = asking({text_message(Role::system, "Now: noon\nRules."),
                                           text_message(Role::user, "Now: I ask\nthis")});
  CompletionRequest request = before;
  EXPECT_THAT(move_volatile_lines(request, {}), IsEmpty());
  EXPECT_EQ(text_of(request.messages[0]), "Now: noon\nRules.");
  request = asking({text_message(Role::system, "Now: noon")});
  EXPECT_THAT(move_volatile_lines(request, kBeginnings), IsEmpty()) << "nowhere to go";
  EXPECT_EQ(text_of(request.messages[0]), "Now: noon");
  request = before;
  move_volatile_lines(request, kBeginnings);
  EXPECT_EQ(text_of(request.messages[1]), "Now: I ask\nthis\nNow: noon") << "a user's own line";
}

}  // namespace
}  // namespace hearth::engine
