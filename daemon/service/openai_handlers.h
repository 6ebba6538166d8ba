// The OpenAI wire over HTTP: /v1/chat/completions, /v1/completions, /v1/models.
//
// Every answer carries x-request-id, and once decided x-hearth-target and x-hearth-reason; an error
// says in x-hearth-error-source whether Hearth or a provider speaks. A long prompt sends SSE
// comments, so that no client thinks it hangs. Lives on the loop thread; outlives the server.
#pragma once

#include "net/http_server.h"
#include "router/router.h"
#include "service/model_catalog.h"

namespace hearth {

class OpenAiHandlers {
 public:
  OpenAiHandlers(router::Completer& completer, ModelCatalog& catalog, engine::EngineClient& engine)
      : completer_(completer), catalog_(catalog), engine_(engine) {}

  void bind(transport::HttpServer& server);

 private:
  enum class Form { chat, text };
  struct Exchange;

  Task<> complete(transport::HttpRequest request, transport::HttpResponder& responder, Form form);
  Task<> answer_whole(Exchange& exchange, transport::HttpResponder& responder);
  Task<> answer_stream(Exchange& exchange, transport::HttpResponder& responder);
  Task<> run(Exchange& exchange);
  Task<> pump(Exchange& exchange, transport::HttpResponder& responder);
  Task<> list_models(transport::HttpRequest request, transport::HttpResponder& responder);

  router::Completer& completer_;
  ModelCatalog& catalog_;
  engine::EngineClient& engine_;
};

}  // namespace hearth
