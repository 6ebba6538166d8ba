// Gaps in the vocabularies of real models.
#include <gtest/gtest.h>

#include "packed_vocabulary.h"
#include "tokenizer/fim.h"

namespace hearth {
namespace {

struct Model {
  explicit Model(std::string_view name)
      : bytes(testing::unpack_vocabulary(name)),
        file(*gguf::File::parse(name, std::as_bytes(std::span(bytes)))),
        tokenizer(*Tokenizer::load(file)) {}
  std::string bytes;
  gguf::File file;
  Tokenizer tokenizer;
};

Infill gap() {
  Infill out;
  out.prefix = "def f(x):\n    return ";
  out.suffix = "\n\nprint(f(1))\n";
  return out;
}

std::vector<Token> joined(std::initializer_list<std::vector<Token>> parts) {
  std::vector<Token> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

TEST(FimVocabularies, StarCoder) {
  const Model model("starcoder");
  const auto fim = fim_tokens_of(model.file, model.tokenizer);
  ASSERT_TRUE(fim);
  const auto encode = [&](std::string_view text) {
    return model.tokenizer.encode(text, false, false);
  };
  EXPECT_EQ(fim_prompt(gap(), *fim, model.tokenizer, 1000),
            joined({{1}, encode(gap().prefix), {3}, encode(gap().suffix), {2}}));
  Infill named = gap();
  named.path = "f.py";
  named.repository = "app";
  EXPECT_EQ(fim_prompt(named, *fim, model.tokenizer, 1000), joined({{5},
                                                                    encode("app\n"),
                                                                    {6},
                                                                    encode("f.py\n"),
                                                                    {1},
                                                                    encode(gap().prefix),
                                                                    {3},
                                                                    encode(gap().suffix),
                                                                    {2}}));
  EXPECT_TRUE(model.tokenizer.is_end(6)) << "another file ends the answer";
}

TEST(FimVocabularies, DeepSeekCoder) {
  const Model model("deepseek-coder");
  const auto fim = fim_tokens_of(model.file, model.tokenizer);
  ASSERT_TRUE(fim);
  const auto encode = [&](std::string_view text) {
    return model.tokenizer.encode(text, false, false);
  };
  EXPECT_EQ(fim_prompt(gap(), *fim, model.tokenizer, 1000), joined({{model.tokenizer.bos()},
                                                                    {32016},
                                                                    encode(gap().prefix),
                                                                    {32015},
                                                                    encode(gap().suffix),
                                                                    {32017}}));
}

// As CodeLlama's own code has it: the text before the gap begins like any text, with a space, and
// the one behind it does not.
TEST(FimVocabularies, OnlyTheFirstTextOfASentencePieceBegins) {
  const Tokenizer tokenizer = testing::load_packed("llama-spm");
  const FimTokens fim{.prefix = 3, .suffix = 4, .middle = 5};
  Infill infill;
  infill.prefix = "x";
  infill.suffix = "y";
  const std::vector<Token> tokens = fim_prompt(infill, fim, tokenizer, 100);
  std::vector<std::string_view> texts;
  for (Token token : tokens) texts.push_back(tokenizer.text(token));
  ASSERT_EQ(texts.size(), 6u);
  EXPECT_EQ(texts[2], "▁x");
  EXPECT_EQ(texts[4], "y");
}

TEST(FimVocabularies, MostModelsHaveNone) {
  for (const char* name : {"gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "falcon"}) {
    const Model model(name);
    EXPECT_FALSE(fim_tokens_of(model.file, model.tokenizer)) << name;
  }
}

}  // namespace
}  // namespace hearth
