#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "chat/jinja.h"
#include "engine/synthetic.h"
#include "gguf/inspect.h"
#include "gguf/reader.h"
#include "graph/embedding.h"
#include "graph/logits.h"
#include "inference/entry_points.h"
#include "support/file.h"
#include "support/json.h"
#include "tokenizer/tokenizer.h"

namespace hearth::engine {

namespace {

std::string read_all(std::FILE* from) {
  std::string text;
  char buffer[1 << 16];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, from)) text.append(buffer, n);
  return text;
}

std::string read_stdin() { return read_all(stdin); }

// Also of a pipe, as <(...) of a shell is one.
Result<std::string> read_file(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> from(std::fopen(path.c_str(), "rbe"),
                                                       std::fclose);
  if (!from) return file::io_error("open", path, errno);
  std::string text = read_all(from.get());
  if (std::ferror(from.get())) return file::io_error("read", path, errno);
  return text;
}

// The file behind a link, which stays one.
std::string behind_link(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::is_symlink(path, failed)) return path;
  std::string target = std::filesystem::canonical(path, failed);
  return failed ? path : target;
}

Result<> print(std::string_view bytes) {
  bool is_written = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
  if (is_written && std::fflush(stdout) == 0) return {};
  return Error{Errc::io, "cannot write to standard output"};
}

// "1,2,3", with or without spaces.
Result<std::vector<Token>> parse_tokens(std::string_view list) {
  std::vector<Token> tokens;
  std::string_view rest = list;
  while (!list.empty()) {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    Token token = 0;
    auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), token);
    std::string_view behind = rest.substr(static_cast<size_t>(end - rest.data()));
    while (behind.starts_with(' ')) behind.remove_prefix(1);
    if (failure != std::errc{} || (!behind.empty() && behind[0] != ','))
      return Error{Errc::invalid,
                   fmt::format("--tokens: expected numbers with commas at \"{}\"", rest)};
    tokens.push_back(token);
    if (behind.empty()) break;
    rest = behind.substr(1);
  }
  return tokens;
}

// Takes its place when it is whole: what could not be made leaves what stood there. What is no file
// (a pipe, /dev/stdout) is written as it comes.
class OutFile {
 public:
  explicit OutFile(const std::string& path)
      : path_(behind_link(path)),
        is_file_(!std::filesystem::exists(path) || std::filesystem::is_regular_file(path)),
        written_(is_file_ ? path_ + ".part" : path) {}
  ~OutFile() {
    if (is_file_ && out_.is_open() && !is_whole_) std::remove(written_.c_str());
  }
  Result<> open() {
    out_.open(written_, std::ios::binary);
    return is_good("open");
  }
  Result<> write(std::span<const float> row) {
    out_.write(reinterpret_cast<const char*>(row.data()),
               static_cast<std::streamsize>(row.size_bytes()));
    return is_good("write");
  }
  Result<> finish() {
    out_.flush();
    if (auto written = is_good("write"); !written) return written;
    is_whole_ = !is_file_ || std::rename(written_.c_str(), path_.c_str()) == 0;
    return is_whole_ ? Result<>() : file::io_error("write", path_, errno);
  }

 private:
  Result<> is_good(std::string_view what) const {
    if (out_) return {};
    return file::io_error(what, path_, errno);
  }

  const std::string path_;
  const bool is_file_;
  const std::string written_;
  std::ofstream out_;
  bool is_whole_ = false;
};

Result<Tokenizer> tokenizer_of(const std::string& path) {
  auto file = gguf::File::open(path);
  if (!file) return file.error();
  return Tokenizer::load(*file);
}

}  // namespace

Result<> dev_logits(const std::string& model, const std::string& token_list,
                    const std::string& path, bool exact) {
  auto tokens = parse_tokens(token_list);
  if (!tokens) return tokens.error();
  auto file = gguf::File::open(model);
  if (!file) return file.error();
  OutFile out(path);
  if (auto opened = out.open(); !opened) return opened;

  const std::unique_ptr<Backend> backend = cpu_backend(0, exact);
  const KvElement kv = exact ? KvElement::f32 : kv_element_for(*file);
  fmt::print(stderr, "KV cache {}, {} path, {} threads\n", kv == KvElement::f32 ? "f32" : "i16",
             backend->name(), backend->n_threads());
  const LogitsOptions options{.kv = kv};
  auto write = [&](std::span<const float> row) { return out.write(row); };
  if (auto done = logits_of(*file, *backend, *tokens, options, write); !done) return done;
  return out.finish();
}

Result<> dev_embed(const std::string& path, const std::string& token_list) {
  auto tokens = parse_tokens(token_list);
  if (!tokens) return tokens.error();
  auto file = gguf::File::open(path);
  if (!file) return file.error();
  const std::unique_ptr<Backend> backend = cpu_backend();
  auto model = Model::load(*file, *backend);
  if (!model) return model.error();
  const uint32_t n_pages = std::max(pages_for(tokens->size()), 1u);
  auto cache = KvCache::create(kv_shape(model->plan(), KvElement::f32), n_pages);
  if (!cache) return cache.error();
  std::vector<PageIndex> pages;
  for (uint32_t i = 0; i < n_pages; ++i) {
    pages.push_back(*cache->acquire());
    cache->hold_window(pages.back());
  }
  auto embedding = embedding_of(*model, *cache, pages, *tokens);
  if (!embedding) return embedding.error();
  return print(fmt::format("[{}]\n", fmt::join(*embedding, ",")));
}

Result<> dev_tokenize(const std::string& model, bool special) {
  auto tokenizer = tokenizer_of(model);
  if (!tokenizer) return tokenizer.error();
  return print(json::encode(tokenizer->encode(read_stdin(), special, special)) + "\n");
}

Result<> dev_detokenize(const std::string& model) {
  auto tokenizer = tokenizer_of(model);
  if (!tokenizer) return tokenizer.error();
  auto tokens = json::decode<std::vector<Token>>(read_stdin(), "stdin");
  if (!tokens) return tokens.error();
  for (Token token : *tokens)
    if (token < 0 || static_cast<size_t>(token) >= tokenizer->n_vocab())
      return Error{Errc::invalid,
                   fmt::format("token {}, expected 0 to {}", token, tokenizer->n_vocab() - 1)};
  return print(tokenizer->decode(*tokens, true));
}

Result<> dev_template(const std::string& path) {
  auto source = read_file(path);
  if (!source) return source.error();
  auto text = jinja::render_file_template(*source, read_stdin(), std::time(nullptr));
  if (!text) return text.error();
  return print(*text);
}

Result<> dev_inspect(const std::string& model, bool json) {
  auto file = gguf::File::open(model);
  if (!file) return file.error();
  return print(json ? gguf::inspect_json(*file) + "\n" : gguf::inspect_text(*file));
}

Result<> dev_synth(const std::string& shape, const std::string& type, const std::string& out) {
  const auto source = synthetic_model(shape);
  if (!source) return source.error();
  const auto mix = gguf::mix_of(type);
  if (!mix) return mix.error();
  return gguf::convert(*source, *mix, out, 0, nullptr);
}

}  // namespace hearth::engine
