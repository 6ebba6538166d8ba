#include "tokenizer.h"

#include <fmt/format.h>

#include <variant>

#include "bpe.h"
#include "byte_alphabet.h"
#include "special_matcher.h"
#include "special_tokens.h"
#include "spm.h"
#include "vocabulary.h"
#include "wordpiece.h"
#include "words.h"

namespace hearth {

namespace {

using namespace tokenizer;

using Model = std::variant<Bpe, Spm, WordPiece>;

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The id that the file gives for a default, -1 when it does not.
Token optional_id(const gguf::File& file, std::string_view key) {
  const gguf::Value* value = file.find(key);
  return static_cast<Token>(value ? value->as_int().value_or(-1) : -1);
}

// What each kind assumes where the file is silent.
SpecialDefaults defaults_of(const gguf::File& file, std::string_view kind,
                            const PretokenizerRow& row) {
  if (kind == "llama") return {.bos = 1, .eos = 2, .unknown = 0, .adds_bos = true};
  if (kind == "bert") {
    return {.bos = optional_id(file, "tokenizer.ggml.cls_token_id"),
            .eos = optional_id(file, "tokenizer.ggml.seperator_token_id"),  // the format spells so
            .unknown = 100,
            .adds_bos = true,
            .adds_eos = true};
  }
  return {.adds_bos = row.adds_bos};
}

Result<const PretokenizerRow*> choose_pretokenizer(const gguf::File& file, std::string_view kind,
                                                   std::vector<std::string>& notes) {
  if (kind == "gemma4") return find_pretokenizer("gemma4");
  const std::string_view name = file.string_or("tokenizer.ggml.pre", "");
  if (kind != "gpt2") return find_pretokenizer("default");
  if (name.empty()) {
    notes.push_back(
        "no tokenizer.ggml.pre: default used, answers will be worse than they could be");
    return find_pretokenizer("default");
  }
  const PretokenizerRow* row = find_pretokenizer(name);
  if (!row)
    return Error{Errc::unsupported,
                 fmt::format("{}: tokenizer.ggml.pre is \"{}\", which is not known to this version",
                             file.path(), name)};
  return row;
}

}  // namespace

struct Tokenizer::State {
  Vocabulary vocabulary;
  SpecialTokens special;
  SpecialMatcher any_special;   // control, unknown and user-defined
  SpecialMatcher user_defined;  // only these
  Model model;
  std::string pre;
  std::vector<std::string> notes;
  bool adds_space = false;  // SPM: in front of each run of text

  void index_special_tokens();
  void encode_run(std::string_view text, std::vector<Token>& out) const;
  bool begins_run(Token token) const;
};

void Tokenizer::State::index_special_tokens() {
  std::vector<SpecialMatcher::Entry> any, user;
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const auto token = static_cast<Token>(id);
    const TokenKind kind = vocabulary.kind(token);
    const bool is_user_defined = kind == TokenKind::user_defined;
    if (!is_user_defined && kind != TokenKind::control && kind != TokenKind::unknown) continue;
    any.push_back({std::string(vocabulary.text(token)), token});
    if (is_user_defined) user.push_back(any.back());
  }
  any_special = SpecialMatcher(std::move(any));
  user_defined = SpecialMatcher(std::move(user));
}

void Tokenizer::State::encode_run(std::string_view text, std::vector<Token>& out) const {
  std::visit([&](const auto& m) { m.encode(vocabulary, text, out); }, model);
}

// Whether text behind this token starts a run of its own, with a space in front where the kind adds
// one.
bool Tokenizer::State::begins_run(Token token) const {
  const TokenKind kind = vocabulary.kind(token);
  return kind == TokenKind::control || kind == TokenKind::unknown ||
         kind == TokenKind::user_defined;
}

Result<Tokenizer> Tokenizer::load(const gguf::File& file) {
  auto state = std::make_unique<State>();
  const auto kind = file.get_string("tokenizer.ggml.model");
  if (!kind) return kind.error();
  if (*kind != "gpt2" && *kind != "gemma4" && *kind != "llama" && *kind != "bert")
    return Error{Errc::unsupported,
                 fmt::format("{}: tokenizer.ggml.model is \"{}\", expected gpt2, gemma4, llama or "
                             "bert",
                             file.path(), *kind)};
  const auto row = choose_pretokenizer(file, *kind, state->notes);
  if (!row) return row.error();
  Result<Vocabulary> vocabulary = Vocabulary::load(file);
  if (!vocabulary) return vocabulary.error();
  state->vocabulary = std::move(*vocabulary);

  Result<SpecialTokens> special =
      load_special_tokens(file, defaults_of(file, *kind, **row), state->vocabulary, state->notes);
  if (!special) return special.error();
  state->special = std::move(*special);
  if ((*row)->always_adds_bos) state->special.adds_bos = true;
  if (*kind == "bert") state->special.adds_bos = state->special.adds_eos = true;
  state->index_special_tokens();

  const Token unknown = state->special.unknown;
  if (*kind == "llama") {
    state->model = Spm::load(state->vocabulary, unknown);
    const auto adds_space = file.bool_or("tokenizer.ggml.add_space_prefix", true);
    if (!adds_space) return adds_space.error();
    state->adds_space = *adds_space;
  } else if (*kind == "bert") {
    Result<WordPiece> model = WordPiece::load(file, state->vocabulary, unknown);
    if (!model) return model.error();
    state->model = std::move(*model);
  } else {
    Result<Bpe> model = Bpe::load(file, state->vocabulary, **row, unknown, state->notes);
    if (!model) return model.error();
    state->model = std::move(*model);
  }
  state->pre = *kind == "gemma4" ? "gemma4" : file.string_or("tokenizer.ggml.pre", "default");
  return Tokenizer(std::move(state));
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<Token> Tokenizer::encode(std::span<const TextPiece> pieces, bool add_bos_eos,
                                     bool continues) const {
  const SpecialTokens& special = state_->special;
  std::vector<Token> out;
  std::string run;  // text since the last special token, of any number of pieces
  bool begins_run = !continues;
  bool eats_space = false;

  const auto finish_run = [&] {
    if (run.empty()) return;
    if (state_->adds_space && begins_run) run.insert(0, 1, ' ');
    state_->encode_run(run, out);
    run.clear();
    begins_run = false;
  };
  const auto append_text = [&](std::string_view text) {
    while (eats_space && !text.empty() && is_ascii_space(text.front())) text.remove_prefix(1);
    if (!text.empty()) eats_space = false;
    run.append(text);
  };
  const auto append_special = [&](Token token) {
    while (special.eats_left[token] && !run.empty() && is_ascii_space(run.back())) run.pop_back();
    finish_run();
    out.push_back(token);
    begins_run = true;
    eats_space = special.eats_right[token];
  };

  std::string joined;
  for (size_t i = 0; i < pieces.size();) {
    // Neighbours of equal trust are one text; a marker never begins in one trust and ends in
    // another.
    const bool parse_special = pieces[i].parse_special;
    std::string_view text = pieces[i++].text;
    if (i < pieces.size() && pieces[i].parse_special == parse_special) {
      joined = text;
      while (i < pieces.size() && pieces[i].parse_special == parse_special)
        joined.append(pieces[i++].text);
      text = joined;
    }
    const SpecialMatcher& matcher = parse_special ? state_->any_special : state_->user_defined;
    for (size_t at = 0; at < text.size();) {
      const SpecialMatcher::Match match = matcher.find(text, at);
      append_text(text.substr(at, match.begin - at));
      if (match.token >= 0) append_special(match.token);
      at = match.begin + match.size;
    }
  }
  finish_run();

  if (!add_bos_eos) return out;
  const bool has_bos = !out.empty() && out.front() == special.bos;
  if (special.adds_bos && special.bos >= 0 && !has_bos) out.insert(out.begin(), special.bos);
  const bool has_eos = !out.empty() && out.back() == special.eos;
  if (special.adds_eos && special.eos >= 0 && !has_eos) out.push_back(special.eos);
  return out;
}

std::vector<Token> Tokenizer::encode(std::string_view text, bool parse_special,
                                     bool add_bos_eos) const {
  const TextPiece piece{text, parse_special};
  return encode(std::span(&piece, 1), add_bos_eos);
}

std::string Tokenizer::piece(Token token, bool with_special) const {
  const Vocabulary& vocabulary = state_->vocabulary;
  if (!vocabulary.has(token)) return "";
  const std::string_view text = vocabulary.text(token);
  switch (vocabulary.kind(token)) {
    case TokenKind::control:
    case TokenKind::unknown:
      return with_special || state_->special.is_shown[token] ? std::string(text) : "";
    case TokenKind::user_defined: return std::string(text);
    case TokenKind::byte:
      if (const int byte = vocabulary.byte_of(token); byte >= 0)
        return std::string(1, static_cast<char>(byte));
      [[fallthrough]];
    case TokenKind::normal:
    case TokenKind::unused: break;
  }
  const auto* bpe = std::get_if<Bpe>(&state_->model);
  if (!bpe || !bpe->is_byte_level()) return with_spaces(text);
  std::string out;
  append_bytes_of_letters(text, out);
  return out;
}

std::string Tokenizer::decode(std::span<const Token> tokens, bool with_special) const {
  const bool strips_space = state_->adds_space || std::holds_alternative<WordPiece>(state_->model);
  std::string out;
  bool begins_run = true;
  for (const Token token : tokens) {
    if (!state_->vocabulary.has(token)) continue;
    const std::string text = piece(token, with_special);
    const bool strip = strips_space && begins_run && text.starts_with(' ');
    begins_run = state_->begins_run(token);
    out.append(text, strip && !begins_run ? 1 : 0);
  }
  return out;
}

size_t Tokenizer::n_vocab() const { return state_->vocabulary.size(); }

bool Tokenizer::is_control(Token token) const {
  return state_->vocabulary.has(token) && state_->vocabulary.kind(token) == TokenKind::control &&
         !state_->special.is_shown[token];
}

bool Tokenizer::is_end(Token token) const {
  return state_->vocabulary.has(token) && state_->special.is_end[token];
}

Token Tokenizer::bos() const { return state_->special.bos; }
Token Tokenizer::eos() const { return state_->special.eos; }
bool Tokenizer::adds_bos() const { return state_->special.adds_bos; }

std::string_view Tokenizer::text(Token token) const {
  return state_->vocabulary.has(token) ? state_->vocabulary.text(token) : std::string_view();
}

Token Tokenizer::find(std::string_view token_text) const {
  return state_->vocabulary.find(token_text);
}

std::string_view Tokenizer::pre() const { return state_->pre; }
std::span<const std::string> Tokenizer::notes() const { return state_->notes; }

}  // namespace hearth
