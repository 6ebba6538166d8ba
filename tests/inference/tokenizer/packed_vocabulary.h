// Reads tests/data/tokenizers/NAME.vocab.zst (written by pack_vocabulary.py) back into the GGUF
// file it came from: metadata only, no tensors.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace hearth::testing {

// Bytes of the GGUF file. `pre` replaces tokenizer.ggml.pre where it is not empty: a vocabulary
// serves to test every pre-tokenizer. Throws std::runtime_error when the data is not there or
// broken.
std::string unpack_vocabulary(std::string_view name, std::string_view pre = "");

// The same, loaded.
Tokenizer load_packed(std::string_view name, std::string_view pre = "");

// A file below tests/data/tokenizers.
std::string read_data(std::string_view name);

}  // namespace hearth::testing
