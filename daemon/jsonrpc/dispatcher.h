// JSON-RPC 2.0: method name -> typed handler. Handlers take and return records, never JSON:
//
//   dispatcher.bind("turn/start", [&](jsonrpc::Call call, TurnStart params) -> Task<Result<TurnStarted>> ...);
//   dispatcher.bind("turn/start", turns, &TurnMethods::start);
//
// The table of methods is also the source of editors/protocol.json (describe()).
// Lives on the loop thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/protocol/schema.h"
#include "daemon/protocol/event_sink.h"
#include "support/json.h"
#include "support/result.h"
#include "support/task.h"

namespace hearth::jsonrpc {

// Who calls. The sink outlives the call (the connection joins its calls before it dies).
struct Call {
  EventSink& client;
};

// Error codes of the wire: the only place where Errc becomes a JSON-RPC number.
int code_of(Errc code);

class Dispatcher {
 public:
  template <class Params, class Reply>
  void bind(std::string method, std::function<Task<Result<Reply>>(Call, Params)> handler) {
    Method entry;
    entry.describe = [] { return MethodSchema{schema_of<Params>(), schema_of<Reply>()}; };
    entry.call = [handler = std::move(handler)](Call call, json::Element params) {
      return invoke<Params, Reply>(handler, call, json::decode<Params>(params));
    };
    methods_.emplace(std::move(method), std::move(entry));
  }

  template <class Object, class Params, class Reply>
  void bind(std::string method, Object& object, Task<Result<Reply>> (Object::*member)(Call, Params)) {
    bind<Params, Reply>(std::move(method), [&object, member](Call call, Params params) {
      return (object.*member)(call, std::move(params));
    });
  }

  // `params` is the request's params element (an empty object when the client sent none).
  // The result is JSON text. Errc::unsupported with "unknown method" when there is none.
  Task<Result<std::string>> call(Call call, std::string_view method, json::Element params) const;
  bool has(std::string_view method) const { return methods_.find(method) != methods_.end(); }

  std::vector<std::string> methods() const;

  // {"methods": {"turn/start": {"params": ..., "result": ...}}}
  json::Object describe() const;

 private:
  struct Method {
    std::function<MethodSchema()> describe;
    std::function<Task<Result<std::string>>(Call, json::Element)> call;
  };

  template <class Params, class Reply>
  static Task<Result<std::string>> invoke(std::function<Task<Result<Reply>>(Call, Params)> handler,
                                          Call call, Result<Params> params) {
    if (!params) co_return params.error();
    Result<Reply> reply = co_await handler(call, std::move(*params));
    if (!reply) co_return reply.error();
    co_return json::encode(*reply);
  }

  std::map<std::string, Method, std::less<>> methods_;
};

}  // namespace hearth::jsonrpc
