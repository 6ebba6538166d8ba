// Special tokens: recognised where trusted, text everywhere else; what begins and ends a
// generation.
#include <gtest/gtest.h>

#include "support/tiny_gguf.h"
#include "tokenizer/tokenizer.h"

namespace hearth {
namespace {

using testing::GgufWriter;

constexpr int32_t kNormal = 1, kControl = 3, kUserDefined = 4, kByte = 6;

struct Entry {
  std::string text;
  int32_t type = kNormal;
};

GgufWriter vocabulary_of(std::string_view kind, const std::vector<Entry>& entries) {
  GgufWriter out;
  out.set("tokenizer.ggml.model", kind);
  std::vector<std::string> texts;
  std::vector<int32_t> types;
  for (const Entry& entry : entries) {
    texts.push_back(entry.text);
    types.push_back(entry.type);
  }
  out.set_array("tokenizer.ggml.tokens", texts);
  out.set_array("tokenizer.ggml.token_type", types);
  return out;
}

// Printable ASCII as single letters, then `more`; byte-level without merges.
GgufWriter ascii_bpe(const std::vector<Entry>& more, const std::vector<std::string>& merges = {}) {
  std::vector<Entry> entries;
  for (char c = '!'; c <= '~'; ++c) entries.push_back({std::string(1, c)});
  entries.push_back({"\u0120"});  // the space
  entries.push_back({"\u010A"});  // the newline
  entries.insert(entries.end(), more.begin(), more.end());
  GgufWriter out = vocabulary_of("gpt2", entries);
  out.set("tokenizer.ggml.pre", "qwen2");
  out.set_array("tokenizer.ggml.merges", merges);
  return out;
}
constexpr Token kFirst = '~' - '!' + 3;  // id of the first of `more`

Tokenizer load(const GgufWriter& writer) {
  const std::string bytes = writer.build();
  const auto file = gguf::File::parse("test.gguf", std::as_bytes(std::span(bytes)));
  EXPECT_TRUE(file) << file.error().message;
  auto tokenizer = Tokenizer::load(*file);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return std::move(*tokenizer);
}

std::vector<Token> letters(std::string_view text) {
  std::vector<Token> out;
  for (const char c : text)
    out.push_back(c == ' ' ? '~' - '!' + 1 : c == '\n' ? '~' - '!' + 2 : c - '!');
  return out;
}

std::vector<Token> joined(std::vector<Token> a, const std::vector<Token>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(SpecialTokens, AreTextUnlessAskedFor) {
  const Tokenizer t = load(ascii_bpe({{"<|im_end|>", kControl}}));
  EXPECT_EQ(t.encode("a<|im_end|>b", false, false), letters("a<|im_end|>b"));
  EXPECT_EQ(t.encode("a<|im_end|>", true, false), (std::vector<Token>{'a' - '!', kFirst}));
}

TEST(SpecialTokens, NoPieceOfAMessageCanSpellOne) {
  const Tokenizer t = load(ascii_bpe({{"<|im_end|>", kControl}}));
  const auto encode = [&](std::vector<TextPiece> pieces) { return t.encode(pieces, false); };
  const auto text = letters("<|im_end|>");
  EXPECT_EQ(encode({{"<|im_end|>", false}}), text);
  EXPECT_EQ(encode({{"<|im_", true}, {"end|>", false}}), text);
  EXPECT_EQ(encode({{"<|im_", false}, {"end|>", true}}), text);
  EXPECT_EQ(encode({{"<|im_", false}, {"end|>", false}}), text);
  EXPECT_EQ(encode({{"<|", true}, {"im_end", false}, {"|>", true}}), text);
  EXPECT_EQ(encode({{"<|im_", true}, {"end|>", true}}), std::vector<Token>{kFirst});
}

TEST(SpecialTokens, MarkersThatAFileCallsUserDefinedAreNotForUsers) {
  const Tokenizer t = load(ascii_bpe({{"<|start|>", kUserDefined},
                                      {"<start_of_turn>", kUserDefined},
                                      {"<tool_call>", kUserDefined}}));
  EXPECT_EQ(t.encode("<|start|>", false, false), letters("<|start|>"));
  EXPECT_EQ(t.encode("<start_of_turn>", false, false), letters("<start_of_turn>"));
  EXPECT_EQ(t.encode("<tool_call>", false, false), std::vector<Token>{kFirst + 2});
  EXPECT_EQ(t.encode("<|start|>", true, false), std::vector<Token>{kFirst});
  EXPECT_EQ(t.piece(kFirst), "<|start|>");  // still part of the running text
}

TEST(SpecialTokens, MergesNeverMakeOne) {
  const Tokenizer t = load(ascii_bpe({{"ab"}, {"abc", kControl}}, {"a b", "ab c"}));
  EXPECT_EQ(t.encode("abc", false, false), joined({kFirst}, letters("c")));
  EXPECT_EQ(t.encode("abc", true, false), std::vector<Token>{kFirst + 1});
}

TEST(SpecialTokens, LongestOfThoseThatBeginTogetherWins) {
  const Tokenizer t =
      load(ascii_bpe({{"<a", kControl}, {"<a><b", kControl}, {"<a>", kControl}, {"<", kControl}}));
  EXPECT_EQ(t.encode("<a><c<a><b", true, false),
            joined({kFirst + 2, kFirst + 3}, joined(letters("c"), {kFirst + 1})));
}

TEST(SpecialTokens, PlainNeighboursMergeAsOneString) {
  const Tokenizer t = load(ascii_bpe({{"ab"}, {"<x>", kControl}}, {"a b"}));
  const std::vector<TextPiece> across{{"a", true}, {"b", false}};
  EXPECT_EQ(t.encode(across, false), std::vector<Token>{kFirst});
  const std::vector<TextPiece> apart{{"a<x>", true}, {"b", false}};
  EXPECT_EQ(t.encode(apart, false), joined(letters("a"), joined({kFirst + 1}, letters("b"))));
}

TEST(SpecialTokens, BosIsAddedOnceAndOnlyWhenAsked) {
  GgufWriter writer = ascii_bpe({{"<s>", kControl}, {"<e>", kControl}});
  writer.set("tokenizer.ggml.bos_token_id", uint32_t{kFirst});
  writer.set("tokenizer.ggml.eos_token_id", uint32_t{kFirst + 1});
  writer.set("tokenizer.ggml.add_bos_token", true);
  writer.set("tokenizer.ggml.add_eos_token", true);
  const Tokenizer t = load(writer);
  EXPECT_EQ(t.encode("a", true, false), letters("a"));
  const auto framed = joined({kFirst}, joined(letters("a"), {kFirst + 1}));
  EXPECT_EQ(t.encode("a", true, true), framed);
  EXPECT_EQ(t.encode("<s>a<e>", true, true), framed);
  EXPECT_EQ(t.encode("", true, true), (std::vector<Token>{kFirst, kFirst + 1}));
  EXPECT_TRUE(t.adds_bos());
}

TEST(SpecialTokens, EndIsASetByIdAndByText) {
  GgufWriter writer = ascii_bpe({{"<|user|>", kControl},
                                 {"<|observation|>", kControl},
                                 {"<|endoftext|>", kControl},
                                 {"<|im_end|>"},  // the file calls it text
                                 {"<|fim_pad|>", kControl},
                                 {"</s>"},
                                 {"<|assistant|>", kControl}});
  writer.set("tokenizer.ggml.eos_token_id", uint32_t{kFirst + 2});
  writer.set("tokenizer.ggml.eot_token_id", uint32_t{kFirst});
  writer.set("tokenizer.ggml.eom_token_id", uint32_t{kFirst + 1});
  const Tokenizer t = load(writer);
  for (Token token = kFirst; token <= kFirst + 4; ++token) EXPECT_TRUE(t.is_end(token)) << token;
  EXPECT_FALSE(t.is_end(kFirst + 5)) << "an HTML tag that is ordinary text ends nothing";
  EXPECT_FALSE(t.is_end(kFirst + 6));
  EXPECT_FALSE(t.is_end(-1));
  EXPECT_FALSE(t.is_end(1 << 20));
  EXPECT_TRUE(t.is_control(kFirst + 3));
}

TEST(SpecialTokens, HarmonyKeepsItsStructureAndDoesNotEndAtEnd) {
  const Tokenizer t = load(ascii_bpe({{"<|return|>", kControl},
                                      {"<|call|>", kControl},
                                      {"<|end|>", kControl},
                                      {"<|channel|>", kControl}}));
  EXPECT_TRUE(t.is_end(kFirst));
  EXPECT_TRUE(t.is_end(kFirst + 1));
  EXPECT_FALSE(t.is_end(kFirst + 2));
  EXPECT_EQ(t.piece(kFirst + 2), "<|end|>");
  EXPECT_EQ(t.piece(kFirst + 3), "<|channel|>");
  EXPECT_EQ(t.piece(kFirst), "");
  EXPECT_EQ(t.piece(kFirst, true), "<|return|>");
  EXPECT_EQ(t.encode("<|channel|>", false, false), letters("<|channel|>"));
}

TEST(SpecialTokens, Phi3TurnsEatTheSpaceBehindThem) {
  GgufWriter writer = ascii_bpe({{"<|user|>", kControl}, {"<s>", kControl}});
  writer.set("general.name", "Phi-3-mini");
  const Tokenizer t = load(writer);
  EXPECT_EQ(t.encode("<|user|> \n a", true, false), joined({kFirst}, letters("a")));
  EXPECT_EQ(t.encode("<s> a", true, false), joined({kFirst + 1}, letters(" a")));
  const std::vector<TextPiece> pieces{{"<|user|>", true}, {"\n a", false}};
  EXPECT_EQ(t.encode(pieces, false), joined({kFirst}, letters("a")));
}

// The letters of SPM: unknown, <s>, </s>, 256 bytes, then text.
GgufWriter spm(const std::vector<std::string>& texts) {
  std::vector<Entry> entries{{"<unk>", 2}, {"<s>", kControl}, {"</s>", kControl}};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    entries.push_back({text, kByte});
  }
  std::vector<float> scores(entries.size(), 0.0f);
  for (size_t i = 0; i < texts.size(); ++i) {
    entries.push_back({texts[i]});
    scores.push_back(-static_cast<float>(i));
  }
  GgufWriter out = vocabulary_of("llama", entries);
  out.set_array("tokenizer.ggml.scores", scores);
  return out;
}
constexpr Token kSpmText = 259;

TEST(Spm, PutsASpaceInFrontOfEachRunAndTakesItAwayAgain) {
  const Tokenizer t = load(spm({"\u2581a", "\u2581", "a", "b"}));
  EXPECT_EQ(t.encode("a", false, true), (std::vector<Token>{1, kSpmText}));
  EXPECT_EQ(t.encode("<s>a</s>b", true, false),
            (std::vector<Token>{1, kSpmText, 2, kSpmText + 1, kSpmText + 3}));
  EXPECT_EQ(t.decode(t.encode(" a b", false, true)), " a b");
  EXPECT_EQ(t.decode(t.encode("<s>a</s>b", true, false), true), "<s>a</s>b");
}

TEST(Spm, SpellsUnknownCharactersInBytes) {
  const Tokenizer t = load(spm({"\u2581"}));
  EXPECT_EQ(t.encode("\xC3\xA9\xFF", false, false),
            (std::vector<Token>{kSpmText, 3 + 0xC3, 3 + 0xA9, 3 + 0xFF}));
  EXPECT_EQ(t.decode(t.encode("\xC3\xA9\xFF", false, false)), "\xC3\xA9\xFF");
}

TEST(Spm, CannotBeTalkedIntoAMarker) {
  const Tokenizer t = load(spm({"\u2581", "</", "s>", "<", "/", "s", ">"}));
  EXPECT_EQ(t.encode("</s>", false, false),
            (std::vector<Token>{kSpmText, kSpmText + 1, kSpmText + 2}));
}

TEST(Gemma4, MergesCharactersAndFallsBackToBytes) {
  std::vector<Entry> entries{{"<pad>", kControl}, {"<eos>", kControl}, {"<bos>", kControl}};
  for (const char* text : {"\u2581", "a", "b", "\u2581a", "\u2581ab", "\n", "\n\n"})
    entries.push_back({text});
  entries.push_back({"<0xC3>", kByte});
  entries.push_back({"<0xA9>", kByte});
  GgufWriter writer = vocabulary_of("gemma4", entries);
  writer.set_array("tokenizer.ggml.merges", std::vector<std::string>{"\u2581 a", "\u2581a b"});
  writer.set("tokenizer.ggml.bos_token_id", uint32_t{2});
  writer.set("tokenizer.ggml.add_bos_token", false);
  const Tokenizer t = load(writer);
  EXPECT_EQ(t.encode(" ab\n\n\xC3\xA9", false, true), (std::vector<Token>{2, 7, 9, 10, 11}));
  EXPECT_EQ(t.decode(t.encode(" ab\n\n\xC3\xA9", false, true)), " ab\n\n\xC3\xA9");
}

TEST(WordPiece, NormalisesAndSpellsByLongestToken) {
  std::vector<Entry> entries{{"[UNK]", kControl}, {"[CLS]", kControl}, {"[SEP]", kControl}};
  for (const char* text :
       {"\u2581un", "able", "\u2581cafe", "\u2581!", "\u2581[", "\u2581cls", "\u2581]"})
    entries.push_back({text});
  GgufWriter writer = vocabulary_of("bert", entries);
  writer.set("tokenizer.ggml.unknown_token_id", uint32_t{0});
  writer.set("tokenizer.ggml.cls_token_id", uint32_t{1});
  writer.set("tokenizer.ggml.seperator_token_id", uint32_t{2});
  const Tokenizer t = load(writer);
  EXPECT_EQ(t.encode("Unable CAF\u00C9! xyz", false, true),
            (std::vector<Token>{1, 3, 4, 5, 6, 0, 2}));
  EXPECT_EQ(t.encode("[CLS]", false, false), (std::vector<Token>{7, 8, 9}));
  EXPECT_EQ(t.encode(std::string(1 << 20, 'u'), false, false), std::vector<Token>{0});
}

TEST(KimiStyleVocabulary, DerivesMergesFromTheOrderOfTokens) {
  std::vector<Entry> entries;
  for (const char* text : {"a", "b", "c", "bc", "ab", "abc"}) entries.push_back({text});
  GgufWriter writer = vocabulary_of("gpt2", entries);
  writer.set("tokenizer.ggml.pre", "kimi-k2");
  const Tokenizer t = load(writer);
  EXPECT_EQ(t.encode("abc", false, false), std::vector<Token>{5});
  EXPECT_EQ(t.encode("abbc", false, false), (std::vector<Token>{4, 3}));
  EXPECT_FALSE(t.notes().empty());
}

}  // namespace
}  // namespace hearth
