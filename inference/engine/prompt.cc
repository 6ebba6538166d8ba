// How sampled tokens get into a prompt.
//
// Problem: the template writes an answer anew, with calls in its own spacing, with or without the
// reasoning, and its text need not be tokenized as it was sampled (recent_answers.h).
//
// Idea: a prompt up to an answer, rendered with the opening of that answer, is a beginning of the
// whole prompt unless the template changes what lies before. Behind it stands what the template
// makes of the answer, then the token that closes it. If that shows all that was answered, the
// sampled tokens stand for it; where the template leaves out the reasoning, say, they would tell
// the model more than the template does, and its text is tokenized.
#include "engine/prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace hearth::engine {

namespace {

constexpr uint32_t kAnswerRoom = 256;  // tokens left for filling a gap when no limit is given

struct Splice {
  size_t at;  // the byte of the prompt's text at which the answer begins
  std::span<const Token> tokens;
  const Message* answer;
};

bool has_several_calls(const Message& message) {
  return std::ranges::count_if(message.blocks, [](const Block& block) {
           return std::holds_alternative<ToolCall>(block.content);
         }) > 1;
}

// Whether a text shows all of a message, whatever stands between.
bool shows(std::string_view text, const Message& message) {
  const auto pass = [&](std::string_view part) {
    part = trimmed(part);
    const size_t at = text.find(part);
    if (at == text.npos) return false;
    text.remove_prefix(at + part.size());
    return true;
  };
  return std::ranges::all_of(message.blocks, [&](const Block& block) {
    if (const auto* part = std::get_if<Text>(&block.content)) return pass(part->text);
    if (const auto* part = std::get_if<Reasoning>(&block.content)) return pass(part->text);
    if (const auto* call = std::get_if<ToolCall>(&block.content)) return pass(call->name);
    return false;
  });
}

// The ids that a message kept, if they are of this vocabulary and nothing but its answer.
std::vector<Token> kept_tokens(const Message& message, const LoadedModel& model) {
  const Tokenizer& tokenizer = *model.tokenizer;
  std::vector<Token> tokens;
  if (message.role != Role::assistant || message.model != model.name) return tokens;
  for (const Block& block : message.blocks)
    tokens.insert(tokens.end(), block.tokens.begin(), block.tokens.end());
  const bool is_answer = std::ranges::none_of(tokens, [&](Token token) {
    return token < 0 || static_cast<size_t>(token) >= tokenizer.n_vocab() ||
           tokenizer.is_end(token);
  });
  if (!is_answer || !shows(tokenizer.decode(tokens, true), message)) tokens.clear();
  return tokens;
}

class Conversation {
 public:
  Conversation(const CompletionRequest& body, const LoadedModel& model, int64_t unix_time_s)
      : body_(body), model_(model), unix_time_s_(unix_time_s) {}

  Result<Prompt> prompt() {
    auto text = rendered(body_.messages.size());
    if (!text) return text.error();
    text_ = std::move(*text);
    find_splices();
    std::vector<Token> tokens = spliced();
    return Prompt{std::move(text_), std::move(tokens)};
  }

 private:
  Result<jinja::Rendered> rendered(size_t n_messages) const {
    const bool offers_tools = body_.tool_choice.mode != ToolChoice::Mode::none;
    return model_.chat_template.render_text(std::span(body_.messages).first(n_messages),
                                            offers_tools ? body_.tools : std::vector<ToolSpec>{},
                                            body_.template_variables, unix_time_s_);
  }

  void find_splices() {
    known_ = model_.answers.find(text_, body_.messages);
    if (known_)
      splices_.push_back({known_->prompt.text.size(), known_->answer_tokens(), &*known_->answer});
    const size_t n = body_.messages.size();
    kept_.reserve(n);  // the splices borrow
    for (size_t i = known_ ? known_->n_messages + 1 : 0; i < n; ++i) {
      std::vector<Token> tokens = kept_tokens(body_.messages[i], model_);
      if (tokens.empty()) continue;
      const auto before = rendered(i);
      if (!before || !begins_with(text_, *before)) continue;
      kept_.push_back(std::move(tokens));
      splices_.push_back({before->text.size(), kept_.back(), &body_.messages[i]});
    }
  }

  std::vector<Token> spliced() const {
    std::vector<std::vector<Token>> parts;  // the last one first
    size_t end = text_.text.size();
    for (const Splice& splice : std::views::reverse(splices_)) {
      std::vector<Token> part = with_answer(splice, end);
      if (part.empty()) continue;
      parts.push_back(std::move(part));
      end = splice.at;
    }
    std::vector<Token> tokens;
    size_t begin = 0;
    if (known_) {  // also where its answer is the template's: what lies before has its tokens
      const auto known = known_->prompt_tokens();
      tokens.assign(known.begin(), known.end());
      begin = known_->prompt.text.size();
    }
    const std::vector<Token> rest = model_.chat_template.encode(text_, begin, end);
    tokens.insert(tokens.end(), rest.begin(), rest.end());
    for (const std::vector<Token>& part : std::views::reverse(parts))
      tokens.insert(tokens.end(), part.begin(), part.end());
    return tokens;
  }

  // The answer's tokens and what follows it up to `end`; nothing when they don't stand for what the
  // template writes.
  std::vector<Token> with_answer(const Splice& splice, size_t end) const {
    if (has_several_calls(*splice.answer) && !model_.chat_template.has_parallel_calls()) return {};
    const std::vector<Token> written = model_.chat_template.encode(text_, splice.at, end);
    const auto closes = [&](Token token) { return model_.chat_template.closes_answer(token); };
    // An answer may be several turns of the template's, as with a channel for the reasoning.
    auto n_inner = std::ranges::count_if(splice.tokens, closes);
    const auto close =
        std::ranges::find_if(written, [&](Token token) { return closes(token) && n_inner-- == 0; });
    std::vector<Token> out;
    const std::span<const Token> answer(written.begin(), close);
    if (close == written.end() || !shows(model_.tokenizer->decode(answer, true), *splice.answer))
      return out;
    out.assign(splice.tokens.begin(), splice.tokens.end());
    out.insert(out.end(), close, written.end());
    return out;
  }

  const CompletionRequest& body_;
  const LoadedModel& model_;
  const int64_t unix_time_s_;
  jinja::Rendered text_;
  RecentAnswers::Found known_;
  std::vector<std::vector<Token>> kept_;
  std::vector<Splice> splices_;  // in order
};

// A bare prompt is the caller's own template: control tokens written in it are meant as such. No
// end-of-sequence is put behind it, whatever the file says: the text is to be continued.
std::vector<Token> tokens_of_prompt(std::string_view prompt, const LoadedModel& model) {
  const Tokenizer& tokenizer = *model.tokenizer;
  for (const RecentAnswers::Found& known : model.answers.find(prompt)) {
    const std::string answer = tokenizer.decode(known->answer_tokens());
    const std::string_view behind = prompt.substr(known->prompt.text.size());
    if (!behind.starts_with(answer)) continue;
    std::vector<Token> tokens = known->tokens;
    const TextPiece rest{behind.substr(answer.size()), true};
    for (Token token : tokenizer.encode({&rest, 1}, false, true)) tokens.push_back(token);
    return tokens;
  }
  std::vector<Token> tokens = tokenizer.encode(prompt, true, false);
  const bool has_bos = !tokens.empty() && tokens.front() == tokenizer.bos();
  if (tokenizer.adds_bos() && tokenizer.bos() >= 0 && !has_bos)
    tokens.insert(tokens.begin(), tokenizer.bos());
  return tokens;
}

Result<Prompt> prompt_of_ids(const std::vector<Token>& ids, const LoadedModel& model) {
  for (const Token id : ids)
    if (id < 0 || static_cast<uint32_t>(id) >= model.n_vocab)
      return Error{Errc::invalid, fmt::format("prompt: token {} is none of {}, expected 0 to {}",
                                              id, model.name, model.n_vocab - 1)};
  return Prompt{{}, ids};
}

}  // namespace

Result<Prompt> prompt_of(const CompletionRequest& body, const LoadedModel& model,
                         int64_t unix_time_s) {
  if (body.infill) {
    if (!model.fim)
      return Error{Errc::unsupported,
                   fmt::format("{} was not trained to fill in the middle: its vocabulary has no "
                               "tokens for it; take a coder model (Qwen2.5-Coder, StarCoder2, "
                               "Codestral ...)",
                               model.name)};
    const uint32_t n_context = model.facts.n_context;
    const uint32_t n_answer =
        std::min(body.max_tokens ? body.max_tokens : kAnswerRoom, n_context / 2);
    return Prompt{{}, fim_prompt(*body.infill, *model.fim, *model.tokenizer, n_context - n_answer)};
  }
  if (!body.prompt_tokens.empty()) return prompt_of_ids(body.prompt_tokens, model);
  if (body.prompt) return Prompt{{*body.prompt, {}}, tokens_of_prompt(*body.prompt, model)};
  return Conversation(body, model, unix_time_s).prompt();
}

}  // namespace hearth::engine
