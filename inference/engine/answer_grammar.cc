// How the forms of dialects (dialects/forms.h) are written, beside how they are read.
#include "engine/answer_grammar.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "support/json.h"
#include "support/log.h"

namespace hearth::engine {

namespace {

using grammar::Expr;
using grammar::JsonRules;
using grammar::kUnbounded;
using grammar::Rules;
using Mode = ToolChoice::Mode;

class Writer {
 public:
  Writer(const CompletionRequest& request, const AnswerContext& context)
      : request_(request), context_(context), json_(rules_) {}
  std::vector<std::string> left_out;

  Result<std::shared_ptr<const grammar::Grammar>> write() {
    const bool has_tools =
        context_.dialect && !request_.tools.empty() && request_.tool_choice.mode != Mode::none;
    const bool has_format = request_.response_format.kind != ResponseFormat::Kind::text;
    const bool must_call = has_tools && request_.tool_choice.mode != Mode::automatic;
    Result<Expr> body = rules_.empty();
    if (must_call && has_format)
      return Error{Errc::invalid,
                   "tool_choice: demands a call, and response_format (or grammar) a text of its "
                   "own form; only one of them can be the answer"};
    if (has_tools)
      for (const ToolSpec& tool : request_.tools)
        if (tool.is_strict && is_wanted(tool)) (void)arguments_of(tool);
    if (refused_) return *refused_;
    if (must_call) {
      body = calls();
    } else if (has_format) {
      body = formatted();
      if (body && has_tools)
        if (auto called = calls(); called) body = rules_.alt({*body, *called});
    } else if (has_tools) {
      auto guided = text_with_calls();
      if (!guided) return std::shared_ptr<const grammar::Grammar>();
      body = *guided;
    } else {
      return std::shared_ptr<const grammar::Grammar>();
    }
    if (!body) return body.error();
    const grammar::RuleId root = rules_.add_rule("answer");
    rules_.define(root, behind_thinking(*body, must_call || has_format));
    auto made = grammar::Grammar::from_rules(rules_, root);
    // A call that nobody demanded may as well be free.
    if (!made && !must_call && !has_format) return std::shared_ptr<const grammar::Grammar>();
    return made;
  }

 private:
  // A marker as the model writes it: its own token where it has one.
  std::string mark(std::string_view text) const {
    const bool is_control = context_.is_control && context_.is_control(text);
    return (is_control ? std::string(1, grammar::kControlMark) : "") + std::string(text);
  }
  Expr marker(std::string_view text) { return rules_.bytes(mark(text)); }
  Expr word(std::string_view text) { return rules_.bytes(text); }
  Expr spaces() {  // between markers
    return rules_.repeat(rules_.words({"\n", " "}), 0, 2);
  }
  Expr list_of(std::vector<Expr> parts) { return rules_.cat(std::move(parts)); }

  bool is_harmony() const {
    return context_.dialect && std::holds_alternative<dialects::Channels>(context_.dialect->form);
  }

  // Thinking comes first, and is free.
  Expr behind_thinking(Expr body, bool is_strict) {
    if (is_harmony()) {
      const Expr thinking =
          list_of({marker("<|channel|>"), word("analysis"), marker("<|message|>"),
                   rules_.until(mark("<|end|>")), marker("<|start|>"), word("assistant")});
      return list_of({rules_.optional(thinking), body});
    }
    const dialects::ReasoningMarkers* markers = context_.markers;
    if (!markers || markers->open.empty() || markers->close.empty() || !is_strict) return body;
    const Expr space = rules_.repeat(rules_.words({"\n"}), 0, 2);
    const Expr thought = list_of({rules_.until(mark(markers->close)), space});
    if (markers->opened_by_prompt) return list_of({thought, body});
    return list_of({rules_.optional(list_of({marker(markers->open), thought})), body});
  }

  Result<Expr> formatted() {
    Result<Expr> body = rules_.empty();
    const ResponseFormat& format = request_.response_format;
    switch (format.kind) {
      case ResponseFormat::Kind::json_object: body = json_.any_object(); break;
      case ResponseFormat::Kind::json_schema:
        body = json_.of_schema(format.schema.text);
        if (!body) return Error{body.error().code, "response_format: " + body.error().message};
        break;
      case ResponseFormat::Kind::regex:
        body = grammar::parse_regex(rules_, format.pattern, grammar::Match::whole);
        if (!body) return Error{body.error().code, "the pattern: " + body.error().message};
        break;
      case ResponseFormat::Kind::gbnf: body = grammar::parse_gbnf(rules_, format.pattern); break;
      case ResponseFormat::Kind::structural_tag: body = tagged(format.schema.text); break;
      case ResponseFormat::Kind::text: break;
    }
    if (body && is_harmony())
      return list_of({marker("<|channel|>"), word("final"), marker("<|message|>"), *body});
    return body;
  }

  // Free text in which what stands behind a trigger is one of the structures that start with it.
  Result<Expr> tagged(const std::string& text) {
    auto document = json::Document::parse(text);
    simdjson::dom::array structures, triggers;
    if (!document || document->root()["structures"].get_array().get(structures) ||
        document->root()["triggers"].get_array().get(triggers))
      return Error{Errc::invalid, "structural_tag: expected structures and triggers"};
    std::map<std::string, std::vector<Expr>, std::less<>> ways;
    for (json::Element trigger : triggers)
      if (std::string_view mark; !trigger.get_string().get(mark) && !mark.empty())
        ways.try_emplace(std::string(mark));
    size_t index = 0;
    for (json::Element structure : structures) {
      std::string_view begin, end;
      if (structure["begin"].get_string().get(begin) || structure["end"].get_string().get(end))
        return Error{Errc::invalid, "structural_tag: expected begin and end"};
      json::Element schema;
      if (structure["schema"].get(schema))
        return Error{Errc::invalid, "structural_tag: expected a schema"};
      auto value = json_.of_schema(json::to_text(schema));
      if (!value)
        return Error{value.error().code, fmt::format("structural_tag: structures[{}].schema: {}",
                                                     index, value.error().message)};
      ++index;
      for (auto& [trigger, behind] : ways)
        if (begin.starts_with(trigger))
          behind.push_back(list_of({word(begin.substr(trigger.size())), *value, marker(end)}));
    }
    std::vector<Rules::Mark> marks;
    for (auto& [trigger, behind] : ways)
      marks.push_back({mark(trigger), rules_.alt(std::move(behind))});
    return rules_.unless(std::move(marks), true);
  }

  bool is_wanted(const ToolSpec& tool) const {
    return request_.tool_choice.mode != Mode::named || request_.tool_choice.name == tool.name;
  }

  // What of a tool's schema can be honoured, where all of it cannot.
  const std::string& relaxed(const ToolSpec& tool) {
    auto [at, is_new] = relaxed_.try_emplace(&tool);
    if (!is_new) return at->second;
    grammar::Relaxed made = grammar::relaxed_object_schema(tool.parameters.text);
    if (tool.is_strict && !refused_)
      refused_ = Error{Errc::unsupported,
                       fmt::format("tools: {}: {}: cannot be honoured, and the tool is strict",
                                   tool.name, made.left_out.at(0))};
    for (const std::string& place : made.left_out) {
      log::warn("a keyword of a tool's schema cannot be honoured and is left out",
                {{"tool", tool.name}, {"keyword", place}});
      left_out.push_back(fmt::format("tool {}: {}", tool.name, place));
    }
    return at->second = std::move(made.schema);
  }

  Expr arguments_of(const ToolSpec& tool) {
    auto [at, is_new] = arguments_.try_emplace(&tool);
    if (!is_new) return at->second;
    auto made = json_.of_object_schema(tool.parameters.text);
    if (!made) made = json_.of_object_schema(relaxed(tool));
    return at->second = made ? *made : json_.any_object();
  }

  // {"name": "f", "arguments": {...}}
  Expr call_object(std::string_view name_key, std::string_view arguments_key) {
    std::vector<Expr> all;
    for (const ToolSpec& tool : request_.tools) {
      if (!is_wanted(tool)) continue;
      all.push_back(
          list_of({word("{" + json::quote(name_key)), json_.colon(), word(json::quote(tool.name)),
                   json_.separator(), word(json::quote(arguments_key)), json_.colon(),
                   arguments_of(tool), word("}")}));
    }
    return rules_.alt(std::move(all));
  }

  Expr repeated(Expr one, Expr between) {
    if (request_.tool_choice.parallel == false) return one;
    return list_of({one, rules_.repeat(list_of({between, one}), 0, kUnbounded)});
  }

  // A form without what it opens with, which in a free text is the sign that a call begins.
  struct Form {
    std::string open;
    Expr rest;     // of the first call
    Expr further;  // calls that follow at once
  };

  Form form_of(const dialects::ObjectForm& form) {
    const Expr call = call_object(form.name, form.arguments);
    const Expr list = list_of({word("["), repeated(call, json_.separator()), word("]")});
    const Expr close = form.close.empty() ? word("") : list_of({spaces(), marker(form.close)});
    const Expr rest = list_of({spaces(), form.is_list ? list : call, close});
    const Expr more = list_of({spaces(), marker(form.open), rest});
    return {mark(form.open), rest,
            form.is_list ? rules_.empty() : rules_.repeat(more, 0, kUnbounded)};
  }

  Form form_of(const dialects::NamedForm& form) {
    std::vector<Expr> all;
    for (const ToolSpec& tool : request_.tools) {
      if (!is_wanted(tool)) continue;
      const Expr arguments = arguments_of(tool);
      const Expr index = form.prefix.empty()
                             ? word("")
                             : list_of({word(":"), rules_.repeat(rules_.set({{'0', '9'}}), 1, 3)});
      all.push_back(
          list_of({word(form.prefix), word(tool.name), index, marker(form.separator), arguments}));
      if (form.prefix.empty() && !form.close.empty())  // DeepSeek V3 and R1
        all.push_back(list_of({word("function"), marker(form.separator), word(tool.name),
                               word("\n```json\n"), arguments, word("\n```")}));
    }
    if (form.close.empty())  // Mistral before tokenizer v11
      all.push_back(list_of(
          {word("["), repeated(call_object("name", "arguments"), json_.separator()), word("]")}));
    const Expr call = list_of({rules_.alt(std::move(all)), marker(form.close)});
    const Expr next = list_of({spaces(), marker(form.open), call});
    const bool is_single = request_.tool_choice.parallel == false;
    const Expr more = is_single ? rules_.empty() : rules_.repeat(next, 0, kUnbounded);
    if (form.section_open.empty()) return {mark(form.open), call, more};
    const Expr rest = list_of({next, more, spaces(), marker(form.section_close)});
    return {mark(form.section_open), rest, rules_.empty()};
  }

  Expr tag_argument(const dialects::TagForm& form, const JsonRules::Member& member) {
    // DeepSeek's markup says in an attribute whether a value is text.
    const bool has_attribute = form.key_open.ends_with('"') && form.key_end == ">";
    const std::string_view kind = member.is_only_string ? "true" : "false";
    const std::string end =
        has_attribute ? fmt::format("\" string=\"{}\">", kind) : std::string(form.key_end);
    std::vector<Expr> parts = {marker_parts(form.key_open), word(member.name), marker_parts(end)};
    if (!form.value_open.empty()) {
      parts.push_back(spaces());
      parts.push_back(marker_parts(form.value_open));
    }
    if (form.has_lines) parts.push_back(word("\n"));
    if (member.is_only_string) {
      parts.push_back(rules_.until((form.has_lines ? "\n" : "") + mark(form.value_end)));
    } else {
      parts.push_back(member.value);
      if (form.has_lines) parts.push_back(word("\n"));
      parts.push_back(marker_parts(form.value_end));
    }
    return list_of(std::move(parts));
  }
  // Markers of tags are plain text or one control token ("<arg_key>"), or both (DeepSeek's
  // "<｜DSML｜invoke").
  Expr marker_parts(std::string_view text) {
    constexpr std::string_view kDsml = "｜DSML｜";
    const size_t at = text.find(kDsml);
    if (at == text.npos || !(context_.is_control && context_.is_control(kDsml)))
      return marker(text);
    return list_of({word(text.substr(0, at)), marker(kDsml), word(text.substr(at + kDsml.size()))});
  }

  Expr tag_call(const dialects::TagForm& form, const ToolSpec& tool) {
    std::vector<Expr> parts = {word(tool.name)};
    if (form.name_end != "\n") parts.push_back(marker_parts(form.name_end));
    auto members = json_.members_of(tool.parameters.text);
    if (!members) members = json_.members_of(relaxed(tool));
    if (members && *members) {
      for (const JsonRules::Member& member : **members) {
        const Expr argument = list_of({spaces(), tag_argument(form, member)});
        parts.push_back(member.is_required ? argument : rules_.optional(argument));
      }
    } else {  // any arguments, as texts
      const Expr key = rules_.repeat(
          rules_.set({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}, {'-', '-'}}), 1, 64);
      const bool has_attribute = form.key_open.ends_with('"') && form.key_end == ">";
      parts.push_back(
          rules_.repeat(list_of({spaces(), marker_parts(form.key_open), key,
                                 marker_parts(has_attribute ? "\" string=\"true\">" : form.key_end),
                                 form.value_open.empty() ? word("") : marker_parts(form.value_open),
                                 rules_.until(mark(form.value_end))}),
                        0, kUnbounded));
    }
    parts.push_back(spaces());
    parts.push_back(marker_parts(form.close));
    return list_of(std::move(parts));
  }

  Form form_of(const dialects::TagForm& form) {
    std::vector<Expr> all;
    for (const ToolSpec& tool : request_.tools)
      if (is_wanted(tool)) all.push_back(tag_call(form, tool));
    const Expr call = rules_.alt(std::move(all));
    const Expr next = list_of({spaces(), marker_parts(form.open), call});
    const bool is_single = request_.tool_choice.parallel == false;
    if (form.section_open.empty())
      return {mark(form.open), call, is_single ? word("") : rules_.repeat(next, 0, kUnbounded)};
    const Expr rest = list_of({next, is_single ? word("") : rules_.repeat(next, 0, kUnbounded),
                               spaces(), marker_parts(form.section_close)});
    const Expr section = list_of({spaces(), marker_parts(form.section_open), rest});
    const bool is_plain = form.section_open.find("｜DSML｜") == std::string_view::npos;
    return {is_plain ? mark(form.section_open) : std::string(), rest,
            is_single ? word("") : rules_.repeat(section, 0, kUnbounded)};
  }

  std::optional<Form> form() {
    const auto& form = context_.dialect->form;
    if (const auto* objects = std::get_if<dialects::ObjectForm>(&form)) return form_of(*objects);
    if (const auto* named = std::get_if<dialects::NamedForm>(&form)) return form_of(*named);
    if (const auto* tags = std::get_if<dialects::TagForm>(&form)) return form_of(*tags);
    return std::nullopt;
  }

  // One call or more, and nothing else.
  Result<Expr> calls() {
    if (request_.tool_choice.mode == Mode::named &&
        std::ranges::none_of(request_.tools, [&](auto& tool) { return is_wanted(tool); }))
      return Error{Errc::invalid,
                   fmt::format("tool_choice: there is no tool \"{}\"", request_.tool_choice.name)};
    if (is_harmony()) {
      std::vector<Expr> all;
      for (const ToolSpec& tool : request_.tools)
        if (is_wanted(tool))
          all.push_back(list_of({word(" to=functions." + tool.name + " "), marker("<|constrain|>"),
                                 word("json"), marker("<|message|>"), arguments_of(tool)}));
      return list_of({marker("<|channel|>"), word("commentary"), rules_.alt(std::move(all))});
    }
    if (const auto* bare = std::get_if<dialects::BareForm>(&context_.dialect->form))
      return repeated(call_object("name", bare->arguments), word("; "));
    Form parts = *form();
    const bool is_single = request_.tool_choice.parallel == false;
    const Expr open = parts.open.empty() ? opening() : word(parts.open);
    return list_of({open, parts.rest, is_single ? rules_.empty() : parts.further});
  }
  Expr opening() {
    return marker_parts(std::get<dialects::TagForm>(context_.dialect->form).section_open);
  }

  // Free text, in which a call is bound to the form as soon as it has begun. Nothing for dialects
  // in which no mark tells that.
  std::optional<Expr> text_with_calls() {
    std::optional<Form> parts = form();
    if (!parts || parts->open.empty()) return std::nullopt;
    const bool is_single = request_.tool_choice.parallel == false;
    return rules_.unless({{parts->open, parts->rest}}, !is_single);
  }

  const CompletionRequest& request_;
  const AnswerContext& context_;
  Rules rules_;
  JsonRules json_;
  std::optional<Error> refused_;
  std::map<const ToolSpec*, std::string> relaxed_;
  std::map<const ToolSpec*, Expr> arguments_;
};

}  // namespace

Result<std::shared_ptr<const grammar::Grammar>> answer_grammar(const CompletionRequest& request,
                                                               const AnswerContext& context,
                                                               std::vector<std::string>* left_out) {
  Writer writer(request, context);
  auto written = writer.write();
  if (left_out) *left_out = std::move(writer.left_out);
  return written;
}

}  // namespace hearth::engine
