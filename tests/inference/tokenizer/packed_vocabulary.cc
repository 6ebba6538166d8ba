#include "packed_vocabulary.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

#include "support/test_data.h"
#include "support/tiny_gguf.h"

namespace hearth::testing {

namespace {

// Walks over the packed bytes; see pack_vocabulary.py for the layout.
class Unpacker {
 public:
  explicit Unpacker(std::string bytes) : bytes_(std::move(bytes)) {}

  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= uint64_t{byte & 127u} << shift;
      if (byte < 128) return value;
    }
  }

  int64_t signed_number() {
    const uint64_t n = number();
    return n & 1 ? -static_cast<int64_t>(n / 2) - 1 : static_cast<int64_t>(n / 2);
  }

  std::string_view text() { return take(number()); }

  std::string_view take(size_t size) {
    if (size > bytes_.size() - at_) throw std::runtime_error("packed vocabulary is cut short");
    at_ += size;
    return std::string_view(bytes_).substr(at_ - size, size);
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

std::string decompress(const std::string& packed) {
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size > 100'000'000) throw std::runtime_error("packed vocabulary: no size in the frame");
  std::string out(size, '\0');
  const size_t n = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  if (ZSTD_isError(n)) throw std::runtime_error(ZSTD_getErrorName(n));
  return out;
}

void unpack_keys(Unpacker& in, std::string_view pre, GgufWriter& out) {
  for (uint64_t n = in.number(); n > 0; --n) {
    const std::string_view name = in.text();
    const char kind = in.take(1)[0];
    if (kind == 's') {
      const std::string_view value = in.text();
      out.set(name, name == "tokenizer.ggml.pre" && !pre.empty() ? pre : value);
    } else if (kind == 'b') {
      out.set(name, in.number() != 0);
    } else {
      out.set(name, static_cast<uint32_t>(in.number()));
    }
  }
}

void unpack_arrays(Unpacker& in, GgufWriter& out) {
  std::vector<std::string> tokens(in.number());
  std::vector<uint64_t> sizes(tokens.size());
  for (uint64_t& size : sizes) size = in.number();
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = in.take(sizes[i]);
  out.set_array("tokenizer.ggml.tokens", tokens);

  std::vector<int32_t> types(in.number());
  for (int32_t& type : types) type = static_cast<int32_t>(in.number());
  if (!types.empty()) out.set_array("tokenizer.ggml.token_type", types);

  std::vector<float> scores(in.number());
  for (float& score : scores) std::memcpy(&score, in.take(4).data(), 4);
  if (!scores.empty()) out.set_array("tokenizer.ggml.scores", scores);

  std::vector<std::string> merges(in.number());
  int64_t made = 0;
  for (std::string& merge : merges)
    merge = tokens.at(static_cast<size_t>(made += in.signed_number()));
  for (std::string& merge : merges) {
    const uint64_t cut = in.number();
    merge = fmt::format("{} {}", merge.substr(0, cut), merge.substr(cut));
  }
  if (!merges.empty()) out.set_array("tokenizer.ggml.merges", merges);
}

}  // namespace

std::string read_data(std::string_view name) {
  const std::string path = data_path("tokenizers/").append(name);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("no test data " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string unpack_vocabulary(std::string_view name, std::string_view pre) {
  Unpacker in(decompress(read_data(fmt::format("{}.vocab.zst", name))));
  GgufWriter out;
  unpack_keys(in, pre, out);
  unpack_arrays(in, out);
  return out.build();
}

Tokenizer load_packed(std::string_view name, std::string_view pre) {
  const std::string bytes = unpack_vocabulary(name, pre);
  const auto file = gguf::File::parse(name, std::as_bytes(std::span(bytes)));
  if (!file) throw std::runtime_error(file.error().message);
  auto tokenizer = Tokenizer::load(*file);
  if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
  return std::move(*tokenizer);
}

}  // namespace hearth::testing
