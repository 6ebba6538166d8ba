#include "chat/abilities.h"

#include <optional>

namespace hearth::chat {

namespace {

using json::Array;
using json::Object;
using json::Value;

// Texts that no template writes by itself.
constexpr std::string_view kNeedle = "h3arthn33dle", kOtherNeedle = "0therh3arth";

class Prober {
 public:
  Prober(const jinja::Template& parsed, const Object& fixed) : parsed_(parsed), fixed_(fixed) {}

  bool wants_parts = false, wants_tool_list = false;

  Object row(std::string_view role, std::string_view text) const {
    Value content(text);
    if (wants_parts) content = Array{Object{{"type", "text"}, {"text", text}}};
    return Object{{"role", role}, {"content", std::move(content)}};
  }

  Object call(Value content, std::string_view id, Value arguments) const {
    Object function{{"name", kNeedle}, {"arguments", std::move(arguments)}};
    Object call{{"id", id}, {"type", "function"}, {"function", std::move(function)}};
    return Object{{"role", "assistant"},
                  {"content", std::move(content)},
                  {"tool_calls", Array{std::move(call)}}};
  }

  // Nothing when the template refuses. A tool is on offer if it has a name.
  std::optional<std::string> render(Array messages, std::string_view tool = "",
                                    Object variables = {}) const {
    Object parameters{{"type", "object"}, {"properties", Object{}}};
    Object function{{"name", tool}, {"description", "d"}, {"parameters", std::move(parameters)}};
    for (const auto& [name, value] : fixed_) variables[name] = value;
    variables["messages"] = std::move(messages);
    variables["tools"] = wants_tool_list ? Value(Array{}) : Value(nullptr);
    if (!tool.empty())
      variables["tools"] = Array{Object{{"type", "function"}, {"function", std::move(function)}}};
    variables["add_generation_prompt"] = true;
    auto rendered = parsed_.render(variables, 0);
    if (!rendered) return std::nullopt;
    return std::move(rendered->text);
  }

  // Whether the prompt of a plain conversation depends on a variable.
  bool heeds(std::string_view name, Value one, Value other) const {
    const auto with_one = render({row("user", "x")}, "", {{name, std::move(one)}});
    const auto with_other = render({row("user", "x")}, "", {{name, std::move(other)}});
    return with_one && with_other && *with_one != *with_other;
  }

  bool shows(Array messages, std::string_view tool = "") const {
    auto text = render(std::move(messages), tool);
    return text && text->find(kNeedle) != std::string::npos;
  }

 private:
  const jinja::Template& parsed_;
  const Object& fixed_;
};

bool has_late_system(const Prober& prober) {
  auto text = prober.render({prober.row("user", "x"), prober.row("assistant", kOtherNeedle),
                             prober.row("system", kNeedle), prober.row("user", "y")});
  if (!text) return false;
  size_t system = text->find(kNeedle), before = text->find(kOtherNeedle);
  return system != std::string::npos && (before == std::string::npos || before < system);
}

// Arguments are best kept as the text that the model wrote. A template that serialises them by
// itself shows such text quoted once more, or not at all if it walks through them.
bool wants_argument_text(const Prober& prober, const Value& content) {
  auto called_with = [&](Value arguments) {
    return prober.render(
        {prober.row("user", "x"), prober.call(content, "call00001", std::move(arguments))}, "f");
  };
  std::string text = "{\"";
  text.append(kOtherNeedle).append("\": 1}");
  auto from_text = called_with(Value(text));
  if (from_text && from_text->find(text) != std::string::npos) return true;
  auto from_object = called_with(Object{{kOtherNeedle, 1}});
  return !from_object || from_object->find(kOtherNeedle) == std::string::npos;
}

bool has_tool_turns(const Prober& prober, const Object& call) {
  Object result = prober.row("tool", kOtherNeedle);
  result["tool_call_id"] = "call00001";
  result["name"] = kNeedle;
  auto text = prober.render({prober.row("user", "x"), call, std::move(result)}, "f");
  return text && text->find(kNeedle) != std::string::npos &&
         text->find(kOtherNeedle) != std::string::npos;
}

// Some look at the first call only, some refuse more than one.
bool has_parallel_calls(const Prober& prober, Object calls) {
  Array& all = calls["tool_calls"].as_array();
  Object other = all.front().as_object();
  other["id"] = "call00002";
  other["function"].as_object()["name"] = kOtherNeedle;
  all.push_back(std::move(other));
  Array messages{prober.row("user", "x"), std::move(calls)};
  for (const char* id : {"call00001", "call00002"}) {
    Object result = prober.row("tool", "r");
    result["tool_call_id"] = id;
    result["name"] = "r";
    messages.push_back(std::move(result));
  }
  auto text = prober.render(std::move(messages), "f");
  return text && text->find(kNeedle) != std::string::npos &&
         text->find(kOtherNeedle) != std::string::npos;
}

// Two of them read one message of that kind, the first, and forget all others.
bool has_developer(const Prober& prober) {
  const Object user = prober.row("user", "x"), developer = prober.row("developer", kNeedle);
  return prober.shows({developer, user}) &&
         prober.shows({prober.row("system", "s"), developer, user}) &&
         prober.shows({user, prober.row("assistant", "y"), developer, user});
}

}  // namespace

Abilities probe(const jinja::Template& parsed, std::string_view source, const Object& fixed) {
  Abilities found;
  Prober prober(parsed, fixed);
  auto shows_user = [&] { return prober.shows({prober.row("user", kNeedle)}); };
  if (!shows_user()) {
    prober.wants_parts = true;
    if (!shows_user()) prober.wants_parts = false;
  }
  if (!prober.wants_parts && !shows_user()) {
    prober.wants_tool_list = true;
    if (!shows_user()) prober.wants_tool_list = false;
  }
  found.wants_parts = prober.wants_parts;
  found.wants_tool_list = prober.wants_tool_list;
  Object user = prober.row("user", "x");
  found.has_system = prober.shows({prober.row("system", kNeedle), user});
  found.has_late_system = found.has_system && has_late_system(prober);
  bool names_developer =
      source.find("'developer'") != source.npos || source.find("\"developer\"") != source.npos;
  found.has_developer = names_developer && has_developer(prober);
  found.has_user_runs = prober.shows({user, prober.row("user", kNeedle)});
  found.shows_tools =
      prober.shows({user}, kNeedle) || prober.shows({prober.row("system", "s"), user}, kNeedle);

  Value no_content = prober.row("assistant", "").at("content");
  Value arguments = Object{{"a", 1}};
  auto shows_call = [&](const Value& content, std::string_view id) {
    return prober.shows({user, prober.call(content, id, arguments)}, "f") ||
           prober.shows({user, prober.call(content, id, Value("{\"a\": 1}"))}, "f");
  };
  if (!shows_call(no_content, "call00001") && shows_call(Value(nullptr), "call00001")) {
    found.wants_null_content = true;
    no_content = nullptr;
  }
  found.wants_short_ids =
      shows_call(no_content, "call00001") && !shows_call(no_content, "call_abcdefghij");
  found.wants_argument_text = wants_argument_text(prober, no_content);
  if (found.wants_argument_text) arguments = Value("{\"a\": 1}");
  const Object call = prober.call(no_content, "call00001", arguments);
  found.has_tool_turns = has_tool_turns(prober, call);
  found.has_parallel_calls = has_parallel_calls(prober, call);
  Object both = prober.call(prober.row("assistant", "c").at("content"), "call00001", arguments);
  bool takes_content = prober.render({user, both}, "f").has_value();
  both["thinking"] = "t";
  found.wants_one_text = takes_content && !prober.render({user, both}, "f");
  found.switches_thinking = prober.heeds("enable_thinking", true, false);
  found.knows_effort = prober.heeds("reasoning_effort", "low", "high");
  return found;
}

std::vector<std::string> notes_on(const Abilities& abilities) {
  std::vector<std::string> notes;
  if (!abilities.has_system)
    notes.push_back(
        "the chat template has no system role: system text goes in front of the next user message");
  if (!abilities.has_tool_turns)
    notes.push_back(
        "the chat template has no tool turns: calls and their results are sent as text");
  if (!abilities.shows_tools)
    notes.push_back(
        "the chat template does not show tools: they are described in a system message");
  return notes;
}

}  // namespace hearth::chat
