// What a local model makes of texts, without generating: /v1/embeddings as OpenAI has it;
// /tokenize, /detokenize, /apply-template and /props as llama-server has them. They never leave
// this machine.
//
// Lives on the loop thread; outlives the server.
#pragma once

#include "inference/engine_client.h"
#include "net/http_server.h"
#include "service/model_catalog.h"
#include "support/json.h"

namespace hearth {

class TextHandlers {
 public:
  TextHandlers(ModelCatalog& catalog, engine::EngineClient& engine)
      : catalog_(catalog), engine_(engine) {}

  void bind(transport::HttpServer& server);

 private:
  using Reply = Result<json::Object>;
  using Handler = Task<Reply> (TextHandlers::*)(std::string body);

  Task<> answer(transport::HttpRequest request, transport::HttpResponder& responder,
                Handler handler);
  Task<Reply> tokenize(std::string body);
  Task<Reply> detokenize(std::string body);
  Task<Reply> apply_template(std::string body);
  Task<Reply> embed(std::string body);
  Task<Reply> props(std::string body);
  Task<Reply> ask(std::string model, engine::Query query, engine::Answered& answered);
  // Of a model's or a target's name; "auto" and none: the first local one.
  Result<engine::ModelSpec> spec_of(std::string_view model);

  ModelCatalog& catalog_;
  engine::EngineClient& engine_;
};

}  // namespace hearth
