// The other half of differential.py: encodes texts with a packed vocabulary.
//
//   tokenizer_encode VOCABULARY PRE    ("" keeps the vocabulary's own pre-tokenizer)
//
// Each line of standard input is a text in hex; each line of output its ids, or "lossy" in front of
// them where decoding does not give the text back.
#include <cstdio>
#include <iostream>
#include <string>

#include "packed_vocabulary.h"

namespace {

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const hearth::Tokenizer tokenizer = hearth::testing::load_packed(argv[1], argv[2]);
  for (std::string line; std::getline(std::cin, line);) {
    const std::string text = from_hex(line);
    const auto ids = tokenizer.encode(text, false, false);
    if (tokenizer.decode(ids) != text) std::printf("lossy ");
    for (const hearth::Token id : ids) std::printf("%d ", id);
    std::printf("\n");
  }
}
