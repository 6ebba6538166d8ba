#include "inference/engine/tiny_model.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace hearth::testing {

namespace {

constexpr const char* kTemplate =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if think %}<think>\n{% endif %}{% endif %}";

std::string utf8(uint32_t code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

// GPT-2's alphabet: printable bytes are themselves, the others follow U+0100 in order.
std::vector<std::string> byte_letters() {
  std::vector<std::string> out;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    bool is_printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    out.push_back(utf8(is_printable ? byte : next++));
  }
  return out;
}

}  // namespace

void add_vocabulary(ModelImage& image) {
  std::vector<std::string> tokens = byte_letters();
  for (const char* text : {"the", "<|im_start|>", "<|im_end|>", "<think>", "</think>"})
    tokens.push_back(text);
  std::vector<uint32_t> types(tokens.size(), 1);
  types[kStart] = types[kEnd] = 3;
  types[kThink] = types[kUnthink] = 4;
  image.keys["tokenizer.ggml.model"] = std::string("gpt2");
  image.keys["tokenizer.ggml.pre"] = std::string("gpt-2");
  image.keys["tokenizer.ggml.tokens"] = tokens;
  image.keys["tokenizer.ggml.token_type"] = types;
  image.keys["tokenizer.ggml.merges"] = std::vector<std::string>{"t h", "th e"};
  image.keys["tokenizer.ggml.eos_token_id"] = uint32_t{kEnd};
  image.keys["tokenizer.chat_template"] = std::string(kTemplate);
}

ModelImage tiny_model(uint32_t n_context, uint32_t seed) {
  ModelImage::Sizes sizes;
  sizes.n_vocab = kTinyVocab;
  ModelImage image = ModelImage::random(sizes, seed);
  add_vocabulary(image);
  image.keys["llama.context_length"] = n_context;
  image.keys["general.name"] = std::string("tiny");
  std::vector<float>& output = image.tensors.at("output.weight").values;
  for (uint32_t token = 0; token < kTinyVocab; ++token) {
    bool is_letter =
        (token >= 'a' && token <= 'z') || (token >= 'A' && token <= 'Z') || token == ' ';
    for (uint32_t i = 0; !is_letter && i < sizes.width; ++i) output[token * sizes.width + i] = 0;
  }
  return image;
}

TemporaryFolder::TemporaryFolder() {
  path_ = (std::filesystem::temp_directory_path() / "hearth-engine-XXXXXX").string();
  if (!mkdtemp(path_.data())) throw std::runtime_error("mkdtemp " + path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  std::string path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

}  // namespace hearth::testing
