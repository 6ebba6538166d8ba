// A way to have a request answered: the local engine, remote APIs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "inference/completion.h"
#include "inference/forecast.h"
#include "router/attempt.h"
#include "router/decision.h"
#include "router/policy.h"
#include "support/task.h"

namespace hearth::router {

// What of a request would leave, for the record of what left; no text.
struct Manifest {
  std::vector<std::string> blocks;   // digests of its texts (privacy/text_key.h)
  std::vector<std::string> sources;  // files that they came from, as far as is known
};

// What a client says by its own wire to its own provider, and what no other has a word for.
struct OwnWords {
  // Of Anthropic's wire, for Anthropic: metadata.user_id, and the header anthropic-beta.
  std::string user, betas;
  // Of OpenAI's responses: tools whose calls are plain text, by name, each with its "format".
  // Elsewhere they are functions of one text.
  std::map<std::string, RawJson> free_form;
};

struct RouteRequest {
  RequestFacts facts;
  CompletionRequest body;
  Manifest manifest{};
  OwnWords own{};
  bool waits_for_all = false;  // shown when it is whole: what broke midway may be asked for anew
};

// Serves every target of its kind; stateless between requests but for its connections. Lives on the
// loop thread.
class Provider {
 public:
  virtual ~Provider() = default;

  // How things stand with a target, for the decision. Asks nobody and waits for nobody.
  virtual TargetState state(const Target& target) const = 0;

  // Adds what it can tell of this very request (TargetState::forecast), in the same way.
  virtual void foresee(const Target& /*target*/, const CompletionRequest& /*request*/,
                       const engine::PromptPoints& /*points*/, TargetState& /*state*/) const {}

  // Streams deltas, then gives the answer. What the target cannot honour is Errc::unsupported.
  // Cancelling the awaiting task stops the work. `attempt` outlives the task, and tells all along
  // how far it has come.
  virtual Task<Answer> complete(const Target& target, RouteRequest request, DeltaSink sink,
                                Attempt& attempt) = 0;

  // What the target's server publishes of its load, as Prometheus text; asked of pools' servers.
  virtual Task<Result<std::string>> published(Target) {
    co_return Error{Errc::unsupported, "this target publishes nothing"};
  }
};

}  // namespace hearth::router
