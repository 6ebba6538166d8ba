// The format's own transcripts, read as answers come: each begins behind "<|start|>assistant",
// where the prompt ends.
#include <gtest/gtest.h>

#include "inference/dialects/read.h"
#include "support/transcript.h"

namespace hearth {
namespace {

using testing::dialect_named;
using testing::read;
using testing::transcript;

// The answers of a conversation, each with all of its messages.
std::vector<std::string> answers_of(const std::string& conversation) {
  constexpr std::string_view kStart = "<|start|>", kMine = "<|start|>assistant";
  std::vector<std::string> out;
  for (size_t at = 0; (at = conversation.find(kMine, at)) != conversation.npos;) {
    const size_t begin = at + kMine.size();
    for (at = begin; (at = conversation.find(kStart, at)) != conversation.npos; ++at)
      if (conversation.compare(at, kMine.size(), kMine) != 0) break;
    out.push_back(conversation.substr(begin, at == conversation.npos ? at : at - begin));
    if (at == conversation.npos) break;
  }
  return out;
}

void expect(const std::string& answer, const std::string& expected) {
  const testing::ReadOptions options{.dialect = dialect_named("harmony")};
  EXPECT_EQ(read({answer}, options), expected);
  std::vector<std::string> bytes;
  for (char byte : answer) bytes.emplace_back(1, byte);
  EXPECT_EQ(read(bytes, options), expected);
  for (size_t cut = 1; cut < answer.size(); cut += 3)
    EXPECT_EQ(read({answer.substr(0, cut), answer.substr(cut)}, options), expected) << cut;
}

TEST(Harmony, ACallThatFollowsThinkingIsReadAndOthersMessagesAreNot) {
  const std::string text = transcript("streamable_parser");
  const std::string thought = text.substr(0, text.find("<|end|>"))
                                  .substr(std::string("<|channel|>analysis<|message|>").size());
  expect(text, "(" + thought +
                   ")[#0 browser.search {\"query\": \"current US president July 2025\", "
                   "\"topn\": 10, \"source\": \"news\"}]");
}

TEST(Harmony, ARecipientBeforeTheChannelIsRead) {
  const auto answers = answers_of(transcript("does_not_drop_if_ongoing_analysis"));
  ASSERT_EQ(answers.size(), 2u);
  expect(answers[0],
         "(User asks: “What is the weather in SF?” We need to use lookup_weather tool.)"
         "[#0 lookup_weather {\"location\": \"San Francisco\"}]");
  expect(answers[1], "");
}

// Its channel is that of thinking, and "code" its kind.
TEST(Harmony, ACallMayStandInAnyChannelAndOfAnyKind) {
  expect(transcript("simple_tool_call"),
         "(User asks: \"What is the weather in Tokyo?\" We need to use lookup_weather tool.)"
         "[#0 lookup_weather {\"location\": \"Tokyo\"}]");
}

TEST(Harmony, AThoughtMayEndAsAnAnswerDoes) {
  expect(transcript("simple_reasoning_response"),
         "(User asks: \"What is 2 + 2?\" Simple arithmetic. Provide answer.)2 + 2 = 4.");
}

TEST(Harmony, AToolsMessageIsNobodysToSee) { expect(transcript("tool_response_parsing"), ""); }

TEST(Harmony, FinalsAndThinkingAreToldApart) {
  const auto kept = answers_of(transcript("preserve_cot"));
  ASSERT_EQ(kept.size(), 2u);
  expect(kept[0],
         "(User asks a simple question: \"What is 2 + 2?\" The answer: 4.)2 + 2 equals 4.");
  const auto dropped = answers_of(transcript("dropping_cot_by_default"));
  ASSERT_EQ(dropped.size(), 2u);
  expect(dropped[0], "2 + 2 equals 4.");
  const auto between = answers_of(transcript("keep_analysis_between_finals"));
  ASSERT_EQ(between.size(), 2u);
  expect(between[0], "4");
  expect(between[1], "(thinking 3+5)8");
}

}  // namespace
}  // namespace hearth
