#include "tokenizer/fim.h"

#include <algorithm>
#include <initializer_list>

namespace hearth {

namespace {

// How families spell their tokens. What a family lacks is "".
struct Family {
  std::string_view prefix, suffix, middle, repository, separator;
  bool is_suffix_first = false;
};
constexpr Family kFamilies[] = {
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|repo_name|>",
     "<|file_sep|>"},                                                                  // Qwen
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "", "<|file_separator|>"},  // CodeGemma
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<repo_name>", "<file_sep>"},     // StarCoder2
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<reponame>",
     "<filename>"},  // StarCoder, Granite
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>", "<repo-name>", "<file-sep>"},
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "", ""},  // DeepSeek
    {"▁<PRE>", "▁<SUF>", "▁<MID>", "", ""},                          // CodeLlama
    {"<PRE>", "<SUF>", "<MID>", "", ""},
    {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>", "", ""},     // GLM
    {"<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>", "", "", true},  // Seed-Coder
    {"[PREFIX]", "[SUFFIX]", "[MIDDLE]", "", "", true},
    {"[PREFIX]", "[SUFFIX]", "", "", "", true},  // Codestral, Devstral
};

Token id_of(const gguf::File& file, std::initializer_list<const char*> keys,
            const Tokenizer& tokenizer) {
  for (const char* key : keys) {
    const gguf::Value* value = file.find(std::string("tokenizer.ggml.") + key + "_token_id");
    const auto id = value ? value->as_int() : std::nullopt;
    if (id && *id >= 0 && static_cast<uint64_t>(*id) < tokenizer.n_vocab())
      return static_cast<Token>(*id);
  }
  return -1;
}

}  // namespace

std::optional<FimTokens> fim_tokens_of(const gguf::File& file, const Tokenizer& tokenizer) {
  FimTokens out{.prefix = id_of(file, {"fim_pre", "prefix"}, tokenizer),
                .suffix = id_of(file, {"fim_suf", "suffix"}, tokenizer),
                .middle = id_of(file, {"fim_mid", "middle"}, tokenizer),
                .repository = id_of(file, {"fim_rep"}, tokenizer),
                .separator = id_of(file, {"fim_sep"}, tokenizer)};
  for (const Family& family : kFamilies) {
    const Token prefix = tokenizer.find(family.prefix), suffix = tokenizer.find(family.suffix);
    const Token middle = family.middle.empty() ? -1 : tokenizer.find(family.middle);
    const bool is_it = prefix >= 0 && suffix >= 0 && (family.middle.empty() || middle >= 0);
    if (!is_it) continue;
    const auto or_found = [&](Token known, std::string_view text) {
      return known >= 0 || text.empty() ? known : tokenizer.find(text);
    };
    if (out.prefix < 0 || out.suffix < 0) {
      out.prefix = prefix;
      out.suffix = suffix;
      out.middle = middle;
    }
    out.is_suffix_first = family.is_suffix_first && out.middle == middle;
    out.repository = or_found(out.repository, family.repository);
    out.separator = or_found(out.separator, family.separator);
    if (family.separator.empty() || out.separator >= 0) break;
  }
  if (out.prefix < 0 || out.suffix < 0 || (out.middle < 0 && !out.is_suffix_first))
    return std::nullopt;
  return out;
}

std::vector<Token> fim_prompt(const Infill& infill, const FimTokens& fim,
                              const Tokenizer& tokenizer, size_t n_most) {
  const auto encode = [&](std::string_view text) { return tokenizer.encode(text, false, false); };
  const auto add = [](std::vector<Token>& to, const std::vector<Token>& tokens) {
    to.insert(to.end(), tokens.begin(), tokens.end());
  };
  // Behind the gap no text begins: where a vocabulary puts a space in front, it has none.
  const auto encode_inner = [&](std::string_view text) {
    const TextPiece piece{text, false};
    return tokenizer.encode({&piece, 1}, false, true);
  };
  std::vector<Token> prefix = encode(infill.prefix), suffix = encode_inner(infill.suffix);
  const std::vector<Token> begun = encode_inner(infill.begun);
  std::vector<Token> path;
  const bool names_files = fim.separator >= 0;
  if (names_files && !infill.path.empty()) {
    path = encode(infill.path + "\n");
    path.insert(path.begin(), fim.separator);
  }
  const size_t n_fixed = 5 + begun.size() + path.size();
  const size_t n_room = n_most - std::min(n_most, n_fixed);
  // What one side does not need is the other's.
  const size_t n_behind =
      std::min(suffix.size(), std::max(n_room / 4, n_room - std::min(n_room, prefix.size())));
  const size_t n_before = std::min(prefix.size(), n_room - n_behind);
  prefix.erase(prefix.begin(), prefix.end() - static_cast<ptrdiff_t>(n_before));
  suffix.resize(n_behind);
  size_t n_left = n_room - n_before - n_behind;

  std::vector<std::vector<Token>> files;  // last first
  for (size_t i = infill.others.size(); i-- > 0;) {
    const Infill::File& file = infill.others[i];
    std::vector<Token> tokens;
    if (names_files) {
      tokens = encode(file.path + "\n" + file.text);
      tokens.insert(tokens.begin(), fim.separator);
    } else {
      tokens = encode("\n\n--- " + file.path + " ---\n\n" + file.text);
    }
    if (tokens.size() > n_left) break;
    n_left -= tokens.size();
    files.push_back(std::move(tokens));
  }

  std::vector<Token> out;
  if (tokenizer.adds_bos() && tokenizer.bos() >= 0) out.push_back(tokenizer.bos());
  if (fim.repository >= 0 && (!files.empty() || !infill.repository.empty())) {
    const std::vector<Token> name =
        encode((infill.repository.empty() ? "repository" : infill.repository) + "\n");
    if (name.size() < n_left) {
      out.push_back(fim.repository);
      add(out, name);
    }
  }
  for (size_t i = files.size(); i-- > 0;) add(out, files[i]);
  add(out, path);
  const auto add_side = [&](Token mark, const std::vector<Token>& tokens) {
    out.push_back(mark);
    add(out, tokens);
  };
  if (fim.is_suffix_first) {
    add_side(fim.suffix, suffix);
    add_side(fim.prefix, prefix);
  } else {
    add_side(fim.prefix, prefix);
    add_side(fim.suffix, suffix);
  }
  if (fim.middle >= 0) out.push_back(fim.middle);
  add(out, begun);
  return out;
}

}  // namespace hearth
