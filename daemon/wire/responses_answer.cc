#include "wire/responses_answer.h"

#include <utility>

#include "support/id.h"
#include "wire/carried.h"
#include "wire/openai.h"
#include "wire/parts.h"
#include "wire/prompt_notes.h"

namespace hearth::wire::responses {

namespace {

using json::Array;
using json::Object;
using json::Value;

Object usage_object(const Completion& completion) {
  const Usage& usage = completion.usage;
  return Object{{"input_tokens", usage.n_prompt},
                {"input_tokens_details", prompt_details(completion)},
                {"output_tokens", usage.n_completion},
                {"output_tokens_details", Object{{"reasoning_tokens", usage.n_reasoning}}},
                {"total_tokens", usage.n_prompt + usage.n_completion}};
}

Object text_part(std::string_view text) {
  return Object{
      {"type", "output_text"}, {"annotations", Array{}}, {"logprobs", Array{}}, {"text", text}};
}

Object summary_part(std::string_view text) {
  return Object{{"type", "summary_text"}, {"text", text}};
}

// A call of a free-form tool is one text; the model was offered a function that takes it as
// `input`.
std::string free_text(const std::string& arguments) {
  auto parsed = json::parse_value(arguments);
  if (!parsed || !parsed->is_object()) return arguments;
  const Value* input = parsed->as_object().if_contains("input");
  return input && input->is_string() ? std::string(input->as_string()) : arguments;
}

// The output items of an answer, and the events that make them where it is a stream.
class ResponsesAnswer final : public AnswerShape, private PartSink {
 public:
  explicit ResponsesAnswer(Echo echo) : echo_(std::move(echo)) {}

  std::string whole(const Head& head, const Completion& completion) override {
    for (const StreamDelta& delta : deltas_of(completion.message)) parts_.hear(delta);
    parts_.finish();
    return boost::json::serialize(finished(head, completion));
  }

  void begin(const Head& head, std::string& out) override {
    out_ = &out;
    const Object response = response_object(head, "in_progress");
    event("response.created", Object{{"response", response}});
    event("response.in_progress", Object{{"response", response}});
  }

  void hear(const Head&, const StreamDelta& delta, std::string& out) override {
    out_ = &out;
    parts_.hear(delta);
  }

  void end(const Head& head, const Completion& completion, std::string& out) override {
    out_ = &out;
    parts_.finish();
    Object response = finished(head, completion);
    const bool is_whole = response["status"] == "completed";
    event(is_whole ? "response.completed" : "response.incomplete",
          Object{{"response", std::move(response)}});
  }

  void fail(const Head& head, const Failure& failure, std::string& out) override {
    out_ = &out;
    Object error{{"code", "server_error"}, {"message", failure.message}};
    auto said = json::parse_value(openai::error_reply(failure).body);
    if (said) {
      error["code"] = said->at("error").at("code");
      error["message"] = said->at("error").at("message");
    }
    Object response = response_object(head, "failed");
    response["output"] = output_;
    response["error"] = std::move(error);
    event("response.failed", Object{{"response", std::move(response)}});
  }

 private:
  Object response_object(const Head& head, std::string_view status) const {
    Object response{{"id", head.id},
                    {"object", "response"},
                    {"created_at", head.created_s},
                    {"status", status},
                    {"background", false},
                    {"error", nullptr},
                    {"incomplete_details", nullptr},
                    {"model", head.model},
                    {"output", Array{}}};
    for (const auto& [name, value] : echo_.fields) response[name] = value;
    response["usage"] = nullptr;
    return response;
  }

  Object finished(const Head& head, const Completion& completion) const {
    const char* why_not_whole = nullptr;
    if (completion.finish_reason == FinishReason::length) why_not_whole = "max_output_tokens";
    if (completion.finish_reason == FinishReason::content_filter) why_not_whole = "content_filter";
    Object response = response_object(head, why_not_whole ? "incomplete" : "completed");
    if (why_not_whole) response["incomplete_details"] = Object{{"reason", why_not_whole}};
    response["output"] = output_;
    response["usage"] = usage_object(completion);
    return response;
  }

  void event(std::string_view type, Object fields) {
    if (!out_) return;
    Object data{{"type", type}, {"sequence_number", n_events_++}};
    for (auto& [name, value] : fields) data[name] = std::move(value);
    add_event(*out_, type, boost::json::serialize(data));
  }
  // An event about the item that is open.
  void item_event(std::string_view type, Object fields) {
    Object all{{"item_id", item_id_}, {"output_index", output_.size()}};
    for (auto& [name, value] : fields) all[name] = std::move(value);
    event(type, std::move(all));
  }
  void add_item(Object item) {
    event("response.output_item.added",
          Object{{"output_index", output_.size()}, {"item", std::move(item)}});
  }
  void item_done(Object item) {
    event("response.output_item.done", Object{{"output_index", output_.size()}, {"item", item}});
    output_.push_back(std::move(item));
  }

  void add_whole(Object item) {
    add_item(item);
    item_done(std::move(item));
  }

  bool is_free_form(const Part& part) const { return echo_.free_form.contains(part.name); }

  Object message_item(std::string_view status, Array content) const {
    return Object{{"id", item_id_},
                  {"type", "message"},
                  {"status", status},
                  {"role", "assistant"},
                  {"content", std::move(content)}};
  }
  Object reasoning_item(Array summary) const {
    Object item{{"id", item_id_}, {"type", "reasoning"}, {"summary", std::move(summary)}};
    item["encrypted_content"] = encrypted_.empty() ? Value(nullptr) : Value(encrypted_);
    return item;
  }
  Object call_item(const Part& part, std::string_view status, std::string_view text) const {
    const bool is_free = is_free_form(part);
    return Object{{"id", item_id_},    {"type", is_free ? "custom_tool_call" : "function_call"},
                  {"status", status},  {"call_id", part.call_id},
                  {"name", part.name}, {is_free ? "input" : "arguments", text}};
  }

  void open(const Part& part) override {
    encrypted_.clear();
    own_.reset();
    switch (part.kind) {
      case StreamDelta::Kind::reasoning:
        item_id_ = make_id("rs");
        add_item(reasoning_item({}));
        return item_event("response.reasoning_summary_part.added",
                          Object{{"summary_index", 0}, {"part", summary_part("")}});
      case StreamDelta::Kind::tool_call:
        item_id_ = make_id(is_free_form(part) ? "ctc" : "fc");
        return add_item(call_item(part, "in_progress", ""));
      default:
        item_id_ = make_id("msg");
        add_item(message_item("in_progress", {}));
        return item_event("response.content_part.added",
                          Object{{"content_index", 0}, {"part", text_part("")}});
    }
  }

  void piece(const Part& part, std::string_view text) override {
    switch (part.kind) {
      case StreamDelta::Kind::reasoning:
        return item_event("response.reasoning_summary_text.delta",
                          Object{{"summary_index", 0}, {"delta", text}});
      case StreamDelta::Kind::tool_call:
        if (is_free_form(part)) return;  // its text lies in the JSON: told when that is whole
        return item_event("response.function_call_arguments.delta", Object{{"delta", text}});
      default:
        return item_event("response.output_text.delta",
                          Object{{"content_index", 0}, {"delta", text}, {"logprobs", Array{}}});
    }
  }

  void close(const Part& part) override {
    switch (part.kind) {
      case StreamDelta::Kind::reasoning:
        item_event("response.reasoning_summary_text.done",
                   Object{{"summary_index", 0}, {"text", part.text}});
        item_event("response.reasoning_summary_part.done",
                   Object{{"summary_index", 0}, {"part", summary_part(part.text)}});
        if (own_ && !own_->contains("summary")) (*own_)["summary"] = Array{summary_part(part.text)};
        item_done(own_ ? std::move(*own_) : reasoning_item(Array{summary_part(part.text)}));
        for (Value& item : after_) add_whole(std::move(item.as_object()));
        return after_.clear();
      case StreamDelta::Kind::tool_call: return close_call(part);
      default:
        item_event("response.output_text.done",
                   Object{{"content_index", 0}, {"text", part.text}, {"logprobs", Array{}}});
        item_event("response.content_part.done",
                   Object{{"content_index", 0}, {"part", text_part(part.text)}});
        return item_done(message_item("completed", Array{text_part(part.text)}));
    }
  }

  void close_call(const Part& part) {
    if (is_free_form(part)) {
      const std::string input = free_text(part.text);
      item_event("response.custom_tool_call_input.delta", Object{{"delta", input}});
      item_event("response.custom_tool_call_input.done", Object{{"input", input}});
      return item_done(call_item(part, "completed", input));
    }
    const std::string_view arguments = part.text.empty() ? "{}" : std::string_view(part.text);
    item_event("response.function_call_arguments.done",
               Object{{"arguments", arguments}, {"name", part.name}});
    item_done(call_item(part, "completed", arguments));
  }

  // What came by this same wire is an item already, with an id by which its provider knows it.
  void opaque(const Part* reasoning, std::string_view provider, std::string_view json) override {
    auto part = json::parse_value(json);
    const bool is_own = provider == "openai" && part && part->is_object();
    if (!is_own) {
      encrypted_ = carry(provider, json);
      if (!reasoning) item_id_ = make_id("rs");
      if (!reasoning) add_whole(reasoning_item({}));
      return;
    }
    if (!reasoning)
      add_whole(std::move(part->as_object()));
    else if (part->as_object()["type"] == "reasoning")
      own_ = std::move(part->as_object());
    else
      after_.push_back(std::move(*part));
  }

  const Echo echo_;
  Parts parts_{*this};
  Array output_;                     // items that are done
  Array after_;                      // items that wait for the open one to be done
  std::string item_id_, encrypted_;  // of the item that is open
  std::optional<Object> own_;        // what it is, as its provider said it
  uint64_t n_events_ = 0;
  std::string* out_ = nullptr;  // null: the answer is no stream
};

}  // namespace

std::unique_ptr<AnswerShape> make_answer(Echo echo) {
  return std::make_unique<ResponsesAnswer>(std::move(echo));
}

}  // namespace hearth::wire::responses
