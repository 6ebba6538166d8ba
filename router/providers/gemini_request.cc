#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "providers/gemini.h"
#include "providers/wire_json.h"

namespace hearth::router {

namespace gemini {

namespace {

using json::Array;
using json::Object;
using json::Value;

// What the documentation gives for calls that another model made, which have no signature.
constexpr std::string_view kNoSignature = "skip_thought_signature_validator";

bool is_third_or_later(std::string_view model) {
  if (model.starts_with("models/")) model.remove_prefix(7);
  return model.starts_with("gemini-") && !model.starts_with("gemini-1") &&
         !model.starts_with("gemini-2");
}

// The wire wants an object; what a model wrote may be none.
Value arguments_of(const std::string& arguments) {
  auto parsed = json::parse_value(arguments);
  if (parsed && parsed->is_object()) return std::move(*parsed);
  if (arguments.find_first_not_of(" \t\r\n") == arguments.npos) return Object{};
  return Object{{"arguments", arguments}};
}

Result<Object> image_of(const Image& image) {
  constexpr std::string_view kData = "data:", kBase64 = ";base64,";
  const std::string_view url = image.url;
  const size_t comma = url.find(kBase64);
  if (!url.starts_with(kData) || comma == url.npos)
    return Error{Errc::unsupported, "images: expected a data: URL in base64 for this provider"};
  return Object{{"inlineData", Object{{"mimeType", url.substr(kData.size(), comma - kData.size())},
                                      {"data", url.substr(comma + kBase64.size())}}}};
}

// Neighbours of one role are one turn.
class Turns {
 public:
  explicit Turns(const Target& target)
      : provider_(target.provider), wants_signatures_(is_third_or_later(target.model)) {}

  Result<> add(const Message& message) {
    open(message.role == Role::assistant ? "model" : "user");
    for (const Block& block : message.blocks)
      if (auto added = std::visit([&](const auto& part) { return add_part(part); }, block.content);
          !added)
        return added;
    return {};
  }

  Array take() {
    open("");
    return std::move(turns_);
  }

 private:
  void open(std::string_view role) {
    if (role_ == role) return;
    sign_first_call();
    if (!parts_.empty()) turns_.push_back(Object{{"role", role_}, {"parts", std::move(parts_)}});
    parts_ = {};
    role_ = role;
  }

  // The first call of a turn is the one that must be signed.
  void sign_first_call() {
    if (!wants_signatures_ || role_ != "model") return;
    for (Value& part : parts_) {
      Object& object = part.as_object();
      if (!object.contains("functionCall")) continue;
      if (!object.contains("thoughtSignature")) object["thoughtSignature"] = kNoSignature;
      return;
    }
  }

  Result<> add_part(const Text& text) {
    if (!text.text.empty()) parts_.push_back(Object{{"text", text.text}});
    return {};
  }
  Result<> add_part(const Image& image) {
    auto part = image_of(image);
    if (!part) return part.error();
    parts_.push_back(std::move(*part));
    return {};
  }
  Result<> add_part(const ToolCall& call) {
    names_[call.id] = call.name;
    parts_.push_back(Object{
        {"functionCall",
         Object{{"id", call.id}, {"name", call.name}, {"args", arguments_of(call.arguments)}}}});
    return {};
  }
  Result<> add_part(const ToolResult& result) {
    auto name = names_.find(result.call_id);
    parts_.push_back(Object{
        {"functionResponse",
         Object{{"id", result.call_id},
                {"name", name == names_.end() ? result.call_id : name->second},
                {"response", Object{{result.is_error ? "error" : "output", result.text}}}}}});
    return {};
  }
  // Thoughts are summaries for people; what the model needs of them is in the signatures.
  Result<> add_part(const Reasoning&) { return {}; }
  Result<> add_part(const Opaque& opaque) {
    if (opaque.provider != provider_) return {};
    auto part = json::parse_value(opaque.part.text);
    if (!part || !part->is_object()) return {};
    const Object& object = part->as_object();
    if (auto* signature = object.if_contains("thoughtSignature"); signature && object.size() == 1) {
      if (parts_.empty() || parts_.back().as_object().contains("thoughtSignature"))
        parts_.push_back(Object{{"text", ""}});
      parts_.back().as_object()["thoughtSignature"] = *signature;
    } else if (!object.contains("type")) {  // of another wire of the same provider
      parts_.push_back(std::move(*part));
    }
    return {};
  }

  std::string_view provider_;
  bool wants_signatures_;
  std::string_view role_;
  Array turns_, parts_;
  std::map<std::string, std::string> names_;  // of the calls so far, by id
};

void add_tools(Object& body, const CompletionRequest& request) {
  if (request.tools.empty()) return;
  Array declarations;
  for (const ToolSpec& tool : request.tools) {
    Object row{{"name", tool.name}, {"description", tool.description}};
    if (auto schema = json::parse_value(tool.parameters.text))
      row["parametersJsonSchema"] = std::move(*schema);
    declarations.push_back(std::move(row));
  }
  body["tools"] = Array{Object{{"functionDeclarations", std::move(declarations)}}};
  Object config;
  // To hold calls to their schemas is asked for all of them, and for calls that are the model's to
  // make.
  const bool is_strict = std::ranges::count(request.tools, true, &ToolSpec::is_strict) > 0;
  switch (request.tool_choice.mode) {
    case ToolChoice::Mode::automatic:
      if (!is_strict) return;
      config["mode"] = "VALIDATED";
      break;
    case ToolChoice::Mode::none: config["mode"] = "NONE"; break;
    case ToolChoice::Mode::required: config["mode"] = "ANY"; break;
    case ToolChoice::Mode::named:
      config["mode"] = "ANY";
      config["allowedFunctionNames"] = Array{Value(request.tool_choice.name)};
      break;
  }
  body["toolConfig"] = Object{{"functionCallingConfig", std::move(config)}};
}

// Levels since the third generation, budgets before it.
Object thinking_of(std::string_view model, const ReasoningControls& asked) {
  const bool is_off = asked.is_off();
  Object out{{"includeThoughts", !is_off}};
  if (is_third_or_later(model)) {
    std::string_view level =
        asked.budget_tokens ? *asked.budget_tokens <= 4096 ? "low" : "high" : "";
    if (asked.effort) level = *asked.effort <= Effort::low ? "low" : "high";
    if (asked.effort == Effort::medium) level = "medium";
    if (is_off || asked.effort == Effort::minimal) level = "minimal";
    if (!level.empty()) out["thinkingLevel"] = level;
    return out;
  }
  constexpr std::pair<Effort, uint32_t> kBudgets[] = {{Effort::minimal, 512}, {Effort::low, 4096},
                                                      {Effort::medium, 8192}, {Effort::high, 16384},
                                                      {Effort::xhigh, 24576}, {Effort::max, 24576}};
  if (is_off)
    out["thinkingBudget"] = 0;
  else if (asked.budget_tokens)
    out["thinkingBudget"] = *asked.budget_tokens;
  else
    for (const auto& [effort, budget] : kBudgets)
      if (asked.effort == effort) out["thinkingBudget"] = budget;
  return out;
}

Object generation_of(const Target& target, const CompletionRequest& request) {
  Object out;
  const Sampling& sampling = request.sampling;
  auto add = [&](std::string_view name, std::optional<float> value) {
    if (value) out[name] = shortest(*value);
  };
  if (request.max_tokens) out["maxOutputTokens"] = request.max_tokens;
  add("temperature", sampling.temperature);
  add("topP", sampling.top_p);
  if (sampling.top_k.value_or(0)) out["topK"] = *sampling.top_k;
  add("presencePenalty", sampling.presence_penalty);
  add("frequencyPenalty", sampling.frequency_penalty);
  if (sampling.seed) out["seed"] = static_cast<int64_t>(*sampling.seed & 0x7fffffff);
  if (!request.stop.empty()) out["stopSequences"] = Array(request.stop.begin(), request.stop.end());
  const ResponseFormat& format = request.response_format;
  if (format.kind != ResponseFormat::Kind::text) out["responseMimeType"] = "application/json";
  if (format.kind == ResponseFormat::Kind::json_schema)
    if (auto schema = json::parse_value(format.schema.text))
      out["responseJsonSchema"] = std::move(*schema);
  const ReasoningControls& asked = request.reasoning;
  if (asked.enabled || asked.effort || asked.budget_tokens)
    out["thinkingConfig"] = thinking_of(target.model, asked);
  return out;
}

std::string path_of(const Target& target) {
  std::string_view model = target.model;
  if (model.starts_with("models/")) model.remove_prefix(7);
  return fmt::format("/models/{}:streamGenerateContent?alt=sse", model);
}

std::vector<std::string> headers(const Target&, std::string_view key, const OwnWords&) {
  if (key.empty()) return {};
  return {"x-goog-api-key: " + std::string(key)};
}

}  // namespace

Result<std::string> content_body(const Target& target, const Quirks&,
                                 const CompletionRequest& request, std::string_view,
                                 const OwnWords&) {
  Array instructions;
  Turns turns(target);
  bool is_leading = true;
  for (const Message& message : request.messages) {
    const bool instructs = message.role == Role::system || message.role == Role::developer;
    is_leading = is_leading && instructs;
    if (!is_leading) {
      if (auto added = turns.add(message); !added) return added.error();
    } else if (std::string text = text_of(message); !text.empty()) {
      instructions.push_back(Object{{"text", std::move(text)}});
    }
  }
  Object body;
  if (!instructions.empty()) body["systemInstruction"] = Object{{"parts", std::move(instructions)}};
  body["contents"] = turns.take();
  add_tools(body, request);
  if (Object generation = generation_of(target, request); !generation.empty())
    body["generationConfig"] = std::move(generation);
  return boost::json::serialize(body);
}

}  // namespace gemini

const Wire kGemini = {
    .honours = {Need::tools, Need::images, Need::tool_choice, Need::json_object, Need::json_schema,
                Need::top_k, Need::presence_penalty, Need::frequency_penalty, Need::seed,
                Need::stop},
    .path = &gemini::path_of,
    .headers = &gemini::headers,
    .body = &gemini::content_body,
    .reader = &gemini::content_reader,
};

}  // namespace hearth::router
