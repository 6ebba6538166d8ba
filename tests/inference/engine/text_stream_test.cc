#include "engine/text_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/engine/tiny_model.h"

namespace hearth::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kThe;
using testing::kThink;
using testing::kUnthink;

using Markers = dialects::ReasoningMarkers;

const Tokenizer& tokenizer() {
  static const Tokenizer instance = [] {
    testing::ModelImage image;
    testing::add_vocabulary(image);
    image.keys["general.architecture"] = std::string("llama");
    testing::OpenImage open(image);
    auto loaded = Tokenizer::load(open.file());
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    return std::move(*loaded);
  }();
  return instance;
}

std::vector<Token> bytes(std::string_view text) {
  std::vector<Token> out;
  for (char c : text) out.push_back(static_cast<uint8_t>(c));
  return out;
}

struct Shown {
  std::string answer, reasoning;
  std::vector<std::string> steps;  // what each token made visible
  std::vector<Token> answer_tokens, reasoning_tokens;
  std::optional<std::string> stop;
};

Shown show(const std::vector<Token>& tokens, std::vector<std::string> stop = {},
           std::optional<Markers> markers = std::nullopt) {
  TextStream stream(tokenizer(), {.markers = std::move(markers), .stop_strings = std::move(stop)});
  Shown out;
  auto add = [&](const std::vector<StreamDelta>& pieces) {
    std::string step;
    for (const auto& piece : pieces) {
      const bool is_reasoning = piece.kind == StreamDelta::Kind::reasoning;
      (is_reasoning ? out.reasoning : out.answer) += piece.text;
      auto& ids = is_reasoning ? out.reasoning_tokens : out.answer_tokens;
      ids.insert(ids.end(), piece.tokens.begin(), piece.tokens.end());
      step += piece.text;
    }
    out.steps.push_back(step);
  };
  for (Token token : tokens) add(stream.push(token));
  add(stream.finish(false));
  out.stop = stream.stop_string();
  return out;
}

std::vector<Token> join(std::initializer_list<std::vector<Token>> parts) {
  std::vector<Token> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

TEST(TextStream, ShowsTextAsItComes) {
  Shown shown = show({'a', kThe, 'b'});
  EXPECT_THAT(shown.steps, ElementsAre("a", "the", "b", ""));
  EXPECT_THAT(shown.answer_tokens, ElementsAre('a', kThe, 'b'));
}

TEST(TextStream, HoldsBackHalfACharacter) {
  Shown shown = show(bytes("\u20ac!"));
  EXPECT_THAT(shown.steps, ElementsAre("", "", "\u20ac", "!", ""));
  EXPECT_THAT(shown.answer_tokens, ElementsAre(0xe2, 0x82, 0xac, '!'));
}

TEST(TextStream, ACharacterCutOffByTheEndIsReplaced) {
  Shown shown = show(bytes("a\xe2\x82"));
  EXPECT_EQ(shown.answer, "a\ufffd");
  EXPECT_THAT(shown.answer_tokens, ElementsAre('a', 0xe2, 0x82));
}

TEST(TextStream, StopsAtAStringAcrossTokens) {
  Shown shown = show(bytes("hello END more"), {"END"});
  EXPECT_EQ(shown.answer, "hello ");
  EXPECT_EQ(shown.stop, "END");
  EXPECT_THAT(shown.answer_tokens, ElementsAre('h', 'e', 'l', 'l', 'o', ' '));
}

TEST(TextStream, StopsInsideAToken) {
  Shown shown = show({'a', kThe, 'b'}, {"he"});
  EXPECT_EQ(shown.answer, "at");
  EXPECT_EQ(shown.stop, "he");
}

TEST(TextStream, ReleasesWhatTurnsOutNotToBeAStop) {
  Shown shown = show(bytes("E EN ENx"), {"END"});
  EXPECT_EQ(shown.answer, "E EN ENx");
  EXPECT_EQ(shown.stop, std::nullopt);
  EXPECT_THAT(shown.steps, ElementsAre("", "E ", "", "", "EN ", "", "", "ENx", ""));
}

TEST(TextStream, ReleasesHeldTextAtTheEnd) {
  Shown shown = show(bytes("abEN"), {"END"});
  EXPECT_EQ(shown.answer, "abEN");
  EXPECT_THAT(shown.answer_tokens, ElementsAre('a', 'b', 'E', 'N'));
}

TEST(TextStream, TheEarliestOfSeveralStopsWins) {
  EXPECT_EQ(show(bytes("abcdef"), {"ef", "cd", "bcx"}).answer, "ab");
  EXPECT_EQ(show({kThe}, {"e", "h"}).stop, "h");
}

TEST(TextStream, OverlappingBeginningsOfAStopAreFound) {
  EXPECT_EQ(show(bytes("aaab"), {"aab"}).answer, "a");
  EXPECT_EQ(show(bytes("ababac"), {"abac"}).answer, "ab");
}

TEST(TextStream, AStopMayBeginInsideACharacterOfSeveralBytes) {
  EXPECT_EQ(show(bytes("x\u20ac\u20ac"), {"\u20ac"}).answer, "x");
}

TEST(TextStream, EmptyStopStringsMeanNothing) { EXPECT_EQ(show(bytes("ab"), {""}).answer, "ab"); }

const Markers kMarkers{"<think>", "</think>", false};

TEST(TextStream, TellsReasoningFromTheAnswer) {
  auto tokens = join({{kThink, '\n'}, bytes("why"), {kUnthink, '\n', '\n'}, bytes("so")});
  Shown shown = show(tokens, {}, kMarkers);
  EXPECT_EQ(shown.reasoning, "why");
  EXPECT_EQ(shown.answer, "so");
  EXPECT_EQ(join({shown.reasoning_tokens, shown.answer_tokens}), tokens);
}

TEST(TextStream, MarkersMayComeInPieces) {
  Shown shown = show(bytes("<think>why</think>so"), {}, kMarkers);
  EXPECT_EQ(shown.reasoning, "why");
  EXPECT_EQ(shown.answer, "so");
}

TEST(TextStream, APromptMayHaveOpenedTheReasoning) {
  Markers opened{"<think>", "</think>", true};
  EXPECT_EQ(show(join({bytes("why"), {kUnthink}, bytes("so")}), {}, opened).reasoning, "why");
  EXPECT_EQ(show(join({bytes("why"), {kUnthink}, bytes("so")}), {}, opened).answer, "so");
  EXPECT_EQ(show(join({{kThink}, bytes("why"), {kUnthink}}), {}, opened).reasoning, "why");
}

TEST(TextStream, MarkersLaterInTheAnswerAreText) {
  Shown shown = show(join({bytes("a "), {kThink}, bytes("b")}), {}, kMarkers);
  EXPECT_EQ(shown.answer, "a <think>b");
  EXPECT_EQ(shown.reasoning, "");
}

TEST(TextStream, WithoutMarkersThinkingIsText) {
  EXPECT_EQ(show({kThink, 'a'}).answer, "<think>a");
}

TEST(TextStream, StopStringsDoNotEndReasoning) {
  Shown shown =
      show(join({{kThink}, bytes("a END"), {kUnthink}, bytes("b END c")}), {"END"}, kMarkers);
  EXPECT_EQ(shown.reasoning, "a END");
  EXPECT_EQ(shown.answer, "b ");
}

TEST(TextStream, AnUnfinishedMarkerIsTextAtTheEnd) {
  EXPECT_EQ(show(bytes("<thi"), {}, kMarkers).answer, "<thi");
  EXPECT_EQ(show(join({{kThink}, bytes("a</th")}), {}, kMarkers).reasoning, "a</th");
}

TEST(TextStream, NothingFollowsAStop) {
  TextStream stream(tokenizer(), {.stop_strings = {"b"}});
  EXPECT_EQ(stream.push('a').size(), 1u);
  EXPECT_THAT(stream.push('b'), IsEmpty());
  EXPECT_THAT(stream.push('c'), IsEmpty());
  EXPECT_THAT(stream.finish(false), IsEmpty());
}

}  // namespace
}  // namespace hearth::engine
