// Cases of differential.py, made with Hugging Face tokenizers: each family of pre-tokenizers on
// strings that mix scripts, cases, digits, marks and white space.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "packed_vocabulary.h"
#include "support/test_data.h"

namespace hearth {
namespace {

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

bool is_kind_of_its_own(const std::string& family) {
  return family == "llama-spm" || family == "gemma4" || family == "bert";
}

TEST(TokenizerGolden, EveryFamilyAgreesWithTheReference) {
  size_t n_families = 0;
  const std::string folder = testing::data_path("tokenizers/golden");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string family = entry.path().stem().string();
    std::istringstream lines(testing::read_data("golden/" + entry.path().filename().string()));
    std::string vocabulary;
    std::getline(lines, vocabulary);
    const Tokenizer tokenizer =
        testing::load_packed(vocabulary, is_kind_of_its_own(family) ? "" : family);
    size_t n_cases = 0;
    for (std::string line; std::getline(lines, line); ++n_cases) {
      std::istringstream words(line);
      std::string hex;
      words >> hex;
      std::vector<Token> want;
      for (Token id; words >> id;) want.push_back(id);
      const std::string text = from_hex(hex);
      EXPECT_EQ(tokenizer.encode(text, false, false), want) << family << ": " << text;
    }
    EXPECT_GE(n_cases, 20u) << family;
    ++n_families;
  }
  EXPECT_GE(n_families, 35u);
}

TEST(TokenizerGolden, WordPiecePartsWordsAtLinesAndTabsAndDropsOtherControls) {
  const Tokenizer bert = testing::load_packed("bert-bge", "");
  const auto ids = [&](std::string_view text) { return bert.encode(text, false, false); };
  for (const char* blank : {"\t", "\n", "\r", "\u2028", "\u3000"})
    EXPECT_EQ(ids("some" + std::string(blank) + "thing"), ids("some thing"));
  for (const char* control : {"\v", "\f", "\x1f", "\u0085", "\u200d"})
    EXPECT_EQ(ids("some" + std::string(control) + "thing"), ids("something"));
}

}  // namespace
}  // namespace hearth
