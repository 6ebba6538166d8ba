#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "providers/anthropic.h"
#include "providers/cache_markers.h"
#include "providers/wire_json.h"

namespace hearth::router {

namespace anthropic {

namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr std::string_view kSpace = " \t\r\n";

// The wire wants a bound where others take none.
constexpr uint32_t kDefaultMaxTokens = 8192;

bool is_blank(std::string_view text) { return text.find_first_not_of(kSpace) == text.npos; }

// Ids of other providers may hold what this wire refuses. A call and its result change alike.
std::string id_of(std::string id) {
  for (char& c : id)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '_';
  return id.empty() ? "call" : id;
}

// The wire wants an object; what a model wrote may be none.
Value input_of(const std::string& arguments) {
  if (is_blank(arguments)) return Object{};
  auto parsed = json::parse_value(arguments);
  if (parsed && parsed->is_object()) return std::move(*parsed);
  return Object{{"arguments", arguments}};
}

Result<Object> image_of(const Image& image) {
  std::string_view url = image.url;
  if (url.starts_with("https://") || url.starts_with("http://"))
    return Object{{"type", "image"}, {"source", Object{{"type", "url"}, {"url", url}}}};
  constexpr std::string_view kData = "data:", kBase64 = ";base64,";
  const size_t comma = url.find(kBase64);
  if (!url.starts_with(kData) || comma == url.npos)
    return Error{Errc::unsupported,
                 "images: expected an https: address or a data: URL in base64 for this provider"};
  return Object{{"type", "image"},
                {"source", Object{{"type", "base64"},
                                  {"media_type", url.substr(kData.size(), comma - kData.size())},
                                  {"data", url.substr(comma + kBase64.size())}}}};
}

// One message of the wire while canonical ones are added to it: neighbours of one role are one
// turn, and results stand in front of what else a turn says.
class Conversation {
 public:
  explicit Conversation(std::string_view provider) : provider_(provider) {}

  Result<> add(const Message& message) {
    const bool is_assistant = message.role == Role::assistant;
    open(is_assistant ? "assistant" : "user");
    // A later instruction keeps its place: this wire has none but the first ones.
    for (const Block& block : message.blocks) {
      if (auto added = std::visit([&](const auto& part) { return add_part(part); }, block.content);
          !added)
        return added;
      Array& parts = rest_.empty() ? results_ : rest_;
      if (!block.cache.empty() && !parts.empty())
        parts.back().as_object()["cache_control"] = cache_mark(block.cache);
    }
    return {};
  }

  Array take() {
    close();
    // A last turn of the assistant is to be continued, and must not end in white space.
    if (!turns_.empty() && turns_.back().at("role") == "assistant") {
      Array& content = turns_.back().as_object()["content"].as_array();
      Object& last = content.back().as_object();
      if (auto* text = last.if_contains("text")) {
        std::string trimmed(text->as_string());
        trimmed.erase(trimmed.find_last_not_of(kSpace) + 1);
        *text = trimmed;
      }
    }
    return std::move(turns_);
  }

 private:
  void open(std::string_view role) {
    if (role_ == role) return;
    close();
    role_ = role;
  }

  void close() {
    for (Value& part : rest_) results_.push_back(std::move(part));
    if (!results_.empty())
      turns_.push_back(Object{{"role", role_}, {"content", std::move(results_)}});
    results_ = {};
    rest_ = {};
    unsigned_thought_.clear();
    role_ = {};
  }

  Result<> add_part(const Text& text) {
    if (!is_blank(text.text)) rest_.push_back(Object{{"type", "text"}, {"text", text.text}});
    return {};
  }
  // Images behind a result are part of it.
  Result<> add_part(const Image& image) {
    auto part = image_of(image);
    if (!part) return part.error();
    if (rest_.empty() && !results_.empty())
      results_.back().as_object()["content"].as_array().push_back(std::move(*part));
    else
      rest_.push_back(std::move(*part));
    return {};
  }
  Result<> add_part(const ToolCall& call) {
    rest_.push_back(Object{{"type", "tool_use"},
                           {"id", id_of(call.id)},
                           {"name", call.name},
                           {"input", input_of(call.arguments)}});
    return {};
  }
  Result<> add_part(const ToolResult& result) {
    Array content;
    if (!is_blank(result.text)) content.push_back(Object{{"type", "text"}, {"text", result.text}});
    Object part{{"type", "tool_result"},
                {"tool_use_id", id_of(result.call_id)},
                {"content", std::move(content)}};
    if (result.is_error) part["is_error"] = true;
    results_.push_back(std::move(part));
    return {};
  }
  // Unsigned thoughts are another model's, or nobody's.
  Result<> add_part(const Reasoning& thought) {
    unsigned_thought_ = thought.text;
    return {};
  }
  Result<> add_part(const Opaque& opaque) {
    const std::string thought = std::exchange(unsigned_thought_, {});
    if (opaque.provider != provider_) return {};
    auto part = json::parse_value(opaque.part.text);
    if (!part || !part->is_object()) return {};
    if (part->as_object()["type"] == "thinking") part->as_object()["thinking"] = thought;
    rest_.push_back(std::move(*part));
    return {};
  }

  std::string_view provider_;
  std::string_view role_;
  Array turns_, results_, rest_;
  std::string unsigned_thought_;
};

// Models before 4.5 refuse it.
bool knows_strict(std::string_view model) {
  constexpr std::string_view kOlder[] = {"claude-3",          "claude-opus-4-0",
                                         "claude-opus-4-1",   "claude-opus-4-2",
                                         "claude-sonnet-4-0", "claude-sonnet-4-2"};
  return model.starts_with("claude-") &&
         std::ranges::none_of(kOlder, [&](auto prefix) { return model.starts_with(prefix); });
}

void add_tools(Object& body, std::string_view model, const CompletionRequest& request) {
  if (request.tools.empty()) return;
  Array tools;
  for (const ToolSpec& tool : request.tools) {
    Object row{{"name", tool.name}};
    if (!tool.description.empty()) row["description"] = tool.description;
    auto schema = json::parse_value(tool.parameters.text);
    row["input_schema"] =
        schema ? std::move(*schema) : Value(Object{{"type", "object"}, {"properties", Object{}}});
    if (tool.is_strict && knows_strict(model)) row["strict"] = true;
    if (!tool.cache.empty()) row["cache_control"] = cache_mark(tool.cache);
    tools.push_back(std::move(row));
  }
  body["tools"] = std::move(tools);
  const ToolChoice& asked = request.tool_choice;
  Object choice;
  switch (asked.mode) {
    case ToolChoice::Mode::automatic: choice["type"] = "auto"; break;
    case ToolChoice::Mode::none: choice["type"] = "none"; break;
    case ToolChoice::Mode::required: choice["type"] = "any"; break;
    case ToolChoice::Mode::named:
      choice["type"] = "tool";
      choice["name"] = asked.name;
      break;
  }
  if (asked.parallel && asked.mode != ToolChoice::Mode::none)
    choice["disable_parallel_tool_use"] = !*asked.parallel;
  if (asked.mode != ToolChoice::Mode::automatic || asked.parallel)
    body["tool_choice"] = std::move(choice);
}

// Models up to 4.5 are given a budget; those after them choose it, and refuse one.
bool takes_budget(std::string_view model) {
  constexpr std::string_view kOlder[] = {
      "claude-3",        "claude-opus-4-0",   "claude-opus-4-1",   "claude-opus-4-2",
      "claude-opus-4-5", "claude-sonnet-4-0", "claude-sonnet-4-2", "claude-sonnet-4-5",
      "claude-haiku-4-5"};  // "-4-2...": dated, as 20250514
  return std::ranges::any_of(kOlder, [&](auto prefix) { return model.starts_with(prefix); });
}

constexpr uint32_t kLeastBudget = 1024;

uint32_t budget_for(Effort effort) {
  switch (effort) {
    case Effort::none:
    case Effort::minimal: return kLeastBudget;
    case Effort::low: return 4096;
    case Effort::medium: return 8192;
    case Effort::high: return 16384;
    case Effort::xhigh:
    case Effort::max: break;
  }
  return 32768;
}

std::string_view effort_for(const ReasoningControls& asked) {
  if (asked.effort) return *asked.effort <= Effort::low ? "low" : enum_name(*asked.effort);
  if (!asked.budget_tokens) return "";
  return *asked.budget_tokens <= 4096 ? "low" : *asked.budget_tokens <= 16384 ? "medium" : "high";
}

// Returns the tokens to add to max_tokens where the client has set none: thoughts count into it.
uint32_t add_reasoning(Object& body, std::string_view model, const CompletionRequest& request) {
  const ReasoningControls& asked = request.reasoning;
  const bool is_asked = asked.enabled || asked.effort || asked.budget_tokens;
  if (!is_asked) return 0;
  if (asked.is_off()) {
    body["thinking"] = Object{{"type", "disabled"}};
    return 0;
  }
  // Whose model it is, nobody here knows: as the client says it.
  const bool is_foreign = !model.starts_with("claude-");
  if (takes_budget(model) || (is_foreign && asked.budget_tokens)) {
    uint32_t budget =
        asked.budget_tokens.value_or(budget_for(asked.effort.value_or(Effort::medium)));
    // A level is a wish: it leaves half of what may be written for the answer.
    if (!asked.budget_tokens && request.max_tokens)
      budget = std::min(budget, request.max_tokens / 2);
    if (!asked.budget_tokens && budget < kLeastBudget) return 0;
    body["thinking"] = Object{{"type", "enabled"}, {"budget_tokens", budget}};
    return budget;
  }
  body["thinking"] = Object{{"type", "adaptive"}};
  const std::string_view effort = effort_for(asked);
  if (!effort.empty()) body["output_config"] = Object{{"effort", effort}};
  return 0;
}

void add_format(Object& body, const ResponseFormat& format) {
  if (format.kind != ResponseFormat::Kind::json_schema) return;
  Object out{{"type", "json_schema"}};
  if (auto schema = json::parse_value(format.schema.text)) out["schema"] = std::move(*schema);
  Value& config = body["output_config"];
  if (!config.is_object()) config = Object{};
  config.as_object()["format"] = std::move(out);
}

// The client's own marks, of which only the last ones may stay. False when it has set none.
bool keeps_own_marks(Object& body) {
  std::vector<Object*> marked;
  auto find = [&](Array& parts) {
    for (Value& part : parts)
      if (part.is_object() && part.as_object().contains("cache_control"))
        marked.push_back(&part.as_object());
  };
  for (std::string_view name : {"tools", "system"})
    if (auto* list = body.if_contains(name)) find(list->as_array());
  for (Value& turn : body["messages"].as_array()) find(turn.as_object()["content"].as_array());
  for (size_t i = 0; i + kMaxCacheMarks < marked.size(); ++i) marked[i]->erase("cache_control");
  return !marked.empty();
}

// The order of the prompt is tools, instructions, turns. Thoughts cannot be marked.
void mark_prompt(Object& body, std::string_view model) {
  std::vector<CacheSpot> spots;
  uint64_t n_bytes = 0;
  CacheSpot instructions{nullptr, 0, true};
  for (std::string_view name : {"tools", "system"}) {
    auto* list = body.if_contains(name);
    if (!list || list->as_array().empty()) continue;
    n_bytes += boost::json::serialize(*list).size();
    instructions = {&list->as_array().back().as_object(), n_bytes, true};
  }
  spots.push_back(instructions);
  for (Value& turn : body["messages"].as_array()) {
    Array& content = turn.as_object()["content"].as_array();
    n_bytes += boost::json::serialize(content).size();
    if (turn.at("role") != "user" || content.empty()) continue;
    spots.push_back({&content.back().as_object(), n_bytes, false});
  }
  mark_cache(spots, min_cached_tokens(model));
}

// Others speak this wire too, some by this provider's name, and are told nothing of whose client
// it is.
bool is_anthropic(const Target& target) {
  return target.provider == "anthropic" && target.base_url.empty() && !target.is_pool;
}

std::vector<std::string> headers(const Target& target, std::string_view key, const OwnWords& own) {
  std::vector<std::string> lines{"anthropic-version: 2023-06-01"};
  if (!own.betas.empty() && is_anthropic(target)) lines.push_back("anthropic-beta: " + own.betas);
  if (!key.empty()) lines.push_back("x-api-key: " + std::string(key));
  return lines;
}

}  // namespace

Result<std::string> messages_body(const Target& target, const Quirks&,
                                  const CompletionRequest& request, std::string_view affinity,
                                  const OwnWords& own) {
  Array instructions;
  Conversation conversation(target.provider);
  bool is_leading = true;
  for (const Message& message : request.messages) {
    const bool instructs = message.role == Role::system || message.role == Role::developer;
    is_leading = is_leading && instructs;
    if (!is_leading) {
      if (auto added = conversation.add(message); !added) return added.error();
    } else if (std::string text = text_of(message); !is_blank(text)) {
      Object part{{"type", "text"}, {"text", std::move(text)}};
      for (const Block& block : message.blocks)
        if (!block.cache.empty()) part["cache_control"] = cache_mark(block.cache);
      instructions.push_back(std::move(part));
    }
  }
  Object body{{"model", target.model}, {"max_tokens", request.max_tokens}};
  if (!instructions.empty()) body["system"] = std::move(instructions);
  body["messages"] = conversation.take();
  body["stream"] = true;
  if (!request.stop.empty())
    body["stop_sequences"] = Array(request.stop.begin(), request.stop.end());
  const Sampling& sampling = request.sampling;
  if (sampling.temperature) body["temperature"] = shortest(*sampling.temperature);
  if (sampling.top_p) body["top_p"] = shortest(*sampling.top_p);
  if (sampling.top_k.value_or(0)) body["top_k"] = *sampling.top_k;
  add_tools(body, target.model, request);
  const uint32_t n_thoughts = add_reasoning(body, target.model, request);
  add_format(body, request.response_format);
  if (!own.user.empty() && is_anthropic(target)) body["metadata"] = Object{{"user_id", own.user}};
  if (request.max_tokens == 0)
    body["max_tokens"] = target.n_max_output ? target.n_max_output : kDefaultMaxTokens + n_thoughts;
  if (!keeps_own_marks(body) && !affinity.empty()) mark_prompt(body, target.model);
  return boost::json::serialize(body);
}

}  // namespace anthropic

const Wire kAnthropicMessages = {
    .honours = {Need::tools, Need::images, Need::tool_choice, Need::one_call, Need::json_schema,
                Need::top_k, Need::stop},
    .path = [](const Target&) { return std::string("/messages"); },
    .headers = &anthropic::headers,
    .body = &anthropic::messages_body,
    .reader = &anthropic::messages_reader,
};

}  // namespace hearth::router
