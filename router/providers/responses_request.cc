#include <fmt/format.h>

#include <set>

#include "providers/openai_parts.h"
#include "providers/openai_responses.h"
#include "providers/wire_json.h"

namespace hearth::router {

namespace openai {

namespace {

using json::Array;
using json::Object;
using json::Value;

Object image_of(const Image& image) {
  Object part{{"type", "input_image"}, {"image_url", image.url}};
  if (!image.detail.empty()) part["detail"] = image.detail;
  return part;
}

// Items of one message, in the order of its blocks: neighbouring text and images are one message
// item, calls, results and what only this provider reads are items of their own.
class Items {
 public:
  Items(Array& out, std::string_view provider, const OwnWords& own)
      : out_(out), provider_(provider), own_(own) {}

  void add(const Message& message) {
    role_ = message.role == Role::tool ? Role::user : message.role;
    for (const Block& block : message.blocks)
      std::visit([&](const auto& part) { add_part(part); }, block.content);
    close();
  }

 private:
  void close() {
    if (!text_.empty() || has_image_) {
      Value content = has_image_ ? Value(std::move(parts_)) : Value(std::move(text_));
      out_.push_back(Object{{"role", enum_name(role_)}, {"content", std::move(content)}});
    }
    parts_ = {};
    text_.clear();
    has_image_ = false;
    result_ = nullptr;
  }

  void add_part(const Text& text) {
    if (text.text.empty()) return;
    result_ = nullptr;
    text_ += text.text;
    parts_.push_back(Object{{"type", "input_text"}, {"text", text.text}});
  }
  // Images behind a result are part of it.
  void add_part(const Image& image) {
    if (result_) {
      Value& output = (*result_)["output"];
      if (auto* text = output.if_string()) {
        Object first{{"type", "input_text"}, {"text", *text}};
        output = Array{std::move(first)};
      }
      output.as_array().push_back(image_of(image));
      return;
    }
    has_image_ = true;
    parts_.push_back(image_of(image));
  }
  void add_part(const ToolCall& call) {
    close();
    if (own_.free_form.contains(call.name)) {
      free_form_calls_.insert(call.id);
      out_.push_back(Object{{"type", "custom_tool_call"},
                            {"call_id", call.id},
                            {"name", call.name},
                            {"input", free_text_of(call.arguments)}});
      return;
    }
    out_.push_back(Object{{"type", "function_call"},
                          {"call_id", call.id},
                          {"name", call.name},
                          {"arguments", call.arguments}});
  }
  void add_part(const ToolResult& result) {
    close();
    const bool is_free_form = free_form_calls_.contains(result.call_id);
    out_.push_back(
        Object{{"type", is_free_form ? "custom_tool_call_output" : "function_call_output"},
               {"call_id", result.call_id},
               {"output", result.text}});
    result_ = &out_.back().as_object();
  }
  // The text of a thought is read by people alone; the item behind it holds what the model needs.
  void add_part(const Reasoning&) {}
  void add_part(const Opaque& opaque) {
    if (opaque.provider != provider_) return;
    auto item = json::parse_value(opaque.part.text);
    if (!item || !item->is_object() || !item->as_object().contains("type")) return;
    close();
    out_.push_back(std::move(*item));
  }

  // As this wire's clients have it: {"input": text}.
  static std::string free_text_of(const std::string& arguments) {
    auto parsed = json::parse_value(arguments);
    const Value* input =
        parsed && parsed->is_object() ? parsed->as_object().if_contains("input") : nullptr;
    return input && input->is_string() ? std::string(input->as_string()) : arguments;
  }

  Array& out_;
  std::string_view provider_;
  const OwnWords& own_;
  std::set<std::string, std::less<>> free_form_calls_;  // ids
  Role role_ = Role::user;
  Array parts_;
  std::string text_;
  bool has_image_ = false;
  Object* result_ = nullptr;  // the last item, while it is a result
};

Object custom_tool(const ToolSpec& tool, const RawJson& format) {
  Object out{{"type", "custom"}, {"name", tool.name}, {"description", tool.description}};
  if (auto form = json::parse_value(format.text); form && form->is_object())
    out["format"] = std::move(*form);
  return out;
}

void add_tools(Object& body, const CompletionRequest& request, const OwnWords& own) {
  if (request.tools.empty()) return;
  Array tools;
  for (const ToolSpec& tool : request.tools) {
    if (auto custom = own.free_form.find(tool.name); custom != own.free_form.end()) {
      tools.push_back(custom_tool(tool, custom->second));
      continue;
    }
    // Strict is this wire's own default, and would change what the schema means.
    tools.push_back(Object{{"type", "function"},
                           {"name", tool.name},
                           {"description", tool.description},
                           {"parameters", parameters_of(tool)},
                           {"strict", tool.is_strict}});
  }
  body["tools"] = std::move(tools);
  const ToolChoice& choice = request.tool_choice;
  if (choice.mode == ToolChoice::Mode::named)
    body["tool_choice"] =
        Object{{"type", own.free_form.contains(choice.name) ? "custom" : "function"},
               {"name", choice.name}};
  else if (choice.mode != ToolChoice::Mode::automatic)
    body["tool_choice"] = enum_name(choice.mode);
  if (choice.parallel) body["parallel_tool_calls"] = *choice.parallel;
}

void add_format(Object& body, const ResponseFormat& format) {
  if (format.kind == ResponseFormat::Kind::text) return;
  Object out{{"type", enum_name(format.kind)}};
  if (format.kind == ResponseFormat::Kind::json_schema) {
    out["name"] = format.name.empty() ? "answer" : format.name;
    if (auto schema = json::parse_value(format.schema.text)) out["schema"] = std::move(*schema);
    out["strict"] = format.is_strict.value_or(false);
  }
  body["text"] = Object{{"format", std::move(out)}};
}

void add_reasoning(Object& body, const ReasoningControls& asked) {
  Object out;
  if (auto effort = effort_of(asked)) out["effort"] = enum_name(*effort);
  const bool is_asked = asked.enabled || asked.effort || asked.budget_tokens;
  if (is_asked && !asked.is_off()) out["summary"] = "auto";
  if (!out.empty()) body["reasoning"] = std::move(out);
}

}  // namespace

Result<std::string> responses_body(const Target& target, const Quirks& quirks,
                                   const CompletionRequest& request, std::string_view affinity,
                                   const OwnWords& said) {
  // Others speak this wire without such tools: theirs stay functions.
  const bool is_openai = target.provider == "openai-responses" || target.provider == "openai";
  static const OwnWords kNone;
  const OwnWords& own = is_openai ? said : kNone;
  Array input;
  Items items(input, target.provider, own);
  for (const Message& message : request.messages) items.add(message);
  Object body{{"model", target.model},
              {"input", std::move(input)},
              {"stream", true},
              {"store", false},
              {"include", Array{"reasoning.encrypted_content"}}};
  if (request.max_tokens) body["max_output_tokens"] = request.max_tokens;
  if (request.sampling.temperature) body["temperature"] = shortest(*request.sampling.temperature);
  if (request.sampling.top_p) body["top_p"] = shortest(*request.sampling.top_p);
  add_tools(body, request, own);
  add_format(body, request.response_format);
  add_reasoning(body, request.reasoning);
  if (!quirks.affinity_key.empty() && !affinity.empty()) body[quirks.affinity_key] = affinity;
  return boost::json::serialize(body);
}

}  // namespace openai

const Wire kOpenAiResponses = {
    .honours = {Need::tools, Need::images, Need::tool_choice, Need::one_call, Need::json_object,
                Need::json_schema},
    .path = [](const Target&) { return std::string("/responses"); },
    .headers = &openai::bearer_headers,
    .body = &openai::responses_body,
    .reader = &openai::responses_reader,
};

}  // namespace hearth::router
