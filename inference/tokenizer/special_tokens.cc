#include "special_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace hearth::tokenizer {

namespace {

// Texts that end generation. Files often name a wrong eos (that of the base model in a chat model),
// hence the set by text.
constexpr std::string_view kEnds[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<eos>",
    "<end_of_utterance>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
};

// Fill-in-the-middle: pad, repository and file separator end a completion, too.
constexpr std::string_view kFimEnds[] = {
    "<|fim_pad|>",  "<fim-pad>",     "<fim_pad>",  "<PAD>",      "[PAD]",
    "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",     "<reponame>",
    "<|file_sep|>", "<repo_name>",   "<file_sep>", "<filename>", "<|file_separator|>"};

// Markers whose text is not in the usual brackets, but cannot be taken for ordinary text either.
constexpr std::string_view kOtherMarkers[] = {"<start_of_turn>",  "<end_of_turn>",
                                              "<turn|>",          "<|turn>",
                                              "<|tool_response>", "<end_of_utterance>"};

// Tokens that structure an answer and must reach the parser of answers (gpt-oss).
constexpr std::string_view kShown[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

bool is_one_of(std::string_view text, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool reads_like_a_marker(std::string_view text) {
  const auto framed = [&](std::string_view open, std::string_view close) {
    return text.size() > open.size() + close.size() && text.starts_with(open) &&
           text.ends_with(close);
  };
  return framed("<|", "|>") || framed("<｜", "｜>") || is_one_of(text, kOtherMarkers);
}

// tokenizer.ggml.NAME_token_id; `fallback` when missing or when the file says "none" (-1).
Result<Token> read_id(const gguf::File& file, std::string_view name, Token fallback,
                      const Vocabulary& vocabulary, std::vector<std::string>& notes,
                      bool must_be_right) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
  const gguf::Value* value = file.find(key);
  if (!value) return vocabulary.has(fallback) ? fallback : -1;
  const auto id = value->as_int();
  if (!id)
    return Error{Errc::corrupt, fmt::format("{}: {} is {}, expected an integer", file.path(), key,
                                            gguf::name_of(value->type()))};
  if (vocabulary.has(*id)) return static_cast<Token>(*id);
  if (*id == -1 || *id == UINT32_MAX) return -1;
  if (must_be_right)
    return Error{Errc::corrupt, fmt::format("{}: {} is {}, the vocabulary has {} tokens",
                                            file.path(), key, *id, vocabulary.size())};
  notes.push_back(fmt::format("{} is {}, outside the vocabulary: ignored", key, *id));
  return -1;
}

Result<> collect_ends(const gguf::File& file, const Vocabulary& vocabulary, SpecialTokens& out,
                      std::vector<std::string>& notes) {
  const auto set = [](Token token, std::vector<bool>& flags, bool value) {
    if (token >= 0) flags[token] = value;
  };
  set(out.eos, out.is_end, true);
  for (const std::string_view name : {"eot", "eom", "fim_pad", "fim_rep", "fim_sep"}) {
    const auto id = read_id(file, name, -1, vocabulary, notes, false);
    if (!id) return id.error();
    set(*id, out.is_end, true);
  }
  const auto set_by_text = [&](std::string_view text) {
    const Token token = vocabulary.find(text);
    // "</s>" is ordinary text in many vocabularies, and no model ends there; "<|im_end|>" never is.
    const bool is_text = token >= 0 && vocabulary.kind(token) == TokenKind::normal;
    if (!is_text || reads_like_a_marker(text)) set(token, out.is_end, true);
  };
  for (const std::string_view text : kEnds) set_by_text(text);
  for (const std::string_view text : kFimEnds) set_by_text(text);

  // gpt-oss and solar-open: <|end|> closes one message of several.
  const auto has = [&](std::string_view text) { return vocabulary.find(text) >= 0; };
  if ((has("<|return|>") && has("<|call|>")) || (has("<|calls|>") && has("<|flush|>"))) {
    set(vocabulary.find("<|end|>"), out.is_end, false);
    set(vocabulary.find("<|end|>"), out.is_shown, true);
  }
  // gemma4 knows </s> as an ordinary HTML tag.
  if (has("<|tool_response>") && vocabulary.find("</s>") != out.eos)
    set(vocabulary.find("</s>"), out.is_end, false);
  return {};
}

void settle_kinds(Vocabulary& vocabulary, SpecialTokens& out) {
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const auto token = static_cast<Token>(id);
    const TokenKind kind = vocabulary.kind(token);
    if (kind == TokenKind::user_defined && reads_like_a_marker(vocabulary.text(token))) {
      out.is_shown[token] = !out.is_end[token];
      vocabulary.set_kind(token, TokenKind::control);
    } else if (out.is_end[token] && vocabulary.is_plain(token)) {
      vocabulary.set_kind(token, TokenKind::control);
    }
  }
  for (const std::string_view text : kShown)
    if (const Token token = vocabulary.find(text); token >= 0) out.is_shown[token] = true;
}

// Files do not carry these attributes; they are known by the model's name.
void set_stripping(const gguf::File& file, const Vocabulary& vocabulary, SpecialTokens& out) {
  std::string name(file.string_or("general.name", ""));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::string_view pre = file.string_or("tokenizer.ggml.pre", "");
  if (name.find("phi-3") != name.npos || name.find("phi3") != name.npos) {
    for (size_t id = 0; id < vocabulary.size(); ++id) {
      const auto token = static_cast<Token>(id);
      const TokenKind kind = vocabulary.kind(token);
      const std::string_view text = vocabulary.text(token);
      const bool is_special = kind == TokenKind::control || kind == TokenKind::user_defined ||
                              kind == TokenKind::unknown;
      out.eats_right[id] =
          is_special && text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
    }
  }
  const auto eats_left = [&](std::string_view text) {
    if (const Token token = vocabulary.find(text); token >= 0) out.eats_left[token] = true;
  };
  if (pre.starts_with("jina-v2-") || file.architecture() == "nomic-bert-moe" ||
      file.architecture() == "jina-bert-v3")
    eats_left("<mask>");
  if (name.find("modern-bert") != name.npos) eats_left("[MASK]");
}

}  // namespace

Result<SpecialTokens> load_special_tokens(const gguf::File& file, const SpecialDefaults& defaults,
                                          Vocabulary& vocabulary, std::vector<std::string>& notes) {
  SpecialTokens out;
  const auto bos = read_id(file, "bos", defaults.bos, vocabulary, notes, true);
  if (!bos) return bos.error();
  const auto eos = read_id(file, "eos", defaults.eos, vocabulary, notes, true);
  if (!eos) return eos.error();
  const auto unknown = read_id(file, "unknown", defaults.unknown, vocabulary, notes, false);
  if (!unknown) return unknown.error();
  const auto adds_bos = file.bool_or("tokenizer.ggml.add_bos_token", defaults.adds_bos);
  if (!adds_bos) return adds_bos.error();
  const auto adds_eos = file.bool_or("tokenizer.ggml.add_eos_token", defaults.adds_eos);
  if (!adds_eos) return adds_eos.error();
  out.bos = *bos;
  out.eos = *eos;
  out.unknown = *unknown;
  out.adds_bos = *adds_bos;
  out.adds_eos = *adds_eos;
  for (auto* flags : {&out.is_end, &out.is_shown, &out.eats_right, &out.eats_left})
    flags->resize(vocabulary.size());

  const Result<> ends = collect_ends(file, vocabulary, out, notes);
  if (!ends) return ends.error();
  settle_kinds(vocabulary, out);
  set_stripping(file, vocabulary, out);
  return out;
}

}  // namespace hearth::tokenizer
