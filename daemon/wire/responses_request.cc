#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "wire/carried.h"
#include "wire/reading.h"
#include "wire/responses.h"
#include "wire/responses_answer.h"

namespace hearth::wire::responses {

namespace {

constexpr std::string_view kProvider = "openai";  // whose encrypted content comes in by this wire

Failure not_kept(std::string_view field, std::string_view word, std::string message) {
  Failure failure = Error{Errc::invalid, fmt::format("{}: {}", field, message)};
  failure.word = word;
  return failure;
}

// Reads the items of `input` into canonical messages: what an assistant made in a row is one
// message.
class Items {
 public:
  explicit Items(std::vector<Message>& out) : out_(out) {}

  Result<void, Failure> read(Element input) {
    std::string_view text;
    if (!input.get_string().get(text)) {
      out_.push_back(text_message(Role::user, std::string(text)));
      return {};
    }
    simdjson::dom::array items;
    if (input.get_array().get(items)) return wrong("input", "a string or an array of items");
    size_t index = 0;
    for (Element item : items) {
      const std::string path = fmt::format("input[{}]", index++);
      if (!item.is_object()) return wrong(path, "an object");
      if (auto done = read_item(item, path); !done) return done;
    }
    return {};
  }

 private:
  Result<void, Failure> read_item(Element item, const std::string& path) {
    const std::string type = text_member(item, "type");
    if (type == "message" || (type.empty() && member(item, "role")))
      return widen(read_message(item, path));
    if (type == "function_call" || type == "custom_tool_call")
      return widen(read_call(item, type == "custom_tool_call", path));
    if (type == "function_call_output" || type == "custom_tool_call_output")
      return widen(read_output(item, path));
    if (type == "reasoning") return widen(read_reasoning(item));
    if (type == "item_reference" || type.empty())
      return not_kept(path, "item_not_found",
                      type.empty()
                          ? "expected an item with a type, or a message with a role"
                          : fmt::format("item \"{}\" is not known here: nothing is stored, "
                                        "send the item itself",
                                        text_member(item, "id")));
    // Calls of tools that run at the provider, with their results.
    assistant().blocks.emplace_back().content =
        Opaque{std::string(kProvider), {json::to_text(item)}};
    return {};
  }

  static Result<void, Failure> widen(Result<> done) {
    if (!done) return done.error();
    return {};
  }

  Message& assistant() {
    if (out_.empty() || out_.back().role != Role::assistant)
      out_.emplace_back().role = Role::assistant;
    return out_.back();
  }

  Result<> read_message(Element item, const std::string& path) {
    auto role = enum_from_name<Role>(text_member(item, "role"));
    if (!role || *role == Role::tool)
      return wrong(path + ".role", "user, assistant, system or developer");
    Message& message = *role == Role::assistant ? assistant() : out_.emplace_back();
    message.role = *role;
    auto content = member(item, "content");
    if (!content) return {};
    return read_content(*content, path + ".content", message.blocks);
  }

  static Result<> read_content(Element content, const std::string& path,
                               std::vector<Block>& blocks) {
    std::string_view text;
    if (!content.get_string().get(text)) {
      blocks.emplace_back().content = Text{std::string(text)};
      return {};
    }
    simdjson::dom::array parts;
    if (content.get_array().get(parts)) return wrong(path, "a string or an array of parts");
    size_t index = 0;
    for (Element part : parts) {
      const std::string at = fmt::format("{}[{}]", path, index++);
      const std::string type = text_member(part, "type");
      if (type == "input_text" || type == "output_text" || type == "text" || type == "refusal") {
        auto value = string_member(part, type == "refusal" ? "refusal" : "text");
        if (!value) return wrong(at + ".text", "a string");
        blocks.emplace_back().content = Text{std::string(*value)};
      } else if (type == "input_image") {
        auto url = string_member(part, "image_url");
        if (!url)
          return Error{Errc::unsupported,
                       at + ".image_url: expected an address or a data: URL (files are not kept)"};
        blocks.emplace_back().content = Image{std::string(*url), text_member(part, "detail")};
      } else {
        return Error{Errc::unsupported,
                     fmt::format("{}.type: expected input_text, output_text or input_image, got "
                                 "\"{}\"",
                                 at, type)};
      }
    }
    return {};
  }

  Result<> read_call(Element item, bool is_free_form, const std::string& path) {
    ToolCall call;
    call.id = text_member(item, "call_id");
    call.name = text_member(item, "name");
    if (call.id.empty()) return wrong(path + ".call_id", "a string");
    if (call.name.empty()) return wrong(path + ".name", "a string");
    call.arguments =
        is_free_form ? boost::json::serialize(json::Object{{"input", text_member(item, "input")}})
                     : text_member(item, "arguments");
    assistant().blocks.emplace_back().content = std::move(call);
    return {};
  }

  Result<> read_output(Element item, const std::string& path) {
    ToolResult result;
    result.call_id = text_member(item, "call_id");
    if (result.call_id.empty()) return wrong(path + ".call_id", "a string");
    std::vector<Block> parts;
    auto output = member(item, "output");
    if (output)
      if (auto done = read_content(*output, path + ".output", parts); !done) return done;
    Message& message = out_.emplace_back();
    message.role = Role::tool;
    message.blocks.emplace_back();
    for (Block& part : parts)
      if (auto* text = std::get_if<Text>(&part.content))
        result.text += text->text;
      else
        message.blocks.push_back(std::move(part));
    message.blocks.front().content = std::move(result);
    return {};
  }

  // The text for every model, the item itself for its provider.
  Result<> read_reasoning(Element item) {
    std::string text;
    for (std::string_view name : {"summary", "content"}) {
      simdjson::dom::array parts;
      if (!text.empty() || item[name].get_array().get(parts)) continue;
      for (Element part : parts) {
        if (!text.empty()) text += "\n\n";
        text += text_member(part, "text");
      }
    }
    std::vector<Block>& blocks = assistant().blocks;
    if (!text.empty()) blocks.emplace_back().content = Reasoning{std::move(text), std::nullopt};
    const std::string encrypted = text_member(item, "encrypted_content");
    if (encrypted.empty()) return {};
    auto foreign = carried(encrypted);
    blocks.emplace_back().content =
        foreign ? std::move(*foreign) : Opaque{std::string(kProvider), {json::to_text(item)}};
    return {};
  }

  std::vector<Message>& out_;
};

Result<> read_tools(Element body, Asked& asked, Echo& echo) {
  auto tools = member(body, "tools");
  if (!tools) return {};
  simdjson::dom::array array;
  if (tools->get_array().get(array)) return wrong("tools", "an array");
  size_t index = 0;
  for (Element tool : array) {
    const std::string at = fmt::format("tools[{}]", index++);
    const std::string type = text_member(tool, "type");
    if (type != "function" && type != "custom") {
      asked.left_out.push_back(at + ": " + type);
      continue;
    }
    ToolSpec spec;
    spec.name = text_member(tool, "name");
    if (spec.name.empty()) return wrong(at + ".name", "a string");
    spec.description = text_member(tool, "description");
    if (auto done = read_flag(tool, "strict", spec.is_strict); !done) return done;
    if (type == "custom") {
      echo.free_form.insert(spec.name);
      auto format = member(tool, "format");
      asked.free_form[spec.name].text = format ? json::to_text(*format) : "";
      spec.parameters.text = kFreeFormSchema;
    } else if (auto parameters = member(tool, "parameters")) {
      spec.parameters.text = json::to_text(*parameters);
    }
    asked.body.tools.push_back(std::move(spec));
  }
  return {};
}

// {"type": "allowed_tools", "mode", "tools": [{"name"}]}: of all tools only these.
Result<> allow_only(Element choice, CompletionRequest& out) {
  auto mode = enum_from_name<ToolChoice::Mode>(text_member(choice, "mode"));
  simdjson::dom::array allowed;
  if (!mode || choice["tools"].get_array().get(allowed))
    return wrong("tool_choice", "a mode and the tools that are allowed");
  out.tool_choice.mode = *mode;
  std::erase_if(out.tools, [&](const ToolSpec& tool) {
    return std::ranges::none_of(
        allowed, [&](Element each) { return text_member(each, "name") == tool.name; });
  });
  return {};
}

Result<> read_tool_choice(Element body, CompletionRequest& out) {
  ToolChoice& asked = out.tool_choice;
  auto choice = read_tool_mode(body, asked);
  if (!choice) return choice.error();
  if (const std::optional<Element>& form = *choice) {
    const std::string type = text_member(*form, "type");
    if (type == "allowed_tools") {
      if (auto done = allow_only(*form, out); !done) return done;
    } else if (type == "function" || type == "custom") {
      asked.mode = ToolChoice::Mode::named;
      asked.name = text_member(*form, "name");
    } else {
      return Error{Errc::unsupported,
                   fmt::format("tool_choice.type: \"{}\" runs at its provider's, not here", type)};
    }
  }
  return check_tool_choice(asked, out.tools, "tool_choice.name");
}

// text.format; how wordy an answer should be is a wish that every model may take in its own way.
Result<> read_format(Element body, ResponseFormat& out) {
  auto text = member(body, "text");
  auto format = text ? member(*text, "format") : std::nullopt;
  if (!format) return {};
  auto kind = enum_from_name<ResponseFormat::Kind>(text_member(*format, "type"));
  if (!kind) return wrong("text.format.type", "text, json_object or json_schema");
  out.kind = *kind;
  if (out.kind != ResponseFormat::Kind::json_schema) return {};
  out.name = text_member(*format, "name");
  auto schema = member(*format, "schema");
  if (!schema || !schema->is_object()) return wrong("text.format.schema", "an object");
  out.schema.text = json::to_text(*schema);
  bool is_strict;
  if (auto strict = member(*format, "strict"); strict && !strict->get_bool().get(is_strict))
    out.is_strict = is_strict;
  return {};
}

Result<> read_reasoning_controls(Element body, ReasoningControls& out) {
  auto reasoning = member(body, "reasoning");
  auto effort = reasoning ? string_member(*reasoning, "effort") : std::nullopt;
  if (!effort) return {};
  out.effort = enum_from_name<Effort>(*effort);
  if (!out.effort)
    return wrong("reasoning.effort", "none, minimal, low, medium, high, xhigh or max");
  return {};
}

Result<void, Failure> refuse_what_is_not_kept(Element body) {
  if (auto id = string_member(body, "previous_response_id")) {
    Failure failure = not_kept("previous_response_id", "previous_response_not_found", "");
    failure.message = fmt::format(
        "previous_response_id: Previous response with id '{}' not found. Responses are not stored "
        "here: send the conversation's items as input.",
        *id);
    return failure;
  }
  if (member(body, "conversation"))
    return not_kept("conversation", "conversation_not_found",
                    "conversations are not stored here: send their items as input");
  if (member(body, "prompt"))
    return not_kept("prompt", "prompt_not_found",
                    "prompts are not stored here: send their text as instructions");
  bool is_background = false;
  if (auto done = read_flag(body, "background", is_background); !done) return done.error();
  if (is_background)
    return Error{Errc::unsupported, "background: only false is supported, nothing is stored here"};
  return {};
}

// What the response object repeats of its request, in the wire's order.
json::Object echoed(Element body, const Asked& asked) {
  json::Object out;
  auto copy = [&](std::string_view name, json::Value absent) {
    auto value = member(body, name);
    out[name] = value ? json::to_value(*value) : std::move(absent);
  };
  copy("instructions", nullptr);
  copy("max_output_tokens", nullptr);
  copy("max_tool_calls", nullptr);
  copy("metadata", json::Object{});
  copy("parallel_tool_calls", true);
  out["previous_response_id"] = nullptr;
  copy("prompt_cache_key", nullptr);
  copy("reasoning", json::Object{{"effort", nullptr}, {"summary", nullptr}});
  copy("safety_identifier", nullptr);
  out["service_tier"] = "default";
  out["store"] = false;
  copy("temperature", 1);
  copy("text", json::Object{{"format", json::Object{{"type", "text"}}}});
  out["tool_choice"] = asked.body.tool_choice.mode == ToolChoice::Mode::automatic
                           ? json::Value("auto")
                           : json::to_value(*member(body, "tool_choice"));
  copy("tools", json::Array{});
  copy("top_p", 1);
  out["truncation"] = "disabled";
  copy("user", nullptr);
  return out;
}

}  // namespace

Result<Asked, Failure> parse(std::string_view text) {
  auto document = json::Document::parse(text);
  if (!document) return document.error();
  Element body = document->root();
  if (!body.is_object()) return wrong("body", "an object");
  Asked asked;
  CompletionRequest& out = asked.body;
  if (auto done = refuse_what_is_not_kept(body); !done) return done.error();
  if (auto model = string_member(body, "model"); model && !model->empty())
    asked.model = std::string(*model);
  if (auto done = read_flag(body, "stream", asked.is_stream); !done) return done.error();
  if (auto instructions = string_member(body, "instructions");
      instructions && !instructions->empty())
    out.messages.push_back(text_message(Role::system, std::string(*instructions)));
  auto input = member(body, "input");
  if (!input) return wrong("input", "a string or an array of items");
  Items items(out.messages);
  if (auto done = items.read(*input); !done) return done.error();
  if (out.messages.empty()) return wrong("input", "at least one item, or instructions");
  name_tools(out.messages);
  Echo echo;
  if (auto done = read_tools(body, asked, echo); !done) return done.error();
  if (auto done = read_tool_choice(body, out); !done) return done.error();
  if (auto done = read_format(body, out.response_format); !done) return done.error();
  if (auto done = read_reasoning_controls(body, out.reasoning); !done) return done.error();
  std::optional<uint32_t> max_tokens, n_top_logprobs;
  Result<> done;
  if (done = read_number(body, "max_output_tokens", 1, std::numeric_limits<uint32_t>::max(),
                         max_tokens);
      !done)
    return done.error();
  out.max_tokens = max_tokens.value_or(0);
  if (done = read_number(body, "temperature", 0, 2, out.sampling.temperature); !done)
    return done.error();
  if (done = read_number(body, "top_p", 0, 1, out.sampling.top_p); !done) return done.error();
  if (done = read_number(body, "top_logprobs", 0, 20, n_top_logprobs); !done) return done.error();
  if (n_top_logprobs.value_or(0) > 0)
    return Error{Errc::unsupported, "top_logprobs: only 0 is supported on this path"};
  // Wishes that cost nothing to leave out, but not without a word.
  if (auto said = member(body, "text"); said && !text_member(*said, "verbosity").empty())
    asked.left_out.push_back("text.verbosity");
  const std::string tier = text_member(body, "service_tier");
  if (!tier.empty() && tier != "auto" && tier != "default")
    asked.left_out.push_back("service_tier: " + tier);
  asked.session = text_member(body, "prompt_cache_key");
  echo.fields = echoed(body, asked);
  asked.shape = make_answer(std::move(echo));
  return asked;
}

}  // namespace hearth::wire::responses
