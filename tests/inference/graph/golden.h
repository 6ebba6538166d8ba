// Tiny models with logits made by an independent implementation: see tests/data/models/README.md.
#pragma once

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "gguf/reader.h"
#include "inference/message.h"
#include "support/test_data.h"

namespace hearth::testing {

struct Golden {
  gguf::File file;
  std::vector<Token> tokens;
  std::vector<float> logits;  // (tokens, n_vocab)
};

// NAME.gguf, NAME.tokens and NAME.logits.f32; throws when one is missing.
inline Golden golden(const std::string& name, const std::string& what = ".logits.f32") {
  const std::string base = testing::data_path("models/") + name;
  Result<gguf::File> file = gguf::File::open(base + ".gguf");
  if (!file) throw std::runtime_error(file.error().message);

  std::ifstream ids(base + ".tokens");
  std::vector<Token> tokens{std::istream_iterator<Token>(ids), {}};
  std::ifstream raw(base + what, std::ios::binary | std::ios::ate);
  if (tokens.empty() || !raw) throw std::runtime_error(base + ": tokens or logits are missing");
  std::vector<float> logits(static_cast<size_t>(raw.tellg()) / sizeof(float));
  raw.seekg(0);
  raw.read(reinterpret_cast<char*>(logits.data()),
           static_cast<std::streamsize>(logits.size() * sizeof(float)));
  return {std::move(*file), std::move(tokens), std::move(logits)};
}

// With the text's embedding in place of logits.
inline Golden golden_embedding(const std::string& name) { return golden(name, ".embedding.f32"); }

}  // namespace hearth::testing
