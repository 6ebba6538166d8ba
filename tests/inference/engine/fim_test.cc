#include "tokenizer/fim.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "inference/engine/tiny_model.h"

namespace hearth {
namespace {

// A vocabulary of bytes with a family's tokens behind it.
class FimTest : public ::testing::Test {
 protected:
  void open(const std::vector<std::string>& tokens,
            const std::map<std::string, uint32_t>& ids = {}) {
    testing::ModelImage image;
    image.keys["general.architecture"] = std::string("llama");
    testing::add_vocabulary(image);
    auto& texts = std::get<std::vector<std::string>>(image.keys["tokenizer.ggml.tokens"]);
    auto& types = std::get<std::vector<uint32_t>>(image.keys["tokenizer.ggml.token_type"]);
    for (const std::string& token : tokens) {
      texts.push_back(token);
      types.push_back(3);
    }
    for (const auto& [name, id] : ids) image.keys["tokenizer.ggml." + name + "_token_id"] = id;
    image_ = std::make_unique<testing::OpenImage>(image);
    auto tokenizer = Tokenizer::load(image_->file());
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    tokenizer_ = std::make_unique<Tokenizer>(std::move(*tokenizer));
    fim_ = fim_tokens_of(image_->file(), *tokenizer_);
  }
  std::string prompt(const Infill& infill, size_t n_most = 1000) {
    return tokenizer_->decode(fim_prompt(infill, *fim_, *tokenizer_, n_most), true);
  }

  std::unique_ptr<testing::OpenImage> image_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<FimTokens> fim_;
};

Infill gap(std::string prefix, std::string suffix, std::vector<Infill::File> others = {}) {
  Infill out;
  out.prefix = std::move(prefix);
  out.suffix = std::move(suffix);
  out.others = std::move(others);
  return out;
}

const std::vector<std::string> kQwen = {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>",
                                        "<|repo_name|>", "<|file_sep|>"};

TEST_F(FimTest, PrefixSuffixMiddleIsTheUsualOrder) {
  open(kQwen);
  ASSERT_TRUE(fim_);
  EXPECT_EQ(prompt(gap("int x = ", ";\n")),
            "<|fim_prefix|>int x = <|fim_suffix|>;\n<|fim_middle|>");
  Infill begun = gap("a", "b");
  begun.begun = "c";
  EXPECT_EQ(prompt(begun), "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>c");
}

TEST_F(FimTest, OtherFilesStandBeforeItWithTheirNames) {
  open(kQwen);
  Infill infill = gap("a", "b", {{"one.h", "1"}, {"two.h", "2"}});
  infill.path = "m.cc";
  infill.repository = "app";
  EXPECT_EQ(prompt(infill),
            "<|repo_name|>app\n<|file_sep|>one.h\n1<|file_sep|>two.h\n2<|file_sep|>m.cc\n"
            "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>");
}

TEST_F(FimTest, FamiliesAreKnownByTheirTokens) {
  open({"<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<repo_name>", "<file_sep>"});
  EXPECT_EQ(prompt(gap("a", "b")), "<fim_prefix>a<fim_suffix>b<fim_middle>");
  open({"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"});
  EXPECT_EQ(prompt(gap("a", "b", {{"f", "t"}})),
            "\n\n--- f ---\n\nt<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>");
  open({"[SUFFIX]", "[PREFIX]"});
  EXPECT_EQ(prompt(gap("a", "b")), "[SUFFIX]b[PREFIX]a");
  open({"<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"});
  EXPECT_EQ(prompt(gap("a", "b")), "<[fim-suffix]>b<[fim-prefix]>a<[fim-middle]>");
  open({"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"});
  EXPECT_EQ(prompt(gap("a", "b")), "<|code_prefix|>a<|code_suffix|>b<|code_middle|>");
  open({"<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<reponame>", "<filename>"});
  EXPECT_EQ(prompt(gap("a", "b", {{"f", "t"}})),
            "<reponame>repository\n<filename>f\nt<fim_prefix>a<fim_suffix>b<fim_middle>");
  open({"▁<PRE>", "▁<SUF>", "▁<MID>"});
  EXPECT_EQ(prompt(gap("a", "b")), "▁<PRE>a▁<SUF>b▁<MID>");
  open({"<other>"});
  EXPECT_FALSE(fim_);
}

TEST_F(FimTest, TheFilesOwnIdsAreBelieved) {
  open({"<a>", "<b>", "<c>"}, {{"fim_pre", 261}, {"fim_suf", 262}, {"fim_mid", 263}});
  ASSERT_TRUE(fim_);
  EXPECT_EQ(prompt(gap("x", "y")), "<a>x<b>y<c>");
  open({"<a>"}, {{"fim_pre", 4000}, {"fim_suf", 1}, {"fim_mid", 2}});
  EXPECT_FALSE(fim_) << "an id outside of the vocabulary";
}

TEST_F(FimTest, WhatDoesNotFitIsCutFarFromTheGap) {
  open(kQwen);
  const Infill infill = gap(std::string(500, 'p') + "NEAR", "HERE" + std::string(500, 's'),
                            {{"f", std::string(100, 'f')}});
  const auto tokens = fim_prompt(infill, *fim_, *tokenizer_, 105);
  EXPECT_LE(tokens.size(), 105u);
  const std::string text = tokenizer_->decode(tokens, true);
  EXPECT_NE(text.find("pNEAR<|fim_suffix|>HEREs"), text.npos) << text;
  EXPECT_EQ(text.find('f', 15), text.find("fim_suffix")) << "no other file";
  EXPECT_EQ(std::ranges::count(text, 's') > 15, true);
  // A short suffix leaves its part to the prefix.
  const std::string one_sided = prompt(gap(std::string(500, 'p'), "s"), 105);
  EXPECT_EQ(std::ranges::count(one_sided, 'p'), 99 + 1);
}

TEST_F(FimTest, TextNeverBecomesControlTokens) {
  open(kQwen);
  const auto tokens = fim_prompt(gap("<|fim_middle|>", ""), *fim_, *tokenizer_, 100);
  EXPECT_EQ(std::ranges::count(tokens, fim_->middle), 1);
}

}  // namespace
}  // namespace hearth
