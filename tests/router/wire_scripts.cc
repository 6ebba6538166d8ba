#include "router/wire_scripts.h"

#include <fmt/format.h>

#include "support/json.h"

namespace hearth::router {

namespace {

using json::Array;
using json::Object;
using json::Value;

std::string event_of(const Object& data, std::string_view name = "") {
  std::string lines = name.empty() ? "" : fmt::format("event: {}\n", name);
  return lines + "data: " + boost::json::serialize(data) + "\n\n";
}

std::vector<std::string> chat(const ScriptedAnswer& answer) {
  std::vector<std::string> events;
  auto delta = [&](Object what, Value reason = nullptr) {
    Object choice{{"index", 0}, {"delta", std::move(what)}, {"finish_reason", std::move(reason)}};
    events.push_back(event_of(Object{{"choices", Array{std::move(choice)}}, {"usage", nullptr}}));
  };
  for (const std::string& piece : answer.thoughts) delta({{"reasoning_content", piece}});
  for (const std::string& piece : answer.texts) delta({{"content", piece}});
  if (answer.call) {
    auto call = [&](Object function, bool is_first) {
      Object row{{"index", 0}, {"function", std::move(function)}};
      if (is_first) row["id"] = answer.call->id;
      delta({{"tool_calls", Array{std::move(row)}}});
    };
    const std::string& arguments = answer.call->arguments;
    call({{"name", answer.call->name}, {"arguments", ""}}, true);
    call({{"arguments", arguments.substr(0, arguments.size() / 2)}}, false);
    call({{"arguments", arguments.substr(arguments.size() / 2)}}, false);
  }
  delta({}, answer.call ? "tool_calls" : "stop");
  if (const auto& usage = answer.usage)
    events.push_back(event_of(
        {{"choices", Array{}},
         {"usage",
          Object{{"prompt_tokens", usage->n_prompt},
                 {"completion_tokens", usage->n_completion},
                 {"total_tokens", usage->n_prompt + usage->n_completion},
                 {"prompt_tokens_details", Object{{"cached_tokens", usage->n_cached}}}}}}));
  events.push_back("data: [DONE]\n\n");
  return events;
}

std::vector<std::string> responses(const ScriptedAnswer& answer) {
  std::vector<std::string> events;
  int index = 0;
  auto say = [&](std::string_view type, Object rest) {
    rest["type"] = type;
    rest["output_index"] = index;
    events.push_back(event_of(rest, type));
  };
  auto item = [&](Object begun, std::string_view delta_type, const std::vector<std::string>& pieces,
                  Object done) {
    say("response.output_item.added", {{"item", std::move(begun)}});
    for (const std::string& piece : pieces) say(delta_type, {{"delta", piece}});
    say("response.output_item.done", {{"item", std::move(done)}});
    ++index;
  };
  say("response.created", {{"response", Object{{"status", "in_progress"}, {"error", nullptr}}}});
  if (!answer.thoughts.empty())
    item({{"type", "reasoning"}}, "response.reasoning_summary_text.delta", answer.thoughts,
         {{"type", "reasoning"}, {"encrypted_content", "c2lnbmVk"}});
  if (!answer.texts.empty())
    item({{"type", "message"}}, "response.output_text.delta", answer.texts, {{"type", "message"}});
  if (const auto& call = answer.call) {
    Object whole{{"type", "function_call"},
                 {"call_id", call->id},
                 {"name", call->name},
                 {"arguments", call->arguments}};
    Object begun = whole;
    begun["arguments"] = "";
    const size_t half = call->arguments.size() / 2;
    item(std::move(begun), "response.function_call_arguments.delta",
         {call->arguments.substr(0, half), call->arguments.substr(half)}, std::move(whole));
  }
  Object response{{"status", "completed"}};
  if (const auto& usage = answer.usage)
    response["usage"] = Object{{"input_tokens", usage->n_prompt},
                               {"input_tokens_details", Object{{"cached_tokens", usage->n_cached}}},
                               {"output_tokens", usage->n_completion},
                               {"total_tokens", usage->n_prompt + usage->n_completion}};
  say("response.completed", {{"response", std::move(response)}});
  return events;
}

std::vector<std::string> messages(const ScriptedAnswer& answer) {
  std::vector<std::string> events;
  int index = 0;
  auto say = [&](std::string_view type, Object rest) {
    rest["type"] = type;
    events.push_back(event_of(rest, type));
  };
  auto block = [&](Object begun, std::string_view delta_type, std::string_view member,
                   const std::vector<std::string>& pieces) {
    say("content_block_start", {{"index", index}, {"content_block", std::move(begun)}});
    for (const std::string& piece : pieces)
      say("content_block_delta",
          {{"index", index}, {"delta", Object{{"type", delta_type}, {member, piece}}}});
    say("content_block_stop", {{"index", index++}});
  };
  Object begun{{"id", "msg_1"}};
  if (const auto& usage = answer.usage)
    begun["usage"] = Object{{"input_tokens", usage->n_fresh()},
                            {"cache_read_input_tokens", usage->n_cached},
                            {"output_tokens", 1}};
  say("message_start", {{"message", std::move(begun)}});
  if (!answer.thoughts.empty())
    block({{"type", "thinking"}, {"thinking", ""}}, "thinking_delta", "thinking", answer.thoughts);
  say("ping", {});
  if (!answer.texts.empty())
    block({{"type", "text"}, {"text", ""}}, "text_delta", "text", answer.texts);
  if (const auto& call = answer.call) {
    const size_t half = call->arguments.size() / 2;
    block({{"type", "tool_use"}, {"id", call->id}, {"name", call->name}, {"input", Object{}}},
          "input_json_delta", "partial_json",
          {call->arguments.substr(0, half), call->arguments.substr(half)});
  }
  Object end{{"delta", Object{{"stop_reason", answer.call ? "tool_use" : "end_turn"}}}};
  if (answer.usage) end["usage"] = Object{{"output_tokens", answer.usage->n_completion}};
  say("message_delta", std::move(end));
  say("message_stop", {});
  return events;
}

std::vector<std::string> gemini(const ScriptedAnswer& answer) {
  std::vector<std::string> events;
  auto say = [&](Object part, Object beside = {}, std::string_view reason = "") {
    Object candidate{{"content", Object{{"role", "model"}, {"parts", Array{std::move(part)}}}},
                     {"index", 0}};
    if (!reason.empty()) candidate["finishReason"] = reason;
    beside["candidates"] = Array{std::move(candidate)};
    events.push_back(event_of(beside));
  };
  for (const std::string& piece : answer.thoughts) say({{"text", piece}, {"thought", true}});
  for (const std::string& piece : answer.texts) say({{"text", piece}});
  if (const auto& call = answer.call)
    say({{"functionCall", Object{{"id", call->id},
                                 {"name", call->name},
                                 {"args", *json::parse_value(call->arguments)}}},
         {"thoughtSignature", "U2ln"}});
  Object beside;
  if (const auto& usage = answer.usage)
    beside["usageMetadata"] = Object{{"promptTokenCount", usage->n_prompt},
                                     {"cachedContentTokenCount", usage->n_cached},
                                     {"candidatesTokenCount", usage->n_completion},
                                     {"totalTokenCount", usage->n_prompt + usage->n_completion}};
  say({{"text", ""}}, std::move(beside), "STOP");
  return events;
}

}  // namespace

std::vector<std::string> events_of(std::string_view wire, const ScriptedAnswer& answer) {
  if (wire == "responses") return responses(answer);
  if (wire == "messages") return messages(answer);
  if (wire == "gemini") return gemini(answer);
  return chat(answer);
}

std::string error_event(std::string_view wire, std::string_view message) {
  if (wire == "messages")
    return event_of(
        {{"type", "error"}, {"error", Object{{"type", "overloaded_error"}, {"message", message}}}},
        "error");
  if (wire == "responses")
    return event_of({{"type", "error"}, {"code", "server_error"}, {"message", message}}, "error");
  return event_of({{"error", Object{{"code", 503}, {"message", message}}}});
}

}  // namespace hearth::router
