// The chat and completions wires as dialects: what their streams are made of.
#include "wire/dialect.h"
#include "wire/openai.h"
#include "wire/reading.h"

namespace hearth::wire::openai {

namespace {

class ChatAnswer final : public AnswerShape {
 public:
  explicit ChatAnswer(bool include_usage) : include_usage_(include_usage) {}

  std::string whole(const Head& head, const Completion& completion) override {
    return chat_response(head, completion);
  }
  void begin(const Head& head, std::string& out) override {
    add_event(out, "", chat_first_chunk(head));
  }
  void hear(const Head& head, const StreamDelta& delta, std::string& out) override {
    const std::string chunk = chat_chunk(head, delta);
    if (!chunk.empty()) add_event(out, "", chunk);
  }
  void end(const Head& head, const Completion& completion, std::string& out) override {
    add_event(out, "", chat_last_chunk(head, completion.finish_reason));
    if (include_usage_) add_event(out, "", usage_chunk(head, true, completion));
    add_event(out, "", "[DONE]");
  }
  // The missing [DONE] says that the answer is not whole.
  void fail(const Head&, const Failure& failure, std::string& out) override {
    add_event(out, "", error_reply(failure).body);
  }

 private:
  const bool include_usage_;
};

class TextAnswer final : public AnswerShape {
 public:
  explicit TextAnswer(const Request& request)
      : include_usage_(request.include_usage),
        choices_(request.is_stream ? 0 : 1 + request.others.size()),
        offsets_(1 + request.others.size()) {}

  void turn_to(size_t choice) override { choice_ = choice; }
  std::string whole(const Head& head, const Completion& total) override {
    return text_response(head, choices_, total);
  }
  void begin(const Head&, std::string&) override {}
  void hear(const Head& head, const StreamDelta& delta, std::string& out) override {
    const bool says_something = !delta.text.empty() || !delta.logprobs.empty();
    if (delta.kind == StreamDelta::Kind::text && says_something)
      add_event(out, "", text_chunk(head, choice_, delta.text, delta.logprobs, offsets_[choice_]));
  }
  void end_choice(const Head& head, const Completion& completion, std::string& out) override {
    if (!choices_.empty()) choices_[choice_] = completion;
    add_event(out, "", text_last_chunk(head, choice_, completion.finish_reason));
  }
  void end(const Head& head, const Completion& completion, std::string& out) override {
    if (include_usage_) add_event(out, "", usage_chunk(head, false, completion));
    add_event(out, "", "[DONE]");
  }
  void fail(const Head&, const Failure& failure, std::string& out) override {
    add_event(out, "", error_reply(failure).body);
  }

 private:
  const bool include_usage_;
  size_t choice_ = 0;                // that is told of
  std::vector<Completion> choices_;  // none in a stream
  std::vector<size_t> offsets_;      // characters told of each
};

Asked asked_of(Request&& request, std::unique_ptr<AnswerShape> shape) {
  Asked asked;
  asked.model = std::move(request.model);
  asked.body = std::move(request.body);
  asked.others = std::move(request.others);
  asked.is_stream = request.is_stream;
  asked.session = std::move(request.session);
  asked.shape = std::move(shape);
  return asked;
}

}  // namespace

Result<Asked, Failure> ask_chat(std::string_view body) {
  auto request = parse_chat(body);
  if (!request) return request.error();
  name_tools(request->body.messages);
  auto shape = std::make_unique<ChatAnswer>(request->include_usage);
  return asked_of(std::move(*request), std::move(shape));
}

Result<Asked, Failure> ask_completions(std::string_view body) {
  auto request = parse_completions(body);
  if (!request) return request.error();
  auto shape = std::make_unique<TextAnswer>(*request);
  return asked_of(std::move(*request), std::move(shape));
}

ErrorReply reply_error(const Failure& failure, std::string_view) { return error_reply(failure); }

}  // namespace hearth::wire::openai
