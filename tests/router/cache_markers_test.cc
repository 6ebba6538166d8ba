// Marks of the prompt's cache: where they stand, and that a next turn finds them.
#include "router/providers/cache_markers.h"

#include <gtest/gtest.h>

#include "router/providers/affinity.h"
#include "router/providers/anthropic.h"
#include "router/providers/openai_chat.h"
#include "router/providers/table.h"

namespace hearth::router {
namespace {

size_t count(std::string_view text, std::string_view word) {
  size_t n = 0;
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++n;
  return n;
}

CompletionRequest conversation(size_t n_turns, size_t n_bytes = 8000) {
  CompletionRequest request;
  request.tools = {{"run", "Runs", {R"({"type":"object"})"}, {}}};
  request.messages = {text_message(Role::system, std::string(n_bytes, 's'))};
  for (size_t i = 0; i < n_turns; ++i) {
    request.messages.push_back(text_message(Role::user, "question " + std::to_string(i)));
    request.messages.push_back(text_message(Role::assistant, "answer " + std::to_string(i)));
  }
  request.messages.push_back(text_message(Role::user, "last"));
  return request;
}

std::string claude(const CompletionRequest& request, std::string_view affinity = "a",
                   std::string model = "claude-sonnet-5") {
  Target target;
  target.provider = "anthropic";
  target.model = std::move(model);
  return *anthropic::messages_body(target, {}, request, affinity);
}

std::string without_marks(std::string body) {
  for (std::string_view mark : {R"(,"cache_control":{"type":"ephemeral"})"})
    for (size_t at = body.find(mark); at != body.npos; at = body.find(mark))
      body.erase(at, mark.size());
  return body;
}

TEST(CacheMarkers, AtMostFourStandAtTheEndsOfTurns) {
  const std::string mark = R"("cache_control":{"type":"ephemeral"})";
  EXPECT_EQ(count(claude(conversation(0)), mark), 2u) << "instructions, question";
  EXPECT_EQ(count(claude(conversation(20)), mark), 4u);
  EXPECT_NE(claude(conversation(3)).find(R"({"type":"text","text":"last",)" + mark),
            std::string::npos);
}

TEST(CacheMarkers, NothingElseOfARequestChanges) {
  for (size_t n_turns : {0, 1, 7})
    EXPECT_EQ(without_marks(claude(conversation(n_turns))), claude(conversation(n_turns), ""));
}

// The prefix up to a mark of one turn is, byte for byte, a prefix of the next turn, and marked
// there or before a mark.
TEST(CacheMarkers, TheNextTurnReadsWhatThisOneWrote) {
  for (size_t n_turns = 0; n_turns < 6; ++n_turns) {
    CompletionRequest now = conversation(n_turns), next = conversation(n_turns + 1);
    next.messages[next.messages.size() - 3] = text_message(Role::user, "last");
    const std::string mark = R"(,"cache_control":{"type":"ephemeral"})";
    const std::string first = claude(now), second = claude(next);
    const size_t end = first.rfind(mark);
    ASSERT_NE(end, std::string::npos);
    const std::string prefix = without_marks(first.substr(0, end));
    EXPECT_EQ(without_marks(second).substr(0, prefix.size()), prefix);
    EXPECT_NE(second.find(R"("text":"last")" + mark), std::string::npos)
        << "the same place is marked again";
  }
}

TEST(CacheMarkers, ShortPromptsAndSingleQuestionsHaveNone) {
  EXPECT_EQ(count(claude(conversation(3, 100)), "cache_control"), 0u);
  EXPECT_EQ(count(claude(conversation(3), "a", "claude-haiku-4-5"), "cache_control"), 0u)
      << "it keeps nothing below 4,096 tokens";
  EXPECT_EQ(count(claude(conversation(3), ""), "cache_control"), 0u);
}

// Agents place marks themselves, and rely on them.
TEST(CacheMarkers, AClientsOwnMarksStandAndOursDoNot) {
  CompletionRequest request = conversation(8);
  request.messages[1].blocks[0].cache = "1h";
  const std::string body = claude(request);
  EXPECT_EQ(count(body, "cache_control"), 1u);
  EXPECT_NE(body.find(R"("text":"question 0","cache_control":{"type":"ephemeral","ttl":"1h"})"),
            std::string::npos);
  for (size_t i = 1; i < request.messages.size(); i += 2)
    request.messages[i].blocks[0].cache = "5m";
  EXPECT_EQ(count(claude(request), "cache_control"), 4u) << "no more may stand";
}

TEST(CacheMarkers, TheChatWireMarksWhereAProviderWantsIt) {
  Target target;
  auto marks = [&](std::string_view provider, std::string model) {
    target.provider = provider;
    target.model = std::move(model);
    return count(*openai::chat_body(target, row_of(provider).quirks, conversation(4), "a"),
                 "cache_control");
  };
  EXPECT_EQ(marks("dashscope", "qwen3.7-plus"), 4u);
  EXPECT_EQ(marks("openrouter", "anthropic/claude-sonnet-5"), 4u);
  EXPECT_EQ(marks("openrouter", "openai/gpt-x"), 0u);
  EXPECT_EQ(marks("openai", "gpt-x"), 0u);
}

TEST(Affinity, IsTheSameForAllTurnsOfAConversationAlone) {
  RouteRequest first, second, other;
  first.body = conversation(1);
  second.body = conversation(5);
  other.body = conversation(1);
  other.body.messages[1] = text_message(Role::user, "another");
  EXPECT_EQ(affinity_of(first), affinity_of(second));
  EXPECT_NE(affinity_of(first), affinity_of(other));
  first.facts.session = "s1";
  other.facts.session = "s1";
  EXPECT_EQ(affinity_of(first), affinity_of(other));
  EXPECT_EQ(affinity_of(first).find("s1"), std::string::npos);
  first.facts.task = TaskClass::title;
  EXPECT_EQ(affinity_of(first), "") << "asked once";
}

}  // namespace
}  // namespace hearth::router
