// The served model wires over HTTP: every dialect of wire/table.cc, /v1/models and
// /v1/messages/count_tokens. Lives on the loop thread; outlives the server.
#pragma once

#include "net/http_server.h"
#include "router/router.h"
#include "service/exchange.h"
#include "service/model_catalog.h"
#include "wire/model_list.h"

namespace hearth {

class WireHandlers {
 public:
  WireHandlers(router::Completer& completer, ModelCatalog& catalog, engine::EngineClient& engine)
      : catalog_(catalog),
        engine_(engine),
        services_{completer, [this](const std::string& model) { return context_of(model); }} {}

  void bind(transport::HttpServer& server);

 private:
  Task<> answer(const wire::Dialect& dialect, transport::HttpRequest request,
                transport::HttpResponder& responder);
  Task<> begin(Exchange& exchange, const wire::Dialect& dialect, transport::HttpRequest request);
  Task<> count_tokens(transport::HttpRequest request, transport::HttpResponder& responder);
  Task<> list_models(transport::HttpRequest request, transport::HttpResponder& responder);
  Task<> show_model(transport::HttpRequest request, transport::HttpResponder& responder);
  std::vector<wire::ListedModel> models();
  uint32_t context_of(const router::Target& target);
  uint32_t context_of(const std::string& model);
  const router::Target* only_engine(const router::Policy& policy, const std::string& model);

  ModelCatalog& catalog_;
  engine::EngineClient& engine_;
  const Exchange::Services services_;
};

}  // namespace hearth
