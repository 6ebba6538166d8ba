#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "wire/anthropic.h"
#include "wire/anthropic_answer.h"
#include "wire/carried.h"
#include "wire/reading.h"

namespace hearth::wire::anthropic {

namespace {

constexpr std::string_view kProvider = "anthropic";  // whose signatures come in by this wire

// {"cache_control": {"type": "ephemeral", "ttl": "1h"}}.
std::string cache_of(Element element) {
  auto control = member(element, "cache_control");
  if (!control) return "";
  return text_member(*control, "ttl") == "1h" ? "1h" : "5m";
}

Result<Image> read_image(Element block, const std::string& path) {
  auto source = member(block, "source");
  const std::string type = source ? text_member(*source, "type") : "";
  if (type == "base64") {
    auto data = string_member(*source, "data");
    if (!data) return wrong(path + ".source.data", "a string");
    return Image{fmt::format("data:{};base64,{}", text_member(*source, "media_type"), *data), ""};
  }
  if (type == "url") {
    auto url = string_member(*source, "url");
    if (!url) return wrong(path + ".source.url", "a string");
    return Image{std::string(*url), ""};
  }
  return Error{Errc::unsupported,
               fmt::format("{}.source.type: expected base64 or url, got \"{}\"", path, type)};
}

// The text of a document, or of a result of a search.
Result<std::string> read_document(Element block, const std::string& path) {
  simdjson::dom::array parts;
  if (!block["content"].get_array().get(parts)) {
    std::string text;
    for (Element part : parts) text += text_member(part, "text");
    return text;
  }
  auto source = member(block, "source");
  const std::string type = source ? text_member(*source, "type") : "";
  if (type == "text") return text_member(*source, "data");
  return Error{Errc::unsupported,
               fmt::format("{}.source.type: expected text, got \"{}\"", path, type)};
}

// Reads one message's content into canonical messages: results are messages of their own, and what
// stands between them keeps its place.
class Content {
 public:
  Content(Role role, std::vector<Message>& out) : role_(role), out_(out) {}

  Result<> read(Element content, const std::string& path) {
    std::string_view text;
    if (!content.get_string().get(text)) {
      add(Text{std::string(text)});
      return {};
    }
    simdjson::dom::array blocks;
    if (content.get_array().get(blocks)) return wrong(path, "a string or an array of blocks");
    size_t index = 0;
    for (Element block : blocks)
      if (auto done = read_block(block, fmt::format("{}.{}", path, index++)); !done) return done;
    return {};
  }

 private:
  Result<> read_block(Element block, const std::string& path) {
    const std::string type = text_member(block, "type");
    if (type == "tool_result") return read_result(block, path);
    if (auto done = read_other(block, type, path); !done) return done;
    if (std::string cache = cache_of(block); !cache.empty() && is_open_)
      out_.back().blocks.back().cache = std::move(cache);
    return {};
  }

  Result<> read_other(Element block, std::string_view type, const std::string& path) {
    if (type == "text") {
      auto text = string_member(block, "text");
      if (!text) return wrong(path + ".text", "a string");
      // Claude Code's word to its maker's billing, another one in each session: left in, it would
      // keep the prompts of two sessions from having a beginning in common.
      if (role_ == Role::system && text->starts_with("x-anthropic-billing-header:")) return {};
      add(Text{std::string(*text)});
    } else if (type == "image") {
      auto image = read_image(block, path);
      if (!image) return image.error();
      add(std::move(*image));
    } else if (type == "document" || type == "search_result") {
      auto text = read_document(block, path);
      if (!text) return text.error();
      add(Text{std::move(*text)});
    } else if (type == "tool_reference") {  // of a search among tools; all of them are offered
      add(Text{fmt::format("The tool {} can be called.\n", text_member(block, "tool_name"))});
    } else if (type == "tool_use") {
      auto name = string_member(block, "name");
      if (!name) return wrong(path + ".name", "a string");
      auto input = member(block, "input");
      add(ToolCall{text_member(block, "id"), std::string(*name),
                   input ? json::to_text(*input) : "{}"});
    } else if (type == "thinking") {
      read_thinking(block);
    } else if (type.empty()) {
      return wrong(path + ".type", "a string");
    } else if (role_ == Role::assistant) {
      add(Opaque{std::string(kProvider), {json::to_text(block)}});
    } else {
      return Error{Errc::unsupported,
                   fmt::format("{}.type: content of the type \"{}\" is not supported", path, type)};
    }
    return {};
  }

  // Text and signature apart, as the provider's reader makes them.
  void read_thinking(Element block) {
    if (std::string text = text_member(block, "thinking"); !text.empty())
      add(Reasoning{std::move(text), std::nullopt});
    const std::string signature = text_member(block, "signature");
    if (signature.empty()) return;
    if (auto foreign = carried(signature)) return add(std::move(*foreign));
    const json::Object part{{"type", "thinking"}, {"signature", signature}};
    add(Opaque{std::string(kProvider), {boost::json::serialize(part)}});
  }

  Result<> read_result(Element block, const std::string& path) {
    is_open_ = false;
    ToolResult result;
    result.call_id = text_member(block, "tool_use_id");
    if (result.call_id.empty()) return wrong(path + ".tool_use_id", "a string");
    if (auto flag = member(block, "is_error"))
      if (flag->get_bool().get(result.is_error)) return wrong(path + ".is_error", "a boolean");
    std::vector<Message> inner;
    if (auto content = member(block, "content")) {
      Content parts(Role::tool, inner);
      if (auto done = parts.read(*content, path + ".content"); !done) return done;
    }
    Message message;
    message.role = Role::tool;
    message.blocks.emplace_back();
    for (Message& each : inner)
      for (Block& part : each.blocks)
        if (auto* text = std::get_if<Text>(&part.content))
          result.text += text->text;
        else
          message.blocks.push_back(std::move(part));
    message.blocks.front().content = std::move(result);
    message.blocks.front().cache = cache_of(block);
    out_.push_back(std::move(message));
    return {};
  }

  template <class Part>
  void add(Part part) {
    if (!is_open_) out_.emplace_back().role = role_;
    is_open_ = true;
    out_.back().blocks.emplace_back().content = std::move(part);
  }

  const Role role_;
  std::vector<Message>& out_;
  bool is_open_ = false;  // out_.back() is ours and takes more blocks
};

Result<> read_messages(Element body, std::vector<Message>& out) {
  if (auto system = member(body, "system")) {
    Content content(Role::system, out);
    if (auto done = content.read(*system, "system"); !done) return done;
  }
  auto messages = member(body, "messages");
  simdjson::dom::array array;
  if (!messages) return Error{Errc::invalid, "messages: Field required"};
  if (messages->get_array().get(array)) return wrong("messages", "an array");
  if (array.size() == 0) return Error{Errc::invalid, "messages: at least one message is required"};
  size_t index = 0;
  for (Element element : array) {
    const std::string path = fmt::format("messages.{}", index++);
    auto role = enum_from_name<Role>(text_member(element, "role"));
    if (!role || *role == Role::tool) return wrong(path + ".role", "user, assistant or system");
    const size_t n_before = out.size();
    Content content(*role, out);
    auto said = member(element, "content");
    if (!said) return Error{Errc::invalid, path + ".content: Field required"};
    if (auto done = content.read(*said, path + ".content"); !done) return done;
    if (out.size() == n_before) out.emplace_back().role = *role;  // it said nothing: still a turn
  }
  name_tools(out);
  return {};
}

Result<> read_tools(Element body, Asked& out) {
  auto tools = member(body, "tools");
  if (!tools) return {};
  simdjson::dom::array array;
  if (tools->get_array().get(array)) return wrong("tools", "an array");
  size_t index = 0;
  for (Element tool : array) {
    const std::string at = fmt::format("tools.{}", index++);
    const std::string type = text_member(tool, "type");
    auto schema = member(tool, "input_schema");
    if (!schema && !type.empty() && type != "custom") {
      out.left_out.push_back(at + ": " + type);
      continue;
    }
    ToolSpec spec;
    spec.name = text_member(tool, "name");
    if (spec.name.empty()) return wrong(at + ".name", "a string");
    if (!schema || !schema->is_object()) return wrong(at + ".input_schema", "an object");
    spec.description = text_member(tool, "description");
    spec.parameters.text = json::to_text(*schema);
    spec.cache = cache_of(tool);
    if (auto done = read_flag(tool, "strict", spec.is_strict); !done) return done;
    out.body.tools.push_back(std::move(spec));
  }
  return {};
}

Result<> read_tool_choice(Element body, const Asked& asked, ToolChoice& out) {
  using Mode = ToolChoice::Mode;
  auto choice = member(body, "tool_choice");
  if (!choice) return {};
  const std::string type = text_member(*choice, "type");
  if (auto flag = member(*choice, "disable_parallel_tool_use")) {
    bool is_disabled;
    if (flag->get_bool().get(is_disabled))
      return wrong("tool_choice.disable_parallel_tool_use", "a boolean");
    out.parallel = !is_disabled;
  }
  if (type == "auto" || type == "none") {
    out.mode = type == "auto" ? Mode::automatic : Mode::none;
    return {};
  }
  if (type != "any" && type != "tool") return wrong("tool_choice.type", "auto, any, tool or none");
  out.mode = type == "any" ? Mode::required : Mode::named;
  if (out.mode == Mode::named) out.name = text_member(*choice, "name");
  const auto& tools = asked.body.tools;
  const bool is_there = out.mode == Mode::required
                            ? !tools.empty()
                            : std::ranges::count(tools, out.name, &ToolSpec::name) > 0;
  if (is_there) return {};
  if (!asked.left_out.empty())
    return Error{Errc::unsupported,
                 fmt::format("{}: this tool runs at its provider's, not here", asked.left_out[0])};
  return wrong("tool_choice", "one of the tools to be there");
}

Result<> read_reasoning(Element body, CompletionRequest& out) {
  if (auto thinking = member(body, "thinking")) {
    const std::string type = text_member(*thinking, "type");
    if (type != "enabled" && type != "adaptive" && type != "disabled")
      return wrong("thinking.type", "enabled, adaptive or disabled");
    out.reasoning.enabled = type != "disabled";
    if (auto done = read_number(*thinking, "budget_tokens", 0, 1e9, out.reasoning.budget_tokens);
        !done)
      return done;
  }
  auto config = member(body, "output_config");
  if (!config) return {};
  if (auto effort = string_member(*config, "effort")) {
    out.reasoning.effort = enum_from_name<Effort>(*effort);
    if (!out.reasoning.effort) return wrong("output_config.effort", "low, medium, high or max");
  }
  return {};
}

// output_config.format, and output_format as it was called before.
Result<> read_format(Element body, ResponseFormat& out) {
  auto config = member(body, "output_config");
  auto format = config ? member(*config, "format") : std::nullopt;
  if (!format) format = member(body, "output_format");
  if (!format) return {};
  if (text_member(*format, "type") != "json_schema")
    return wrong("output_config.format.type", "json_schema");
  auto schema = member(*format, "schema");
  if (!schema || !schema->is_object()) return wrong("output_config.format.schema", "an object");
  out.kind = ResponseFormat::Kind::json_schema;
  out.schema.text = json::to_text(*schema);
  out.is_strict = true;
  return {};
}

Result<> read_stop(Element body, std::vector<std::string>& out) {
  auto stop = member(body, "stop_sequences");
  if (!stop) return {};
  simdjson::dom::array array;
  std::string_view text;
  if (stop->get_array().get(array)) return wrong("stop_sequences", "an array of strings");
  for (Element item : array) {
    if (item.get_string().get(text)) return wrong("stop_sequences", "an array of strings");
    if (!text.empty()) out.emplace_back(text);
  }
  if (out.size() > 16) return wrong("stop_sequences", "at most 16 strings");
  return {};
}

// Claude Code puts its session into the user's id, as JSON or as "..._session_ID".
std::string session_of(const std::string& user) {
  if (auto document = json::Document::parse(user))
    return text_member(document->root(), "session_id");
  constexpr std::string_view kMark = "_session_";
  const size_t at = user.find(kMark);
  return at == user.npos ? "" : user.substr(at + kMark.size());
}

Result<Asked> parse(std::string_view text, bool is_count) {
  auto document = json::Document::parse(text);
  if (!document) return document.error();
  Element body = document->root();
  if (!body.is_object()) return wrong("body", "an object");
  Asked asked;
  CompletionRequest& out = asked.body;
  auto model = string_member(body, "model");
  if (!model || model->empty()) return Error{Errc::invalid, "model: Field required"};
  asked.model = std::string(*model);
  std::optional<uint32_t> max_tokens;
  if (auto done =
          read_number(body, "max_tokens", 1, std::numeric_limits<uint32_t>::max(), max_tokens);
      !done)
    return done.error();
  if (!max_tokens && !is_count) return Error{Errc::invalid, "max_tokens: Field required"};
  out.max_tokens = max_tokens.value_or(0);
  if (auto done = read_flag(body, "stream", asked.is_stream); !done) return done.error();
  if (auto done = read_messages(body, out.messages); !done) return done.error();
  if (auto done = read_tools(body, asked); !done) return done.error();
  if (auto done = read_tool_choice(body, asked, out.tool_choice); !done) return done.error();
  if (auto done = read_reasoning(body, out); !done) return done.error();
  if (auto done = read_format(body, out.response_format); !done) return done.error();
  if (auto done = read_stop(body, out.stop); !done) return done.error();
  Sampling& sampling = out.sampling;
  Result<> done;
  if (done = read_number(body, "temperature", 0, 1, sampling.temperature); !done)
    return done.error();
  if (done = read_number(body, "top_p", 0, 1, sampling.top_p); !done) return done.error();
  if (done = read_number(body, "top_k", 0, 1e9, sampling.top_k); !done) return done.error();
  if (auto metadata = member(body, "metadata")) asked.own_user = text_member(*metadata, "user_id");
  asked.session = session_of(asked.own_user);
  asked.shape = make_answer(out.stop);
  return asked;
}

}  // namespace

Result<Asked, Failure> parse_messages(std::string_view body) {
  auto asked = parse(body, false);
  if (!asked) return asked.error();
  return std::move(*asked);
}

Result<Asked, Failure> parse_count(std::string_view body) {
  auto asked = parse(body, true);
  if (!asked) return asked.error();
  return std::move(*asked);
}

}  // namespace hearth::wire::anthropic
