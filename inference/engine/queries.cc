// Queries: what a loaded model makes of texts without generating. All but embeddings is done on the
// preparer's thread; of those, the engine computes one text between two steps.
#include <fmt/format.h>

#include "engine/engine.h"
#include "graph/embedding.h"

namespace hearth::engine {

namespace {

constexpr size_t kMaxTexts = 2048;  // of one query

// Of what the daemon takes. Said before the memory for it is.
Result<> check_size(std::string_view what, size_t n_bytes) {
  constexpr size_t kHead = 64;  // of the frame: counts, lengths, the number of the request
  if (n_bytes + kHead <= kMaxAnswerBytes) return {};
  return Error{Errc::invalid,
               fmt::format("{}: the answer would have {} bytes or more, expected at most {}; ask "
                           "in parts",
                           what, n_bytes, kMaxAnswerBytes - kHead)};
}

Result<Answered> tokenize(const Query& query, const Tokenizer& tokenizer) {
  if (query.texts.size() != 1) return Error{Errc::invalid, "expected one text to tokenize"};
  Answered out;
  out.tokens = tokenizer.encode(query.texts[0], query.parses_special, query.adds_special);
  size_t n_bytes = out.tokens.size() * sizeof(Token);
  if (query.wants_pieces) n_bytes += out.tokens.size() * sizeof(uint32_t);
  if (auto fits = check_size("content", n_bytes); !fits) return fits.error();
  if (!query.wants_pieces) return out;
  for (Token token : out.tokens) {
    out.pieces.push_back(tokenizer.piece(token, true));
    n_bytes += out.pieces.back().size();
  }
  if (auto fits = check_size("content", n_bytes); !fits) return fits.error();
  return out;
}

Result<Answered> detokenize(const Query& query, const Tokenizer& tokenizer) {
  size_t n_bytes = 0;
  for (Token token : query.tokens) {
    if (token < 0 || static_cast<size_t>(token) >= tokenizer.n_vocab())
      return Error{Errc::invalid, fmt::format("tokens: {} is not in the vocabulary of {} tokens",
                                              token, tokenizer.n_vocab())};
    n_bytes += tokenizer.piece(token, true).size();
  }
  if (auto fits = check_size("tokens", n_bytes); !fits) return fits.error();
  Answered out;
  out.text = tokenizer.decode(query.tokens, true);
  return out;
}

Result<Answered> answer(const Query& query, const LoadedModel& model, int64_t unix_time_s) {
  Answered out;
  switch (query.kind) {
    case Query::Kind::tokenize: return tokenize(query, *model.tokenizer);
    case Query::Kind::detokenize: return detokenize(query, *model.tokenizer);
    case Query::Kind::render: {
      auto text = model.chat_template.render_text(query.body.messages, query.body.tools,
                                                  query.body.template_variables, unix_time_s);
      if (!text) return text.error();
      if (auto fits = check_size("messages", text->text.size()); !fits) return fits.error();
      out.text = std::move(text->text);
      return out;
    }
    case Query::Kind::facts:
      out.text = model.file.string_or("tokenizer.chat_template", "");
      if (auto fits = check_size("the chat template", out.text.size()); !fits) return fits.error();
      return out;
    case Query::Kind::embed: break;
  }
  return Error{Errc::internal, "a query that nobody answers"};
}

// What an embedding model was trained to see: its texts between the tokens that its file says.
Result<std::vector<std::vector<Token>>> texts_to_embed(const Query& query,
                                                       const LoadedModel& model) {
  if (model.model.plan().pooling == Pooling::none && model.facts.has_template)
    return Error{
        Errc::unsupported,
        fmt::format("{} is a model for chats, not for embeddings: it names no pooling; take "
                    "an embedding model (bge, nomic-embed, Qwen3-Embedding ...)",
                    model.name)};
  if (query.texts.size() > kMaxTexts)
    return Error{Errc::invalid, fmt::format("input: {} texts, expected at most {}",
                                            query.texts.size(), kMaxTexts)};
  const size_t n_each = model.model.plan().width * sizeof(float) + sizeof(uint32_t);
  if (auto fits = check_size("input", query.texts.size() * n_each); !fits) return fits.error();
  std::vector<std::vector<Token>> out;
  for (const std::string& text : query.texts)
    out.push_back(model.tokenizer->encode(text, false, true));
  if (!query.tokens.empty()) out.push_back(query.tokens);
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].empty()) return Error{Errc::invalid, fmt::format("input[{}] is empty", i)};
    if (out[i].size() > model.facts.n_context)
      return Error{Errc::context_exceeded,
                   fmt::format("input[{}] has {} tokens, expected at most {}", i, out[i].size(),
                               model.facts.n_context)};
  }
  return out;
}

Result<std::vector<float>> embed(LoadedModel& model, std::span<const Token> tokens) {
  std::vector<PageIndex> pages;
  size_t n_windows = 0;
  bool has_room = true;
  for (size_t i = 0; i < pages_for(tokens.size()) && has_room; ++i) {
    const std::optional<PageIndex> page = model.prefixes.acquire();
    if (page) pages.push_back(*page);
    has_room = page && model.prefixes.hold_window(*page);
    n_windows += has_room;
  }
  Result<std::vector<float>> out =
      Error{Errc::busy, "the model's memory is taken by answers under way; try again"};
  if (has_room) out = embedding_of(model.model, model.cache, pages, tokens);
  for (size_t i = 0; i < n_windows; ++i) model.cache.release_window(pages[i]);
  for (PageIndex page : pages) model.cache.release(page);
  return out;
}

}  // namespace

void Engine::on(const Query& request) {
  Resident* resident = find(request.model);
  const auto fail = [this, id = request.request](const Error& error) {
    options_.emit(Failed{id, error, 0, 0});
  };
  if (!resident)
    return fail({Errc::not_found, fmt::format("model {} is not loaded", request.model)});
  preparing_[request.request] = {request.model, ""};
  // Only a query that was not withdrawn meanwhile is answered.
  const auto take = [this](uint64_t id) { return preparing_.erase(id) > 0; };
  if (request.kind == Query::Kind::embed) {
    preparer_.post([this, request, take, fail, model = resident->model]() -> Worker::Finish {
      auto texts = std::make_shared<Result<std::vector<std::vector<Token>>>>(
          texts_to_embed(request, *model));
      return [this, request, take, fail, texts] {
        if (!take(request.request)) return;
        if (!*texts) return fail(texts->error());
        embeddings_.push_back({request, std::move(**texts), {}});
        embeddings_.back().answer.request = request.request;
      };
    });
    return;
  }
  preparer_.post([this, request, take, fail, model = resident->model]() -> Worker::Finish {
    auto made = std::make_shared<Result<Answered>>(answer(request, *model, options_.unix_time_s()));
    return [this, request, take, fail, made] {
      if (!take(request.request)) return;
      if (!*made) return fail(made->error());
      (*made)->request = request.request;
      options_.emit(**made);
    };
  });
}

void Engine::embed_one() {
  Embedding& next = embeddings_.front();
  const auto end = [this](const FromEngine& event) {
    options_.emit(event);
    embeddings_.pop_front();
  };
  const uint64_t id = next.query.request;
  Resident* resident = find(next.query.model);
  if (!resident)
    return end(
        Failed{id, {Errc::cancelled, fmt::format("{} was unloaded", next.query.model)}, 0, 0});
  Answered& out = next.answer;
  if (out.embeddings.size() < next.texts.size()) {
    const std::vector<Token>& tokens = next.texts[out.embeddings.size()];
    auto embedding = embed(*resident->model, tokens);
    if (!embedding) return end(Failed{id, embedding.error(), 0, 0});
    out.embeddings.push_back(std::move(*embedding));
    out.n_tokens += static_cast<uint32_t>(tokens.size());
  }
  if (out.embeddings.size() == next.texts.size()) end(Answered(out));
}

}  // namespace hearth::engine
