// Input: a kind, a pre-tokenizer and a text, and the vocabulary to make from the rest. Finds
// crashes, and decode(encode(text)) != text where the vocabulary spells every byte.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/tiny_gguf.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pretokenizer_table.h"
#include "tokenizer/tokenizer.h"

using hearth::Tokenizer;
using hearth::testing::GgufWriter;

namespace {

// Takes pieces from the front of the input.
struct Input {
  std::string_view bytes;

  uint8_t byte() {
    if (bytes.empty()) return 0;
    const auto value = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    return value;
  }
  std::string text(size_t size) {
    const std::string out(bytes.substr(0, size));
    bytes.remove_prefix(out.size());
    return out;
  }
};

constexpr const char* kKinds[] = {"gpt2", "llama", "bert", "gemma4"};

std::string first_name(const hearth::tokenizer::PretokenizerRow& row) {
  return std::string(row.names.substr(0, row.names.find(' ')));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in{{reinterpret_cast<const char*>(data), size}};
  const std::string kind = kKinds[in.byte() % 4];
  const auto rows = hearth::tokenizer::pretokenizer_rows();
  const auto& row = rows[in.byte() % rows.size()];
  const uint8_t n_tokens = in.byte();
  const std::string text = in.text(size_t{in.byte()} * 4);

  // All bytes in the alphabet of the kind, then tokens of the fuzzer.
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<float> scores;
  for (int byte = 0; byte < 256; ++byte) {
    char code[8];
    std::snprintf(code, sizeof code, "<0x%02X>", byte);
    tokens.push_back(kind == "gpt2" ? hearth::tokenizer::byte_letters()[byte] : code);
    types.push_back(kind == "gpt2" ? 1 : 6);
    scores.push_back(0);
  }
  std::vector<std::string> merges;
  for (int i = 0; i < n_tokens && !in.bytes.empty(); ++i) {
    const std::string token = in.text(in.byte() % 8);
    types.push_back(in.byte() % 7);
    scores.push_back(static_cast<float>(in.byte()) - 128);
    for (size_t cut = 1; cut < token.size(); ++cut)
      merges.push_back(token.substr(0, cut) + ' ' + token.substr(cut));
    tokens.push_back(token);
  }
  GgufWriter writer;
  writer.set("tokenizer.ggml.model", kind);
  writer.set("tokenizer.ggml.pre", first_name(row));
  writer.set_array("tokenizer.ggml.tokens", tokens);
  writer.set_array("tokenizer.ggml.token_type", types);
  writer.set_array("tokenizer.ggml.scores", scores);
  writer.set_array("tokenizer.ggml.merges", merges);

  const std::string bytes = writer.build();
  const auto file = hearth::gguf::File::parse("fuzz", std::as_bytes(std::span(bytes)));
  if (!file) std::abort();
  const auto tokenizer = Tokenizer::load(*file);
  if (!tokenizer) return 0;
  const auto ids = tokenizer->encode(text, true, true);
  for (const hearth::Token id : ids)
    if (id < 0 || static_cast<size_t>(id) >= tokenizer->n_vocab()) std::abort();
  tokenizer->decode(ids, true);
  if (kind == "gpt2" && row.is_byte_level && tokenizer->encode(text, false, false) != ids) return 0;
  if (kind == "gpt2" && row.is_byte_level && tokenizer->decode(ids, true) != text) std::abort();
  return 0;
}
