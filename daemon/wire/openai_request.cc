#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>

#include "wire/carried.h"
#include "wire/openai.h"
#include "wire/reading.h"

namespace hearth::wire::openai {

namespace {

// Content as OpenAI has it: a string, null, or an array of typed parts.
Result<> read_content(Element content, const std::string& path, std::vector<Block>& blocks) {
  if (content.is_null()) return {};
  std::string_view text;
  if (!content.get_string().get(text)) {
    blocks.emplace_back().content = Text{std::string(text)};
    return {};
  }
  simdjson::dom::array parts;
  if (content.get_array().get(parts)) return wrong(path, "a string, null or an array of parts");
  size_t index = 0;
  for (Element part : parts) {
    std::string at = fmt::format("{}[{}]", path, index++);
    std::string_view type = string_member(part, "type").value_or("");
    if (type == "text" || type == "input_text" || type == "output_text" || type == "refusal") {
      auto value = string_member(part, type == "refusal" ? "refusal" : "text");
      if (!value) return wrong(at + ".text", "a string");
      blocks.emplace_back().content = Text{std::string(*value)};
    } else if (type == "image_url") {
      auto image = member(part, "image_url");
      auto url = image ? string_member(*image, "url") : std::nullopt;
      if (!url) return wrong(at + ".image_url.url", "a string");
      blocks.emplace_back().content =
          Image{std::string(*url), std::string(string_member(*image, "detail").value_or(""))};
    } else {
      return Error{
          Errc::unsupported,
          fmt::format("{}.type: \"{}\" is not supported; expected text or image_url", at, type)};
    }
  }
  return {};
}

Result<> read_tool_calls(Element calls, const std::string& path, std::vector<Block>& blocks) {
  simdjson::dom::array array;
  if (calls.get_array().get(array)) return wrong(path, "an array");
  size_t index = 0;
  for (Element call : array) {
    std::string at = fmt::format("{}[{}]", path, index++);
    auto function = member(call, "function");
    auto name = function ? string_member(*function, "name") : std::nullopt;
    if (!name) return wrong(at + ".function.name", "a string");
    // A few clients send arguments as an object; the wire says string.
    std::string arguments;
    if (auto value = member(*function, "arguments")) {
      std::string_view text;
      arguments = value->get_string().get(text) ? json::to_text(*value) : std::string(text);
    }
    blocks.emplace_back().content = ToolCall{std::string(string_member(call, "id").value_or("")),
                                             std::string(*name), arguments};
  }
  return {};
}

Result<Message> read_message(Element element, const std::string& path) {
  Message message;
  std::string_view role_name = string_member(element, "role").value_or("");
  auto role = enum_from_name<Role>(role_name == "function" ? "tool" : role_name);
  if (!role) return wrong(path + ".role", "system, developer, user, assistant or tool");
  message.role = *role;
  if (auto name = string_member(element, "name")) message.name = std::string(*name);
  for (std::string_view field : {"reasoning_content", "reasoning"})
    if (auto thought = string_member(element, field);
        thought && !thought->empty() && message.blocks.empty())
      message.blocks.emplace_back().content = Reasoning{std::string(*thought), std::nullopt};
  if (simdjson::dom::array details; !element["reasoning_details"].get_array().get(details))
    for (Element detail : details)
      if (auto opaque = carried(text_member(detail, "data")))
        message.blocks.emplace_back().content = std::move(*opaque);
  std::vector<Block> content;
  Element value;
  if (!element["content"].get(value))
    if (auto done = read_content(value, path + ".content", content); !done) return done.error();
  if (message.role == Role::tool) {
    // The result's text becomes one block; other parts (images) follow it.
    ToolResult result;
    result.call_id = std::string(string_member(element, "tool_call_id").value_or(""));
    for (const Block& block : content)
      if (auto* text = std::get_if<Text>(&block.content)) result.text += text->text;
    message.blocks.emplace_back().content = std::move(result);
    std::erase_if(content,
                  [](const Block& block) { return std::holds_alternative<Text>(block.content); });
  }
  message.blocks.insert(message.blocks.end(), content.begin(), content.end());
  if (auto calls = member(element, "tool_calls"))
    if (auto done = read_tool_calls(*calls, path + ".tool_calls", message.blocks); !done)
      return done.error();
  return message;
}

Result<> read_tools(Element body, CompletionRequest& out) {
  auto tools = member(body, "tools");
  if (!tools) return {};
  simdjson::dom::array array;
  if (tools->get_array().get(array)) return wrong("tools", "an array");
  size_t index = 0;
  for (Element tool : array) {
    std::string at = fmt::format("tools[{}]", index++);
    if (string_member(tool, "type").value_or("function") != "function")
      return Error{Errc::unsupported, at + ".type: only \"function\" is supported"};
    auto function = member(tool, "function");
    auto name = function ? string_member(*function, "name") : std::nullopt;
    if (!name || name->empty()) return wrong(at + ".function.name", "a string");
    ToolSpec spec;
    spec.name = std::string(*name);
    spec.description = std::string(string_member(*function, "description").value_or(""));
    if (auto parameters = member(*function, "parameters"))
      spec.parameters.text = json::to_text(*parameters);
    if (auto done = read_flag(*function, "strict", spec.is_strict); !done) return done;
    out.tools.push_back(std::move(spec));
  }
  return {};
}

// "auto", "none", "required" or {"type": "function", "function": {"name": ...}}.
Result<> read_tool_choice(Element body, const std::vector<ToolSpec>& tools, ToolChoice& out) {
  auto choice = read_tool_mode(body, out);
  if (!choice) return choice.error();
  if (const std::optional<Element>& form = *choice) {
    auto function = member(*form, "function");
    auto name = function ? string_member(*function, "name") : std::nullopt;
    if (!name) return wrong("tool_choice.function.name", "a string");
    out.mode = ToolChoice::Mode::named;
    out.name = std::string(*name);
  }
  return check_tool_choice(out, tools, "tool_choice.function.name");
}

// Free text in which what stands behind a trigger is of a schema: {"structures": [{"begin",
// "schema", "end"}], "triggers": [text]}, as vLLM and SGLang have it.
Result<> read_structural_tag(Element form, const std::string& path, ResponseFormat& out) {
  simdjson::dom::object members;
  if (form.get_object().get(members)) return wrong(path, "an object");
  for (auto [key, value] : members)
    if (key != "type" && key != "structures" && key != "triggers")
      return Error{
          Errc::unsupported,
          fmt::format("{}.{}: is not supported; expected structures and triggers", path, key)};
  std::vector<std::string_view> triggers;
  simdjson::dom::array list;
  if (form["triggers"].get_array().get(list) || list.size() == 0)
    return wrong(path + ".triggers", "an array of texts");
  for (Element item : list) {
    std::string_view text;
    if (item.get_string().get(text) || text.empty())
      return wrong(path + ".triggers", "an array of texts");
    triggers.push_back(text);
  }
  if (form["structures"].get_array().get(list) || list.size() == 0)
    return wrong(path + ".structures", "an array of at least one object");
  size_t index = 0;
  for (Element item : list) {
    const std::string at = fmt::format("{}.structures[{}]", path, index++);
    const auto begin = string_member(item, "begin"), end = string_member(item, "end");
    const auto schema = member(item, "schema");
    if (!begin || !end) return wrong(at, "begin, schema and end");
    if (!schema || !(schema->is_object() || schema->is_bool()))
      return wrong(at + ".schema", "a JSON schema");
    if (std::ranges::none_of(triggers, [&](auto text) { return begin->starts_with(text); }))
      return wrong(at + ".begin", "a text that starts with one of the triggers");
  }
  out.kind = ResponseFormat::Kind::structural_tag;
  out.schema.text = json::to_text(form);
  return {};
}

Result<> read_response_format(Element body, ResponseFormat& out) {
  auto format = member(body, "response_format");
  if (!format) return {};
  auto kind = enum_from_name<ResponseFormat::Kind>(string_member(*format, "type").value_or(""));
  if (kind == ResponseFormat::Kind::structural_tag)
    return read_structural_tag(*format, "response_format", out);
  if (!kind || *kind > ResponseFormat::Kind::json_schema)
    return wrong("response_format.type", "text, json_object, json_schema or structural_tag");
  out.kind = *kind;
  // llama-server's way.
  if (auto plain = member(*format, "schema");
      plain && out.kind == ResponseFormat::Kind::json_object) {
    if (!plain->is_object()) return wrong("response_format.schema", "an object");
    out.kind = ResponseFormat::Kind::json_schema;
    out.schema.text = json::to_text(*plain);
    return {};
  }
  if (out.kind != ResponseFormat::Kind::json_schema) return {};
  auto schema = member(*format, "json_schema");
  if (!schema) return wrong("response_format.json_schema", "an object");
  out.name = std::string(string_member(*schema, "name").value_or(""));
  auto document = member(*schema, "schema");
  if (!document || !document->is_object())
    return wrong("response_format.json_schema.schema", "an object");
  out.schema.text = json::to_text(*document);
  bool is_strict;
  if (auto strict = member(*schema, "strict"); strict && !strict->get_bool().get(is_strict))
    out.is_strict = is_strict;
  return {};
}

void add_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}/").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
}

// One of the texts, which are sorted and alike in their first `n_told` bytes, from there on. What
// several begin with is written once, so that there are few ways at any place, however many texts.
void add_choice(std::string& out, std::span<const std::string_view> texts, size_t n_told,
                int depth) {
  constexpr int kMaxDepth = 64;  // of groups; beyond that each is written out
  const auto goes_on = [](char c) { return (c & 0xC0) == 0x80; };  // within a character
  out += "(?:";
  for (bool is_first = true; !texts.empty(); is_first = false) {
    if (!is_first) out += '|';
    const std::string_view text = texts.front().substr(n_told);
    size_t n_head = text.empty() ? 0 : 1;
    while (n_head < text.size() && goes_on(text[n_head])) ++n_head;
    size_t n = 1;
    if (n_head > 0 && depth < kMaxDepth)
      while (n < texts.size() && texts[n].substr(n_told).starts_with(text.substr(0, n_head))) ++n;
    const std::string_view last = texts[n - 1].substr(n_told);
    auto n_alike = static_cast<size_t>(std::ranges::mismatch(text, last).in1 - text.begin());
    while (n_alike < last.size() && goes_on(last[n_alike])) --n_alike;
    add_escaped(out, text.substr(0, n_alike));
    if (n > 1) add_choice(out, texts.first(n), n_told + n_alike, depth + 1);
    texts = texts.subspan(n);
  }
  out += ')';
}

// One of the texts, as an expression.
std::string choice_pattern(simdjson::dom::array choices) {
  std::vector<std::string_view> texts;
  for (Element choice : choices)
    if (choice.get_string().get(texts.emplace_back())) return "";
  std::ranges::sort(texts);
  texts.erase(std::ranges::unique(texts).begin(), texts.end());
  std::string out;
  add_choice(out, texts, 0, 0);
  return out;
}

// Refuses what of vLLM's words for forms nobody here knows. Options that change nothing are let in:
// there is little white space anyway, and no second engine to fall back to.
Result<> refuse_unknown_forms(Element body) {
  constexpr std::string_view kGuided[] = {"json", "regex", "choice", "grammar", "decoding_backend"};
  constexpr std::string_view kStructured[] = {"json",
                                              "json_object",
                                              "regex",
                                              "choice",
                                              "grammar",
                                              "structural_tag",
                                              "disable_fallback",
                                              "disable_any_whitespace"};
  const auto refuse = [](std::string_view prefix, std::string_view name, Element value,
                         std::span<const std::string_view> known) -> Result<> {
    bool is_on;
    const bool is_off = !value.get_bool().get(is_on) && !is_on;
    if (is_off || value.is_null() || std::ranges::count(known, name) > 0) return {};
    return Error{Errc::unsupported, fmt::format("{}{}: is not supported; expected {}", prefix, name,
                                                fmt::join(known, ", "))};
  };
  simdjson::dom::object members;
  if (body.get_object().get(members)) return wrong("body", "an object");
  for (auto [key, value] : members)
    if (key.starts_with("guided_"))
      if (auto done = refuse("guided_", key.substr(7), value, kGuided); !done) return done;
  const auto structured = member(body, "structured_outputs");
  if (!structured) return {};
  if (structured->get_object().get(members)) return wrong("structured_outputs", "an object");
  for (auto [key, value] : members)
    if (auto done = refuse("structured_outputs.", key, value, kStructured); !done) return done;
  return {};
}

// How llama-server (grammar, json_schema) and vLLM (guided_*, structured_outputs) ask for a form.
Result<> read_form(Element body, ResponseFormat& out) {
  using Kind = ResponseFormat::Kind;
  struct Row {
    std::string_view name, inner;  // of "structured_outputs"
    Kind kind;
  };
  constexpr Row kRows[] = {
      {"json_schema", "json", Kind::json_schema}, {"guided_json", "json", Kind::json_schema},
      {"guided_regex", "regex", Kind::regex},     {"guided_choice", "choice", Kind::regex},
      {"guided_grammar", "grammar", Kind::gbnf},  {"grammar", "grammar", Kind::gbnf}};
  if (auto done = refuse_unknown_forms(body); !done) return done;
  const auto structured = member(body, "structured_outputs");
  std::string_view chosen;
  const auto read = [&](const Row& row, std::string_view name, Element value) -> Result<> {
    std::string_view text;
    const bool is_text = !value.get_string().get(text);
    if (is_text && text.empty()) return {};
    if (!chosen.empty() || out.kind != Kind::text)
      return Error{Errc::invalid, fmt::format("{}: the answer's form is said twice", name)};
    chosen = name;
    out.kind = row.kind;
    simdjson::dom::array choices;
    if (row.inner == "json") {
      if (!is_text && !value.is_object() && !value.is_bool()) return wrong(name, "a JSON schema");
      out.schema.text = is_text ? std::string(text) : json::to_text(value);
    } else if (row.inner == "choice") {
      if (value.get_array().get(choices) || choices.size() == 0)
        return wrong(name, "an array of strings");
      out.pattern = choice_pattern(choices);
      if (out.pattern.empty()) return wrong(name, "an array of strings");
    } else {
      if (!is_text) return wrong(name, "a string");
      out.pattern = std::string(text);
    }
    return {};
  };
  for (const Row& row : kRows)
    if (auto value = member(body, row.name))
      if (auto done = read(row, row.name, *value); !done) return done;
  if (structured)
    for (const Row& row : {kRows[1], kRows[2], kRows[3], kRows[4]})
      if (auto value = member(*structured, row.inner))
        if (auto done = read(row, row.inner, *value); !done) return done;
  if (auto tag = structured ? member(*structured, "structural_tag") : std::nullopt) {
    constexpr const char* kPath = "structured_outputs.structural_tag";
    if (out.kind != Kind::text)
      return Error{Errc::invalid, fmt::format("{}: the answer's form is said twice", kPath)};
    std::string_view text;
    if (tag->get_string().get(text)) {
      if (auto done = read_structural_tag(*tag, kPath, out); !done) return done;
    } else {
      auto document = json::Document::parse(text);
      if (!document) return wrong(kPath, "an object, or its JSON");
      if (auto done = read_structural_tag(document->root(), kPath, out); !done) return done;
    }
  }
  bool is_object = false;
  if (structured)
    if (auto done = read_flag(*structured, "json_object", is_object); !done) return done;
  if (!is_object) return {};
  if (out.kind != Kind::text)
    return Error{Errc::invalid, "structured_outputs.json_object: the answer's form is said twice"};
  out.kind = Kind::json_object;
  return {};
}

// Fields that change the answer and that Hearth has no word for. The value given here, like null,
// asks for nothing.
struct Foreign {
  std::string_view name;
  std::string_view harmless;
};
constexpr Foreign kForeign[] = {
    {"best_of", "1"},
    {"audio", "null"},
    {"modalities", "[\"text\"]"},
    {"web_search_options", "null"},
    {"functions", "[]"},
    {"function_call", "\"none\""},
    {"n", "1"},
};

Result<> refuse_foreign(Element body) {
  for (const Foreign& field : kForeign) {
    auto value = member(body, field.name);
    if (!value || json::to_text(*value) == field.harmless) continue;
    return Error{Errc::unsupported,
                 fmt::format("{}: only {} is supported", field.name, field.harmless)};
  }
  return {};
}

}  // namespace

Result<> read_stop(Element body, std::vector<std::string>& out) {
  auto stop = member(body, "stop");
  if (!stop) return {};
  std::string_view text;
  if (!stop->get_string().get(text)) {
    if (!text.empty()) out.emplace_back(text);
    return {};
  }
  simdjson::dom::array array;
  if (stop->get_array().get(array)) return wrong("stop", "a string or an array of strings");
  for (Element item : array) {
    if (item.get_string().get(text)) return wrong("stop", "a string or an array of strings");
    if (!text.empty()) out.emplace_back(text);
  }
  if (out.size() > 16) return wrong("stop", "at most 16 strings");
  return {};
}

Result<> read_sampling(Element body, Sampling& out) {
  constexpr double kBig = 1e9;
  Result<> done;
  if (done = read_number(body, "temperature", 0, 100, out.temperature); !done) return done;
  if (done = read_number(body, "top_p", 0, 1, out.top_p); !done) return done;
  if (done = read_number(body, "top_k", 0, kBig, out.top_k); !done) return done;
  if (done = read_number(body, "min_p", 0, 1, out.min_p); !done) return done;
  if (done = read_number(body, "repeat_penalty", 0, 100, out.repeat_penalty); !done) return done;
  if (done = read_number(body, "repetition_penalty", 0, 100, out.repeat_penalty); !done)
    return done;
  if (done = read_number(body, "presence_penalty", -100, 100, out.presence_penalty); !done)
    return done;
  if (done = read_number(body, "frequency_penalty", -100, 100, out.frequency_penalty); !done)
    return done;
  if (auto seed = member(body, "seed")) {
    int64_t number;
    if (seed->get_int64().get(number)) return wrong("seed", "an integer");
    if (number >= 0)
      out.seed = static_cast<uint64_t>(number);  // -1: random, as llama-server has it
  }
  if (auto bias = member(body, "logit_bias")) {
    simdjson::dom::object object;
    if (bias->get_object().get(object))
      return wrong("logit_bias", "an object of token ids to numbers");
    for (auto [key, value] : object) {
      double number;
      Token token = 0;
      auto parsed = std::from_chars(key.data(), key.data() + key.size(), token);
      if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() ||
          value.get_double().get(number))
        return wrong("logit_bias", "an object of token ids to numbers");
      out.logit_bias.push_back({token, static_cast<float>(number)});
    }
  }
  return {};
}

namespace {

// OpenAI's own name, and those that the compatible family added.
Result<> read_reasoning(Element body, ReasoningControls& out) {
  if (auto effort = member(body, "reasoning_effort")) {
    std::string_view name;
    out.effort = effort->get_string().get(name) ? std::nullopt : enum_from_name<Effort>(name);
    if (!out.effort)
      return wrong("reasoning_effort", "none, minimal, low, medium, high, xhigh or max");
  }
  if (auto thinking = member(body, "enable_thinking")) {
    bool is_on;
    if (thinking->get_bool().get(is_on)) return wrong("enable_thinking", "a boolean");
    out.enabled = is_on;
  }
  if (auto done = read_number(body, "thinking_budget", 0, 1e9, out.budget_tokens); !done)
    return done;
  return {};
}

constexpr uint32_t kMaxLogprobs = 20;

// "logprobs": true, and of how many others beside.
Result<> read_chat_logprobs(Element body, std::optional<uint32_t>& out) {
  bool is_wanted = false;
  if (auto done = read_flag(body, "logprobs", is_wanted); !done) return done;
  std::optional<uint32_t> n_top;
  if (auto done = read_number(body, "top_logprobs", 0, kMaxLogprobs, n_top); !done) return done;
  if (n_top.value_or(0) > 0 && !is_wanted) return wrong("logprobs", "true beside top_logprobs");
  if (is_wanted) out = n_top.value_or(0);
  return {};
}

// "add_generation_prompt" is a variable of the template like the others; true is what it is anyway.
Result<> read_template_variables(Element body, RawJson& out) {
  bool adds_prompt = true;
  if (auto done = read_flag(body, "add_generation_prompt", adds_prompt); !done) return done;
  auto extra = member(body, "chat_template_kwargs");
  if (extra && !extra->is_object()) return wrong("chat_template_kwargs", "an object");
  if (extra) {
    bool is_on;
    auto prompt = member(*extra, "add_generation_prompt");
    if (prompt && prompt->get_bool().get(is_on))
      return wrong("chat_template_kwargs.add_generation_prompt", "a boolean");
  }
  json::Value variables = extra ? json::to_value(*extra) : json::Object();
  if (!adds_prompt) variables.get_object()["add_generation_prompt"] = false;
  if (extra || !adds_prompt) out.text = boost::json::serialize(variables);
  return {};
}

Result<> read_common(Element body, Request& out, uint32_t least_tokens = 1) {
  if (!body.is_object()) return wrong("body", "an object");
  if (auto model = member(body, "model")) {
    std::string_view name;
    if (model->get_string().get(name)) return wrong("model", "a string");
    if (!name.empty()) out.model = std::string(name);
  }
  if (auto stream = member(body, "stream"))
    if (stream->get_bool().get(out.is_stream)) return wrong("stream", "a boolean");
  if (auto options = member(body, "stream_options"))
    if (auto include = member(*options, "include_usage"))
      if (include->get_bool().get(out.include_usage))
        return wrong("stream_options.include_usage", "a boolean");
  if (auto key = string_member(body, "prompt_cache_key")) out.session = std::string(*key);
  if (auto done = refuse_foreign(body); !done) return done;
  std::optional<uint32_t> max_tokens;
  for (std::string_view name : {"max_tokens", "max_completion_tokens"})
    if (auto done =
            read_number(body, name, least_tokens, std::numeric_limits<uint32_t>::max(), max_tokens);
        !done)
      return done;
  out.body.max_tokens = max_tokens.value_or(0);
  out.body.only_reads = max_tokens == 0u;
  if (auto ignore = member(body, "ignore_eos"))
    if (ignore->get_bool().get(out.body.ignore_eos)) return wrong("ignore_eos", "a boolean");
  if (auto done = read_flag(body, "explain_cache", out.body.explains_cache); !done) return done;
  if (auto done = read_sampling(body, out.body.sampling); !done) return done;
  return read_stop(body, out.body.stop);
}

}  // namespace

Result<Request> parse_chat(std::string_view text) {
  auto document = json::Document::parse(text);
  if (!document) return document.error();
  Element body = document->root();
  Request request;
  if (auto done = read_common(body, request); !done) return done.error();
  auto messages = member(body, "messages");
  simdjson::dom::array array;
  if (!messages || messages->get_array().get(array) || array.size() == 0)
    return wrong("messages", "an array of at least one message");
  size_t index = 0;
  for (Element element : array) {
    auto message = read_message(element, fmt::format("messages[{}]", index++));
    if (!message) return message.error();
    request.body.messages.push_back(std::move(*message));
  }
  CompletionRequest& out = request.body;
  if (auto done = read_tools(body, out); !done) return done.error();
  if (auto done = read_tool_choice(body, out.tools, out.tool_choice); !done) return done.error();
  if (auto done = read_response_format(body, out.response_format); !done) return done.error();
  if (auto done = read_form(body, out.response_format); !done) return done.error();
  if (auto done = read_chat_logprobs(body, out.n_logprobs); !done) return done.error();
  if (auto done = read_reasoning(body, out.reasoning); !done) return done.error();
  if (auto done = read_template_variables(body, out.template_variables); !done) return done.error();
  return request;
}

namespace {

constexpr size_t kMaxPrompts = 256;
constexpr size_t kMaxRepeated = 32 << 20;  // bytes of what goes with every prompt

// A text, or its ids in the local model's vocabulary.
Result<CompletionRequest> read_prompt(Element prompt) {
  CompletionRequest out;
  std::string_view text;
  if (!prompt.get_string().get(text)) {
    out.prompt = std::string(text);
    return out;
  }
  simdjson::dom::array ids;
  if (prompt.get_array().get(ids) || ids.size() == 0)
    return wrong("prompt", "a text, an array of token ids, or an array of these");
  out.prompt = "";
  for (Element each : ids) {
    int64_t id;
    if (each.get_int64().get(id))
      return wrong("prompt", "a text, an array of token ids, or an array of these");
    if (id < 0 || id > std::numeric_limits<Token>::max())
      return Error{Errc::invalid, fmt::format("prompt: {} is no token of any vocabulary", id)};
    out.prompt_tokens.push_back(static_cast<Token>(id));
  }
  return out;
}

Result<std::vector<CompletionRequest>> read_prompts(Element body) {
  std::vector<CompletionRequest> out;
  const auto prompt = member(body, "prompt");
  if (!prompt) return wrong("prompt", "a text, an array of token ids, or an array of these");
  simdjson::dom::array list;
  const bool is_list = !prompt->get_array().get(list) && list.size() > 0 &&
                       ((*list.begin()).is_string() || (*list.begin()).is_array());
  if (is_list && list.size() > kMaxPrompts)
    return wrong("prompt", fmt::format("at most {} prompts", kMaxPrompts));
  const auto add = [&](Element each) -> Result<> {
    auto read = read_prompt(each);
    if (!read) return read.error();
    out.push_back(std::move(*read));
    return {};
  };
  if (!is_list) {
    if (auto done = add(*prompt); !done) return done.error();
    return out;
  }
  for (Element each : list)
    if (auto done = add(each); !done) return done.error();
  return out;
}

// What each prompt of a body has a copy of: no small body may become a large one.
Result<> check_repeated(const CompletionRequest& request, size_t n_prompts) {
  const ResponseFormat& format = request.response_format;
  size_t n_bytes = format.name.size() + format.schema.text.size() + format.pattern.size() +
                   request.sampling.logit_bias.size() * sizeof(LogitBias);
  for (const std::string& stop : request.stop) n_bytes += stop.size();
  if (n_bytes * n_prompts <= kMaxRepeated) return {};
  return Error{Errc::invalid,
               fmt::format("prompt: each of the {} prompts would repeat {} bytes of format, biases "
                           "and stop strings, more than {} MiB in all; send fewer at once",
                           n_prompts, n_bytes, kMaxRepeated >> 20)};
}

}  // namespace

Result<Request> parse_completions(std::string_view text) {
  auto document = json::Document::parse(text);
  if (!document) return document.error();
  Element body = document->root();
  Request request;
  if (auto done = read_common(body, request, 0); !done) return done.error();
  auto prompts = read_prompts(body);
  if (!prompts) return prompts.error();
  CompletionRequest& first = prompts->front();
  if (auto suffix = string_member(body, "suffix"); suffix && !suffix->empty()) {
    if (prompts->size() > 1 || !first.prompt_tokens.empty())
      return wrong("suffix", "none, or one text as the prompt");
    if (request.body.only_reads) return wrong("max_tokens", "at least 1 beside a suffix");
    Infill infill;
    infill.prefix = std::move(*first.prompt);
    infill.suffix = std::string(*suffix);
    first.prompt.reset();
    request.body.infill = std::move(infill);
  }
  if (auto done = read_form(body, request.body.response_format); !done) return done.error();
  if (auto done = read_number(body, "logprobs", 0, kMaxLogprobs, request.body.n_logprobs); !done)
    return done.error();
  if (request.body.max_tokens == 0 && !request.body.only_reads)
    request.body.max_tokens = 16;  // the wire's own default
  if (auto done = read_flag(body, "echo", request.body.echoes_prompt); !done) return done.error();
  if (request.body.echoes_prompt && request.body.infill)
    return wrong("echo", "false beside a suffix");
  if (prompts->size() > 1)
    if (auto done = check_repeated(request.body, prompts->size()); !done) return done.error();
  request.others.reserve(prompts->size() - 1);
  for (CompletionRequest& other : std::span(*prompts).subspan(1)) {
    CompletionRequest& added = request.others.emplace_back(request.body);
    added.prompt = std::move(other.prompt);
    added.prompt_tokens = std::move(other.prompt_tokens);
  }
  request.body.prompt = std::move(first.prompt);
  request.body.prompt_tokens = std::move(first.prompt_tokens);
  return request;
}

}  // namespace hearth::wire::openai
