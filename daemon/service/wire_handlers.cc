#include "service/wire_handlers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "net/client_tokens.h"
#include "service/token_count.h"
#include "support/id.h"
#include "support/json.h"
#include "wire/anthropic.h"
#include "wire/openai.h"

namespace hearth {

using transport::HttpRequest;
using transport::HttpResponder;

namespace {

std::vector<std::string> split_labels(std::string_view list) {
  std::vector<std::string> labels;
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view label = list.substr(0, comma);
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
    while (label.starts_with(' ')) label.remove_prefix(1);
    while (label.ends_with(' ')) label.remove_suffix(1);
    if (!label.empty()) labels.emplace_back(label);
  }
  return labels;
}

// Where clients name their conversation, the surest first.
constexpr std::string_view kSessionHeaders[] = {
    "x-hearth-session",    // anybody
    "x-session-id",        // opencode, Kilo
    "x-session-affinity",  // opencode, Kilo
    "x-claude-code-session-id",
    "session-id",  // Codex
    "session_id",  // Codex before
    "thread-id",   // Codex
};

constexpr size_t kMaxLane = 200;

const std::string kModels = "/v1/models";

// Whether a request for this model may go there.
bool can_mean(std::string_view model, const router::Target& target) {
  if (model == "auto" || model.starts_with("auto:")) return true;
  if (model == "local") return target.kind == router::TargetKind::engine;
  return model == target.name || model == target.model ||
         (target.kind == router::TargetKind::api && model == target.provider);
}

std::string session_of(const HttpRequest& request, const wire::Asked& asked) {
  constexpr size_t kMaxName = 200;
  for (std::string_view name : kSessionHeaders)
    if (auto value = request.header(name); value && !value->empty())
      return std::string(value->substr(0, kMaxName));
  return asked.session.substr(0, kMaxName);
}

// Features that a client asks of Anthropic by name; what is no list of names is not passed on.
std::string betas_of(const HttpRequest& request) {
  constexpr size_t kMost = 1000;
  auto betas = request.header("anthropic-beta");
  const bool is_list = betas && betas->size() <= kMost && std::ranges::all_of(*betas, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
                                c == ',' || c == ' ';
                       });
  return is_list ? std::string(*betas) : "";
}

}  // namespace

void WireHandlers::bind(transport::HttpServer& server) {
  for (const wire::Dialect& dialect : wire::dialects())
    server.route("POST", std::string(dialect.path),
                 [this, &dialect](HttpRequest request, HttpResponder& responder) {
                   return answer(dialect, std::move(request), responder);
                 });
  server.route("POST", "/v1/messages/count_tokens",
               [this](HttpRequest request, HttpResponder& responder) {
                 return count_tokens(std::move(request), responder);
               });
  server.route("GET", kModels, [this](HttpRequest request, HttpResponder& responder) {
    return list_models(std::move(request), responder);
  });
  server.route("GET", kModels + "/*", [this](HttpRequest request, HttpResponder& responder) {
    return show_model(std::move(request), responder);
  });
}

Task<> WireHandlers::answer(const wire::Dialect& dialect, HttpRequest request,
                            HttpResponder& responder) {
  Exchange exchange(co_await net::this_coro::executor, dialect, services_, responder);
  Task<> answering = begin(exchange, dialect, std::exchange(request, {}));
  co_await std::move(answering);
}

// No coroutine: what was parsed is gone when the answer streams.
Task<> WireHandlers::begin(Exchange& exchange, const wire::Dialect& dialect, HttpRequest request) {
  router::RequestFacts facts;
  facts.id = make_id("req");
  auto asked = dialect.parse(request.body);
  if (!asked) return exchange.refuse(asked.error(), facts.id);
  facts.model = catalog_.resolve(asked->model);
  facts.session = session_of(request, *asked);
  const bool is_completion = asked->body.prompt || asked->body.infill;
  const auto usual = is_completion ? router::Origin::completions : router::Origin::chat;
  facts.origin = enum_from_name<router::Origin>(dialect.name).value_or(usual);
  std::string& lane = asked->body.lane;
  if (auto named = request.header("x-hearth-lane")) lane = named->substr(0, kMaxLane);
  if (!lane.empty() && !asked->others.empty())
    return exchange.refuse(
        Error{Errc::invalid, "x-hearth-lane: expected one prompt; each would end the one before"},
        facts.id);
  if (!lane.empty() && request.client) lane = request.client->name + "/" + lane;
  if (auto cache = request.header("x-hearth-cache"); cache && *cache == "explain")
    asked->body.explains_cache = true;
  // What stood in the cache may be another client's text.
  if (request.client) asked->body.explains_cache = false;
  for (CompletionRequest& other : asked->others) other.explains_cache = asked->body.explains_cache;
  facts.task = is_completion ? router::TaskClass::completion : router::TaskClass::chat;
  if (auto labels = request.header("x-hearth-labels")) facts.labels = split_labels(*labels);
  // As its budget is called; what is no name is none.
  constexpr size_t kMaxProject = 128;
  if (auto project = request.header("x-hearth-project"); project && project->size() <= kMaxProject)
    facts.project = *project;
  if (request.client) {
    facts.token = request.client->name;
    for (const std::string& label : request.client->labels) facts.labels.push_back(label);
  }
  std::string betas = dialect.name == "messages" ? betas_of(request) : "";
  return exchange.answer(std::move(*asked), std::move(facts), std::move(betas));
}

// The engine that a request for this model goes to, where it can go nowhere else.
const router::Target* WireHandlers::only_engine(const router::Policy& policy,
                                                const std::string& model) {
  const router::Target* only = nullptr;
  for (const router::Target& target : policy.targets) {
    if (!can_mean(model, target)) continue;
    if (target.kind != router::TargetKind::engine) return nullptr;
    if (!only) only = &target;
  }
  return only;
}

// A local model counts exactly, as a prompt is refused by it; elsewhere the count is an estimate,
// and says so.
Task<> WireHandlers::count_tokens(HttpRequest request, HttpResponder& responder) {
  auto asked = wire::anthropic::parse_count(request.body);
  const std::string id = make_id("req");
  transport::Headers headers{{"request-id", id}};
  if (!asked) {
    wire::ErrorReply reply = wire::anthropic::error_reply(asked.error(), id);
    headers = transport::error_headers(id);
    (void)co_await responder.respond(reply.status, "application/json", std::move(reply.body),
                                     std::move(headers));
    co_return;
  }
  auto policy = catalog_.policy();
  const uint64_t n_prompt = router::estimate_tokens(asked->body);
  std::optional<uint32_t> exact;
  if (auto* target = only_engine(*policy, catalog_.resolve(asked->model)))
    if (auto spec = catalog_.spec(target->model))
      exact = co_await count_prompt(engine_, std::move(*spec), std::move(asked->body));
  headers.push_back({"x-hearth-token-count", exact ? "exact" : "estimate"});
  json::Object body{{"input_tokens", exact ? *exact : n_prompt}};
  std::string text = boost::json::serialize(body);
  (void)co_await responder.respond(200, "application/json", std::move(text), std::move(headers));
}

uint32_t WireHandlers::context_of(const router::Target& target) {
  for (const auto& model : engine_.loaded())
    if (model.model == target.model) return model.facts.n_context;
  for (const auto& model : catalog_.stored())
    if (model.name == target.model) return static_cast<uint32_t>(model.n_context_train);
  return target.n_context;
}

uint32_t WireHandlers::context_of(const std::string& model) {
  uint32_t widest = 0;
  for (const router::Target& target : catalog_.policy()->targets)
    if (can_mean(model, target)) widest = std::max(widest, context_of(target));
  return widest;
}

std::vector<wire::ListedModel> WireHandlers::models() {
  std::vector<wire::ListedModel> models;
  std::set<std::string> seen;
  auto add = [&](const std::string& id, std::string_view owner, uint32_t n_context) {
    if (!id.empty() && seen.insert(id).second)
      models.push_back({id, std::string(owner), n_context});
  };
  auto policy = catalog_.policy();
  add("auto", "hearth", context_of("auto"));
  for (const router::Target& target : policy->targets) {
    bool is_engine = target.kind == router::TargetKind::engine;
    std::string_view owner = is_engine ? "hearth" : std::string_view(target.provider);
    add(target.name, owner, context_of(target));
    add(target.model, owner, context_of(target));
  }
  for (const std::string& name : catalog_.aliases()) add(name, "hearth", 0);
  return models;
}

// Anthropic's clients say which version of the wire they mean, and get its shape.
Task<> WireHandlers::list_models(HttpRequest request, HttpResponder& responder) {
  const bool is_anthropic = request.header("anthropic-version").has_value();
  std::string text = is_anthropic ? wire::anthropic_list(models()) : wire::openai_list(models());
  (void)co_await responder.respond(200, "application/json", std::move(text));
}

Task<> WireHandlers::show_model(HttpRequest request, HttpResponder& responder) {
  const bool is_anthropic = request.header("anthropic-version").has_value();
  // Ids may have slashes ("vendor/model"); clients send them as they are, or as %2F.
  const std::string name = transport::percent_decoded(request.path.substr(kModels.size() + 1));
  const std::vector<wire::ListedModel> known = models();
  auto found = std::ranges::find(known, name, &wire::ListedModel::id);
  if (found == known.end()) {
    const std::string id = make_id("req");
    const Failure unknown =
        Error{Errc::not_found,
              fmt::format("model \"{}\" is not known here; GET /v1/models lists what is", name)};
    wire::ErrorReply reply = is_anthropic ? wire::anthropic::error_reply(unknown, id)
                                          : wire::openai::error_reply(unknown);
    transport::Headers headers = transport::error_headers(id);
    (void)co_await responder.respond(reply.status, "application/json", std::move(reply.body),
                                     std::move(headers));
    co_return;
  }
  std::string text = is_anthropic ? wire::anthropic_model(*found) : wire::openai_model(*found);
  (void)co_await responder.respond(200, "application/json", std::move(text));
}

}  // namespace hearth
