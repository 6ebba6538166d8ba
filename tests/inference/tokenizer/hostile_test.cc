// Vocabularies and texts that somebody made to hurt us.
#include <gtest/gtest.h>
#include <pthread.h>

#include <random>

#include "packed_vocabulary.h"
#include "support/tiny_gguf.h"

namespace hearth {
namespace {

using testing::GgufWriter;

Result<Tokenizer> load(const GgufWriter& writer) {
  const std::string bytes = writer.build();
  const auto file = gguf::File::parse("test.gguf", std::as_bytes(std::span(bytes)));
  if (!file) return file.error();
  return Tokenizer::load(*file);
}

const std::vector<std::string> kThree{"a", "b", "ab"};

GgufWriter three_tokens(std::string_view kind = "gpt2") {
  GgufWriter out;
  out.set("tokenizer.ggml.model", kind).set("tokenizer.ggml.pre", "gpt-2");
  out.set_array("tokenizer.ggml.tokens", kThree);
  out.set_array("tokenizer.ggml.merges", std::vector<std::string>{"a b"});
  return out;
}

// The vocabulary is refused with this code, and the message names the key.
void refuses(const GgufWriter& writer, Errc code, std::string_view key) {
  const auto tokenizer = load(writer);
  ASSERT_FALSE(tokenizer) << key;
  EXPECT_EQ(tokenizer.error().code, code) << tokenizer.error().message;
  EXPECT_NE(tokenizer.error().message.find(key), std::string::npos) << tokenizer.error().message;
}

TEST(HostileVocabulary, UnknownKindsAreRefusedByName) {
  refuses(GgufWriter().set("tokenizer.ggml.model", "rot13"), Errc::unsupported, "rot13");
  refuses(GgufWriter().set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.pre", "nobody"),
          Errc::unsupported, "nobody");
  EXPECT_FALSE(load(GgufWriter()));
  EXPECT_FALSE(load(GgufWriter().set("tokenizer.ggml.model", uint32_t{1})));
}

TEST(HostileVocabulary, ArraysOfWrongTypeOrLengthAreCorrupt) {
  const auto gpt2 = [] {
    return GgufWriter().set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.pre", "gpt-2");
  };
  refuses(gpt2(), Errc::corrupt, "tokens");
  refuses(gpt2().set("tokenizer.ggml.tokens", "abc"), Errc::corrupt, "tokens");
  refuses(gpt2().set_array("tokenizer.ggml.tokens", std::vector<int32_t>{1, 2}), Errc::corrupt,
          "tokens");
  refuses(gpt2().set_array("tokenizer.ggml.tokens", std::vector<std::string>{}), Errc::corrupt,
          "tokens");
  refuses(three_tokens().set_array("tokenizer.ggml.token_type", std::vector<int32_t>{1, 1}),
          Errc::corrupt, "token_type");
  refuses(three_tokens().set_array("tokenizer.ggml.token_type", kThree), Errc::corrupt,
          "token_type");
  refuses(three_tokens().set_array("tokenizer.ggml.scores", std::vector<float>{1, 1}),
          Errc::corrupt, "scores");
  refuses(three_tokens().set_array("tokenizer.ggml.scores", kThree), Errc::corrupt, "scores");
  refuses(gpt2()
              .set_array("tokenizer.ggml.tokens", kThree)
              .set_array("tokenizer.ggml.merges", std::vector<float>{1}),
          Errc::corrupt, "merges");
}

TEST(HostileVocabulary, IdsOutOfRangeAreCorruptOrIgnored) {
  for (const char* key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"}) {
    refuses(three_tokens().set(key, uint32_t{3}), Errc::corrupt, key);
    refuses(three_tokens().set(key, int32_t{-7}), Errc::corrupt, key);
    refuses(three_tokens().set(key, "a"), Errc::corrupt, key);
  }
  const auto tokenizer = load(three_tokens()
                                  .set("tokenizer.ggml.eot_token_id", uint32_t{4000000000})
                                  .set("tokenizer.ggml.unknown_token_id", uint32_t{99})
                                  .set("tokenizer.ggml.eos_token_id", uint32_t{UINT32_MAX}));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->eos(), -1);
  EXPECT_EQ(tokenizer->notes().size(), 2u);
}

TEST(HostileVocabulary, TokensOutOfRangeAreNothing) {
  const auto t = load(three_tokens());
  ASSERT_TRUE(t) << t.error().message;
  for (const Token token : {-1, 3, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(t->piece(token, true), "");
    EXPECT_EQ(t->text(token), "");
    EXPECT_FALSE(t->is_control(token));
    EXPECT_FALSE(t->is_end(token));
  }
  const std::vector<Token> tokens{-1, 0, 99, 2};
  EXPECT_EQ(t->decode(tokens), "aab");
}

TEST(HostileVocabulary, OddTextsAreTaken) {
  const std::string nul("\0x", 2), huge(1 << 20, 'h');
  GgufWriter writer;
  writer.set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.pre", "gpt-2");
  writer.set_array("tokenizer.ggml.tokens",
                   std::vector<std::string>{"", "", nul, "\xFF\xC0", "a", "a", huge, "<0xZZ>"});
  writer.set_array("tokenizer.ggml.token_type", std::vector<int32_t>{1, 3, 3, 3, 1, 4, 3, 6});
  writer.set_array("tokenizer.ggml.merges",
                   std::vector<std::string>{"", " ", "a", "a ", " a", "a  a", "x y", nul + " q"});
  const auto t = load(writer);
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->encode(nul, true, false), std::vector<Token>{2});
  EXPECT_EQ(t->encode("\xFF\xC0", true, false), std::vector<Token>{3});
  EXPECT_EQ(t->find("a"), 4);  // the first of equals
  EXPECT_EQ(t->piece(6, true), huge);
  EXPECT_EQ(t->piece(7), "<0xZZ>");
}

TEST(HostileVocabulary, ScoresThatAreNoNumbersStillEnd) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  GgufWriter writer;
  writer.set("tokenizer.ggml.model", "llama");
  writer.set_array("tokenizer.ggml.tokens", std::vector<std::string>{"a", "aa", "aaa", "aaaa"});
  writer.set_array("tokenizer.ggml.scores", std::vector<float>{nan, -infinity, infinity, nan});
  writer.set("tokenizer.ggml.add_space_prefix", false);
  const auto t = load(writer);
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->decode(t->encode(std::string(1000, 'a'), false, false)), std::string(1000, 'a'));
}

// --- Texts without a break: what is quadratic takes minutes for each of them ---

constexpr size_t kEndless = 256 * 1024;

std::string repeated(std::string_view unit) {
  std::string out;
  while (out.size() < kEndless) out += unit;
  return out;
}

std::vector<std::string> endless_texts() {
  std::vector<std::string> out;
  for (const char* unit :
       {"Z", " ", "\n", " \n", "\t", "\u4E2D", "\u6587A", "\U0001F469\u200D", "\u0301", "7", "'",
        "<|", "aZ", "(", "\xFF", "\xE2\x82", "abcdefghijklmnopqrstuvwxyz", "\u2581", " x"})
    out.push_back(repeated(unit));
  out.push_back(repeated(" ") + "x");
  std::mt19937 random(7);
  std::string bytes(kEndless, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  out.push_back(bytes);
  return out;
}

void encodes_endless_texts(std::string_view vocabulary, std::string_view pre = "") {
  const Tokenizer t = testing::load_packed(vocabulary, pre);
  for (const std::string& text : endless_texts())
    EXPECT_FALSE(t.encode(text, true, false).empty() && vocabulary != "bert-bge") << pre;
}

TEST(HostileText, IsLinearInEveryKind) {
  for (const char* name : {"qwen2", "llama-spm", "bert-bge", "gemma-4"})
    encodes_endless_texts(name);
}

TEST(HostileText, IsLinearInEveryPretokenizer) {
  for (const char* pre : {"llama3", "qwen35", "gpt-4o", "kimi-k2", "deepseek-v3", "youtu",
                          "deepseek-llm", "deepseek-coder", "falcon", "jais-2", "afmoe", "superbpe",
                          "tiny_aya", "bloom", "chameleon", "exaone-moe", "default"})
    encodes_endless_texts("gpt-2", pre);
}

TEST(HostileText, NeedsNoStack) {
  const Tokenizer t = testing::load_packed("gpt-2");
  struct Job {
    const Tokenizer& tokenizer;
    std::string text = repeated("Z");
    size_t n_tokens = 0;
  } job{t};
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 64 * 1024), 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    auto* j = static_cast<Job*>(argument);
    j->n_tokens = j->tokenizer.encode(j->text, true, true).size();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &job), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  EXPECT_GT(job.n_tokens, 50'000u);
}

TEST(RandomBytes, ComeBackAsTheyWere) {
  std::mt19937 random(3);
  for (const char* name : {"gpt-2", "qwen2", "llama-bpe", "llama-spm"}) {
    const Tokenizer t = testing::load_packed(name);
    for (int round = 0; round < 2000; ++round) {
      std::string text(random() % 60, '\0');
      const uint32_t alphabet = round % 2 ? 256 : 128;
      for (char& c : text) c = static_cast<char>(random() % alphabet);
      ASSERT_EQ(t.decode(t.encode(text, false, false)), text) << name << " round " << round;
    }
  }
}

// Deepseek has no token for the byte 0xFA, which no UTF-8 contains, but one for the character
// U+00FA.
TEST(RandomBytes, ThatAVocabularyCannotSpellBecomeOneReplacementCharacter) {
  const Tokenizer t = testing::load_packed("deepseek-llm");
  EXPECT_EQ(t.decode(t.encode("a\xFA\xFBz", false, false)), "a\uFFFDz");
  EXPECT_EQ(t.decode(t.encode("a\u00FAz", false, false)), "a\u00FAz");
}

TEST(RandomBytes, NeverBecomeTheMarkerThatAFileCallsUnknown) {
  const Tokenizer t = testing::load_packed("starcoder");  // unknown is <|endoftext|>
  for (const Token token : t.encode("a\xFF", false, false)) EXPECT_FALSE(t.is_control(token));
  EXPECT_EQ(t.decode(t.encode("a\xFF", false, false)), "a\uFFFD");
}

}  // namespace
}  // namespace hearth
