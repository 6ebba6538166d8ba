// The vocabularies of llama.cpp's own tests, with the ids that the reference tokenizers give.
#include <gtest/gtest.h>

#include <charconv>

#include "packed_vocabulary.h"

namespace hearth {
namespace {

struct Vocabulary {
  std::string_view expectations;  // NAME.inp and NAME.out
  std::string_view vocabulary;
  std::string_view pre;  // where the vocabulary is that of another name
};

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> out;
  for (size_t at; (at = text.find(separator)) != text.npos;) {
    out.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  if (!text.empty()) out.emplace_back(text);
  return out;
}

std::vector<Token> ids_of(std::string_view line) {
  std::vector<Token> out;
  for (const std::string& word : split(line, " ")) {
    Token id = -1;
    if (std::from_chars(word.data(), word.data() + word.size(), id).ec == std::errc())
      out.push_back(id);
  }
  return out;
}

class TokenizerConformance : public ::testing::TestWithParam<Vocabulary> {};

TEST_P(TokenizerConformance, GivesTheReferenceIds) {
  const Vocabulary& v = GetParam();
  const Tokenizer tokenizer = testing::load_packed(v.vocabulary, v.pre);
  const auto texts =
      split(testing::read_data(std::string(v.expectations) + ".inp"), "\n__ggml_vocab_test__\n");
  const auto lines = split(testing::read_data(std::string(v.expectations) + ".out"), "\n");
  ASSERT_EQ(texts.size(), lines.size());
  ASSERT_GE(texts.size(), 45u);
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(tokenizer.encode(texts[i], false, false), ids_of(lines[i])) << "text: " << texts[i];
}

TEST_P(TokenizerConformance, DecodesToTheTextUnlessTheKindNormalises) {
  const Vocabulary& v = GetParam();
  if (v.vocabulary == "bert-bge") return;  // lower-cases and drops spaces: nothing to compare with
  const Tokenizer tokenizer = testing::load_packed(v.vocabulary, v.pre);
  for (const std::string& text :
       split(testing::read_data(std::string(v.expectations) + ".inp"), "\n__ggml_vocab_test__\n"))
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, false, false)), text);
}

INSTANTIATE_TEST_SUITE_P(
    All, TokenizerConformance,
    ::testing::Values(Vocabulary{"bert-bge", "bert-bge", ""},
                      Vocabulary{"deepseek-coder", "deepseek-coder", ""},
                      Vocabulary{"deepseek-llm", "deepseek-llm", ""},
                      Vocabulary{"falcon", "falcon", ""}, Vocabulary{"gemma-4", "gemma-4", ""},
                      Vocabulary{"gpt-2", "gpt-2", ""}, Vocabulary{"llama-bpe", "llama-bpe", ""},
                      Vocabulary{"llama-spm", "llama-spm", ""}, Vocabulary{"mpt", "mpt", ""},
                      Vocabulary{"phi-3", "phi-3", ""}, Vocabulary{"qwen2", "qwen2", ""},
                      Vocabulary{"qwen35", "qwen2", "qwen35"}, Vocabulary{"refact", "refact", ""},
                      Vocabulary{"starcoder", "starcoder", ""}),
    [](const auto& test) {
      std::string name(test.param.expectations);
      for (char& c : name)
        if (c == '-') c = '_';
      return name;
    });

}  // namespace
}  // namespace hearth
