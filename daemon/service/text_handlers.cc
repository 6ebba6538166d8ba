#include "service/text_handlers.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include "support/id.h"
#include "wire/openai.h"
#include "wire/reading.h"

namespace hearth {

using engine::Answered;
using engine::Query;
using json::Array;
using json::Element;
using json::Object;
using transport::HttpRequest;
using transport::HttpResponder;

namespace {

constexpr size_t kMaxInputs = 2048;  // of one request for embeddings, as OpenAI has it

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

Result<json::Document> read_body(std::string_view body) {
  auto document = json::Document::parse(body.empty() ? "{}" : body);
  if (document && !document->root().is_object()) return wire::wrong("body", "an object");
  return document;
}

Result<> read_tokens(Element list, std::string_view field, std::vector<Token>& out) {
  simdjson::dom::array array;
  if (list.get_array().get(array)) return wire::wrong(field, "an array of token ids");
  for (Element item : array) {
    int64_t token;
    if (item.get_int64().get(token) || token < 0 || token > INT32_MAX)
      return wire::wrong(field, "an array of token ids");
    out.push_back(static_cast<Token>(token));
  }
  return {};
}

// A text, several, the tokens of one, or of several: of these the first go into the query, the
// others into `more`.
Result<> read_input(Element body, Query& query, std::vector<std::vector<Token>>& more) {
  auto input = wire::member(body, "input");
  if (!input) return wire::wrong("input", "a string or an array");
  std::string_view text;
  simdjson::dom::array list;
  if (!input->get_string().get(text)) {
    query.texts.emplace_back(text);
    return {};
  }
  if (input->get_array().get(list) || list.size() == 0)
    return wire::wrong("input", "a string or an array that is not empty");
  if ((*list.begin()).is_int64()) return read_tokens(*input, "input", query.tokens);
  const bool has_lists = (*list.begin()).is_array();
  if (list.size() > kMaxInputs)
    return wire::wrong("input", fmt::format("at most {} texts", kMaxInputs));
  for (Element item : list) {
    if (has_lists) {
      std::vector<Token> tokens;
      if (auto done = read_tokens(item, "input", tokens); !done) return done;
      if (tokens.empty()) return wire::wrong("input", "arrays of token ids that are not empty");
      more.push_back(std::move(tokens));
      continue;
    }
    if (item.get_string().get(text))
      return wire::wrong("input", "strings, token ids, or arrays of token ids");
    query.texts.emplace_back(text);
  }
  if (!has_lists) return {};
  query.tokens = std::move(more.front());
  more.erase(more.begin());
  return {};
}

// The first of its numbers, of unit length again.
std::vector<float> shortened(std::vector<float> embedding, size_t n) {
  embedding.resize(n);
  double squares = 0;
  for (float each : embedding) squares += double{each} * each;
  const double factor = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (float& each : embedding) each = static_cast<float>(each * factor);
  return embedding;
}

// Little-endian floats, as OpenAI's clients unpack them.
std::string base64_of(const std::vector<float>& numbers) {
  const size_t n_bytes = numbers.size() * sizeof(float);
  std::string out((n_bytes + 2) / 3 * 4 + 1, '\0');  // with the 0 that it writes at the end
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  auto* from = reinterpret_cast<const unsigned char*>(numbers.data());
  out.resize(static_cast<size_t>(EVP_EncodeBlock(to, from, static_cast<int>(n_bytes))));
  return out;
}

// Replies are built outside of coroutines: g++ 12 mishandles braced lists in them.

Object tokens_reply(const Answered& answered) {
  Array tokens;
  for (size_t i = 0; i < answered.tokens.size(); ++i) {
    const Token token = answered.tokens[i];
    if (i >= answered.pieces.size()) {
      tokens.push_back(token);
      continue;
    }
    const std::string& piece = answered.pieces[i];
    json::Value shown(piece);
    if (!is_utf8(piece)) {  // a part of a character: its bytes
      Array bytes;
      for (unsigned char byte : piece) bytes.push_back(int{byte});
      shown = std::move(bytes);
    }
    tokens.push_back(Object{{"id", token}, {"piece", std::move(shown)}});
  }
  return Object{{"tokens", std::move(tokens)}};
}

Result<> read_tokenize(Element body, Query& query) {
  auto content = wire::string_member(body, "content");
  if (!content) return wire::wrong("content", "a string");
  query.kind = Query::Kind::tokenize;
  query.texts.emplace_back(*content);
  for (const auto& [name, flag] : {std::pair{"add_special", &query.adds_special},
                                   std::pair{"parse_special", &query.parses_special},
                                   std::pair{"with_pieces", &query.wants_pieces}})
    if (auto done = wire::read_flag(body, name, *flag); !done) return done;
  return {};
}

struct EmbeddingForm {
  std::vector<std::vector<Token>> more;  // inputs behind the query's own
  bool is_base64 = false;
  std::optional<uint32_t> n_dimensions;
};

Result<> read_embed(Element body, Query& query, EmbeddingForm& form) {
  query.kind = Query::Kind::embed;
  if (auto done = read_input(body, query, form.more); !done) return done;
  const std::string format = wire::text_member(body, "encoding_format");
  if (!format.empty() && format != "float" && format != "base64")
    return wire::wrong("encoding_format", "float or base64");
  form.is_base64 = format == "base64";
  return wire::read_number(body, "dimensions", 1, 1'000'000, form.n_dimensions);
}

Result<Object> embeddings_reply(Answered answered, const EmbeddingForm& form,
                                const std::string& model) {
  Array data;
  for (std::vector<float>& embedding : answered.embeddings) {
    if (form.n_dimensions && *form.n_dimensions > embedding.size())
      return wire::wrong("dimensions",
                         fmt::format("at most {}, as many as the model has", embedding.size()));
    if (form.n_dimensions) embedding = shortened(std::move(embedding), *form.n_dimensions);
    json::Value shown;
    if (form.is_base64)
      shown = base64_of(embedding);
    else
      shown = Array(embedding.begin(), embedding.end());
    data.push_back(
        Object{{"object", "embedding"}, {"index", data.size()}, {"embedding", std::move(shown)}});
  }
  Object usage{{"prompt_tokens", answered.n_tokens}, {"total_tokens", answered.n_tokens}};
  return Object{
      {"object", "list"}, {"data", std::move(data)}, {"model", model}, {"usage", std::move(usage)}};
}

Object props_reply(const engine::ModelSpec& spec, const engine::ModelFacts& facts,
                   const Answered& answered) {
  return Object{{"default_generation_settings", Object{{"n_ctx", facts.n_context}}},
                {"total_slots", 1},
                {"model_alias", spec.model},
                {"model_path", spec.path},
                {"chat_template", wire::openai::json_text(answered.text)},
                {"modalities", Object{{"vision", false}, {"audio", false}}},
                {"n_vocab", facts.n_vocab}};
}

}  // namespace

void TextHandlers::bind(transport::HttpServer& server) {
  struct Row {
    const char *method, *path;
    Handler handler;
  };
  for (const Row& row : {Row{"POST", "/tokenize", &TextHandlers::tokenize},
                         Row{"POST", "/detokenize", &TextHandlers::detokenize},
                         Row{"POST", "/apply-template", &TextHandlers::apply_template},
                         Row{"POST", "/v1/embeddings", &TextHandlers::embed},
                         Row{"GET", "/props", &TextHandlers::props}})
    server.route(row.method, row.path,
                 [this, handler = row.handler](HttpRequest request, HttpResponder& responder) {
                   return answer(std::move(request), responder, handler);
                 });
}

Task<> TextHandlers::answer(HttpRequest request, HttpResponder& responder, Handler handler) {
  const std::string id = make_id("req");
  std::string body = std::move(request.body);
  Reply reply = co_await (this->*handler)(std::move(body));
  if (!reply) {
    Failure failure = reply.error();
    wire::ErrorReply error = wire::openai::error_reply(failure);
    transport::Headers headers = transport::error_headers(id);
    if (error.retry_after_s)
      headers.push_back({"Retry-After", std::to_string(*error.retry_after_s)});
    (void)co_await responder.respond(error.status, "application/json", std::move(error.body),
                                     std::move(headers));
    co_return;
  }
  std::string text = boost::json::serialize(*reply);
  transport::Headers headers{{"x-request-id", id}};
  (void)co_await responder.respond(200, "application/json", std::move(text), std::move(headers));
}

Result<engine::ModelSpec> TextHandlers::spec_of(std::string_view model) {
  const std::string name = catalog_.resolve(std::string(model.empty() ? "auto" : model));
  for (const router::Target& target : catalog_.policy()->targets) {
    if (target.name != name && name != "auto" && name != "local") continue;
    if (target.kind == router::TargetKind::engine) return catalog_.spec(target.model);
    if (target.name == name)
      return Error{Errc::unsupported,
                   fmt::format("model: {} is not a model of this machine", name)};
  }
  return catalog_.spec(name);
}

Task<TextHandlers::Reply> TextHandlers::ask(std::string model, Query query, Answered& answered) {
  auto spec = spec_of(model);
  if (!spec) co_return spec.error();
  auto got = co_await engine_.ask(std::move(*spec), std::move(query));
  if (!got) co_return got.error();
  answered = std::move(*got);
  co_return Object();
}

Task<TextHandlers::Reply> TextHandlers::tokenize(std::string body) {
  auto document = read_body(body);
  if (!document) co_return document.error();
  Query query;
  if (auto read = read_tokenize(document->root(), query); !read) co_return read.error();
  std::string model = wire::text_member(document->root(), "model");
  Answered answered;
  Reply asked = co_await ask(std::move(model), std::move(query), answered);
  if (!asked) co_return asked;
  co_return tokens_reply(answered);
}

Task<TextHandlers::Reply> TextHandlers::detokenize(std::string body) {
  auto document = read_body(body);
  if (!document) co_return document.error();
  auto tokens = wire::member(document->root(), "tokens");
  if (!tokens) co_return wire::wrong("tokens", "an array of token ids");
  Query query;
  query.kind = Query::Kind::detokenize;
  if (auto done = read_tokens(*tokens, "tokens", query.tokens); !done) co_return done.error();
  std::string model = wire::text_member(document->root(), "model");
  Answered answered;
  Reply asked = co_await ask(std::move(model), std::move(query), answered);
  if (!asked) co_return asked;
  Object reply;
  reply["content"] = wire::openai::json_text(answered.text);
  co_return reply;
}

Task<TextHandlers::Reply> TextHandlers::apply_template(std::string body) {
  auto chat = wire::openai::parse_chat(body);
  if (!chat) co_return chat.error();
  Query query;
  query.kind = Query::Kind::render;
  query.body = std::move(chat->body);
  Answered answered;
  Reply asked = co_await ask(std::move(chat->model), std::move(query), answered);
  if (!asked) co_return asked;
  Object reply;
  reply["prompt"] = wire::openai::json_text(answered.text);
  co_return reply;
}

Task<TextHandlers::Reply> TextHandlers::embed(std::string body) {
  auto document = read_body(body);
  if (!document) co_return document.error();
  Query query;
  EmbeddingForm form;
  if (auto read = read_embed(document->root(), query, form); !read) co_return read.error();
  std::string model = wire::text_member(document->root(), "model");
  auto spec = spec_of(model);
  if (!spec) co_return spec.error();
  model = spec->model;
  Query next = query;
  engine::ModelSpec of = *spec;
  auto answered = co_await engine_.ask(std::move(*spec), std::move(query));
  if (!answered) co_return answered.error();
  for (std::vector<Token>& tokens : form.more) {
    next.tokens = std::move(tokens);
    auto further = co_await engine_.ask(of, next);
    if (!further) co_return further.error();
    answered->n_tokens += further->n_tokens;
    std::ranges::move(further->embeddings, std::back_inserter(answered->embeddings));
  }
  co_return embeddings_reply(std::move(*answered), form, model);
}

// Of the model that "auto" means here; it is loaded for it.
Task<TextHandlers::Reply> TextHandlers::props(std::string) {
  auto spec = spec_of("");
  if (!spec) co_return spec.error();
  engine::ModelSpec of = *spec;
  auto facts = co_await engine_.load(std::move(*spec));
  if (!facts) co_return facts.error();
  Query query;
  query.kind = Query::Kind::facts;
  auto answered = co_await engine_.ask(of, std::move(query));
  if (!answered) co_return answered.error();
  co_return props_reply(of, *facts, *answered);
}

}  // namespace hearth
