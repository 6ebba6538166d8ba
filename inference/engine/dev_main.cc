#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <optional>
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

// Positional words and --options of a command line; an option may be a flag or carry a value.
struct Words {
  std::vector<std::string> positional;
  std::vector<std::pair<std::string, std::string>> options;

  bool has(std::string_view name) const { return find(name) != nullptr; }
  const std::string* find(std::string_view name) const {
    for (const auto& [option, value] : options)
      if (option == name) return &value;
    return nullptr;
  }
};

struct Command {
  std::string_view name, usage;
  std::vector<std::string_view> flags, values;  // options without and with a value
  Result<> (*run)(const Words& words);
};

std::string read_stdin() {
  std::string text;
  char buffer[1 << 16];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) text.append(buffer, n);
  return text;
}

Result<> print(std::string_view bytes) {
  bool is_written = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
  if (is_written && std::fflush(stdout) == 0) return {};
  return Error{Errc::io, "cannot write to standard output"};
}

Result<std::vector<Token>> parse_tokens(std::string_view list) {
  std::vector<Token> tokens;
  while (!list.empty()) {
    Token token = 0;
    auto [end, failure] = std::from_chars(list.data(), list.data() + list.size(), token);
    size_t n = static_cast<size_t>(end - list.data());
    if (failure != std::errc{} || (n < list.size() && list[n] != ','))
      return Error{Errc::invalid,
                   fmt::format("--tokens: expected numbers with commas at \"{}\"", list)};
    tokens.push_back(token);
    list.remove_prefix(std::min(n + 1, list.size()));
  }
  return tokens;
}

bool is_quantized(const gguf::File& file) {
  return std::ranges::any_of(file.tensors(), [](const gguf::Tensor& tensor) {
    return gguf::traits_of(tensor.type).block_size > 1;
  });
}

Result<> logits(const Words& words) {
  auto tokens = parse_tokens(*words.find("--tokens"));
  if (!tokens) return tokens.error();
  auto file = gguf::File::open(words.positional[0]);
  if (!file) return file.error();
  const std::string& path = *words.find("--out");
  std::ofstream out(path, std::ios::binary);
  if (!out) return file::io_error("open", path, errno);

  const bool exact = words.has("--exact");
  const std::unique_ptr<Backend> backend = cpu_backend(0, exact);
  const auto kv = is_quantized(*file) && !exact ? KvElement::f16 : KvElement::f32;
  fmt::print(stderr, "KV cache {}, {} path, {} threads\n", kv == KvElement::f32 ? "f32" : "f16",
             backend->name(), backend->n_threads());
  const LogitsOptions options{.kv = kv};
  auto write = [&](std::span<const float> row) -> Result<> {
    out.write(reinterpret_cast<const char*>(row.data()),
              static_cast<std::streamsize>(row.size_bytes()));
    if (out) return {};
    return file::io_error("write", path, errno);
  };
  if (auto done = logits_of(*file, *backend, *tokens, options, write); !done) return done;
  out.close();
  if (!out) return file::io_error("write", path, errno);
  return {};
}

Result<> embed(const Words& words) {
  auto tokens = parse_tokens(*words.find("--tokens"));
  if (!tokens) return tokens.error();
  auto file = gguf::File::open(words.positional[0]);
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

Result<Tokenizer> tokenizer_of(const std::string& path) {
  auto file = gguf::File::open(path);
  if (!file) return file.error();
  return Tokenizer::load(*file);
}

Result<> tokenize(const Words& words) {
  auto tokenizer = tokenizer_of(words.positional[0]);
  if (!tokenizer) return tokenizer.error();
  const bool special = words.has("--special");
  return print(json::encode(tokenizer->encode(read_stdin(), special, special)) + "\n");
}

Result<> detokenize(const Words& words) {
  auto tokenizer = tokenizer_of(words.positional[0]);
  if (!tokenizer) return tokenizer.error();
  auto tokens = json::decode<std::vector<Token>>(read_stdin(), "stdin");
  if (!tokens) return tokens.error();
  for (Token token : *tokens)
    if (token < 0 || static_cast<size_t>(token) >= tokenizer->n_vocab())
      return Error{Errc::invalid,
                   fmt::format("token {}, expected 0 to {}", token, tokenizer->n_vocab() - 1)};
  return print(tokenizer->decode(*tokens, true));
}

Result<> render(const Words& words) {
  auto source = file::read(words.positional[0]);
  if (!source) return source.error();
  auto text = jinja::render_file_template(*source, read_stdin(), std::time(nullptr));
  if (!text) return text.error();
  return print(*text);
}

Result<> inspect(const Words& words) {
  auto file = gguf::File::open(words.positional[0]);
  if (!file) return file.error();
  return print(words.has("--json") ? gguf::inspect_json(*file) + "\n" : gguf::inspect_text(*file));
}

Result<> synthesize(const Words& words) {
  const auto source = synthetic_model(words.positional[0]);
  if (!source) return source.error();
  const auto mix = gguf::mix_of(*words.find("--type"));
  if (!mix) return mix.error();
  return gguf::convert(*source, *mix, *words.find("--out"), 0, nullptr);
}

const std::vector<Command>& commands() {
  static const std::string synth_usage =
      fmt::format("SHAPE --type TYPE --out FILE  (random weights; {})", synthetic_shapes());
  static const std::vector<Command> table = {
      {"logits",
       "MODEL --tokens ID,ID,... --out FILE [--exact]",
       {"--exact"},
       {"--tokens", "--out"},
       logits},
      {"embed", "MODEL --tokens ID,ID,...", {}, {"--tokens"}, embed},
      {"tokenize", "MODEL [--special]  < text", {"--special"}, {}, tokenize},
      {"detokenize", "MODEL  < JSON array of ids", {}, {}, detokenize},
      {"template", "FILE.jinja  < JSON object of variables", {}, {}, render},
      {"inspect", "MODEL [--json]", {"--json"}, {}, inspect},
      {"synth", synth_usage, {}, {"--type", "--out"}, synthesize},
  };
  return table;
}

// Every command takes one file, any of its flags and all of its options with a value.
std::optional<Words> parse(const Command& command, std::span<const std::string> arguments) {
  auto is_in = [](const auto& names, std::string_view word) {
    return std::ranges::find(names, word) != names.end();
  };
  Words words;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (!word.starts_with("--"))
      words.positional.push_back(word);
    else if (is_in(command.flags, word))
      words.options.emplace_back(word, "");
    else if (is_in(command.values, word) && i + 1 < arguments.size())
      words.options.emplace_back(word, arguments[++i]);
    else
      return std::nullopt;
  }
  if (words.positional.size() != 1) return std::nullopt;
  for (std::string_view name : command.values)
    if (!words.has(name)) return std::nullopt;
  return words;
}

}  // namespace

std::vector<std::string_view> dev_commands() {
  std::vector<std::string_view> names;
  for (const Command& each : commands()) names.push_back(each.name);
  return names;
}

int dev_main(std::span<const std::string> arguments) {
  auto command = commands().end();
  if (!arguments.empty()) command = std::ranges::find(commands(), arguments[0], &Command::name);
  if (command == commands().end()) {
    fmt::print(stderr, "usage: hearth dev COMMAND ...\n");
    for (const Command& each : commands()) fmt::print(stderr, "  {} {}\n", each.name, each.usage);
    return 2;
  }
  auto words = parse(*command, arguments.subspan(1));
  if (!words) {
    fmt::print(stderr, "usage: hearth dev {} {}\n", command->name, command->usage);
    return 2;
  }
  auto done = command->run(*words);
  if (done) return 0;
  std::string line = done.error().message;
  std::ranges::replace(line, '\n', ' ');
  fmt::print(stderr, "hearth dev {}: {}\n", command->name, line);
  return 1;
}

}  // namespace hearth::engine
