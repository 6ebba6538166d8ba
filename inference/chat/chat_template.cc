#include "chat/chat_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "chat/chat_variables.h"
#include "chat/tool_lesson.h"

namespace hearth {

namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr std::string_view kChatMl =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
constexpr std::string_view kPlain =
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

constexpr std::pair<std::string_view, std::string_view> kReasoningMarkers[] = {
    {"<think>", "</think>"},
    {"[THINK]", "[/THINK]"},
    {"<seed:think>", "</seed:think>"},
    {"<|START_THINKING|>", "<|END_THINKING|>"},
    {"<|inner_prefix|>", "<|inner_suffix|>"},
};

// What steers a template beside the conversation. The conversation and the tokens of the vocabulary
// stay ours: the latter count as text of the template. Whether an answer is opened may be said
// anew.
Result<> add_extra(Object& variables, const RawJson& extra) {
  if (extra.text.empty()) return {};
  auto given = json::parse_value(extra.text);
  if (!given) return Error{Errc::invalid, "template variables: " + given.error().message};
  if (!given->is_object()) return Error{Errc::invalid, "template variables: expected an object"};
  for (auto& [name, value] : given->get_object())
    if (name == "add_generation_prompt" && value.is_bool())
      variables[name] = value;
    else if (!std::string_view(name).ends_with("_token"))
      variables.emplace(name, std::move(value));
  return {};
}

// What the template wrote is trusted, what came out of a message is not.
std::vector<TextPiece> pieces_of(const jinja::Rendered& prompt, size_t begin, size_t end) {
  std::vector<TextPiece> pieces;
  const std::string_view text = prompt.text;
  size_t at = begin;
  const auto add_up_to = [&](size_t to, bool parse_special) {
    to = std::min(to, end);
    if (to <= at) return;
    pieces.push_back({text.substr(at, to - at), parse_special});
    at = to;
  };
  for (const auto& range : prompt.from_variables) {
    add_up_to(range.begin, true);
    add_up_to(range.end, false);
  }
  add_up_to(end, true);
  return pieces;
}

}  // namespace

struct ChatTemplate::State {
  const Tokenizer& tokenizer;
  jinja::Template parsed;
  Object fixed;  // bos_token, eos_token
  chat::Abilities abilities;
  std::optional<ReasoningMarkers> reasoning;
  std::vector<std::string> notes;
  Token closing = -1;  // stands behind an answer; -1: text does

  Result<jinja::Rendered> render(std::span<const Message> messages, std::span<const ToolSpec> tools,
                                 const RawJson& extra, int64_t now_unix_s) const {
    std::vector<Message> taught;  // what the template can't show is said in words
    if (!abilities.shows_tools && !tools.empty()) {
      taught.push_back(text_message(Role::system, chat::tool_lesson(tools)));
      taught.insert(taught.end(), messages.begin(), messages.end());
      messages = taught;
    }
    auto rows = chat::messages_of(messages, abilities);
    if (!rows) return rows.error();
    Object variables = fixed;
    variables["messages"] = std::move(*rows);
    if (!abilities.shows_tools) tools = {};  // some templates fail at their sight
    bool without_tools = tools.empty() && !abilities.wants_tool_list;
    variables["tools"] = without_tools ? Value(nullptr) : Value(chat::tools_of(tools));
    variables["add_generation_prompt"] = true;
    if (auto added = add_extra(variables, extra); !added) return added.error();
    variables.emplace("documents", nullptr);
    auto rendered = parsed.render(variables, now_unix_s);
    if (!rendered && !tools.empty()) {
      Value as_text = chat::tools_of(tools, chat::Defaults::as_text);
      if (as_text != variables["tools"]) {
        variables["tools"] = std::move(as_text);
        if (auto again = parsed.render(variables, now_unix_s)) return again;
      }
    }
    if (!rendered)
      return Error{rendered.error().code,
                   fmt::format("the model's chat template: {}", rendered.error().message)};
    return rendered;
  }

  void find_closing() {
    const Message conversation[] = {text_message(Role::user, "x"),
                                    text_message(Role::assistant, "y")};
    auto prompt = render(conversation, {}, {}, 0);
    if (!prompt || prompt->from_variables.empty()) return;
    const auto after = pieces_of(*prompt, prompt->from_variables.back().end, prompt->text.size());
    const std::vector<Token> tokens = tokenizer.encode(after, false);
    if (!tokens.empty() && tokenizer.is_control(tokens.front())) closing = tokens.front();
  }

  // The first pair that the template writes, and whether a fresh prompt leaves it open.
  void find_reasoning(std::string_view source) {
    for (const auto& [open, close] : kReasoningMarkers) {
      if (source.find(open) == source.npos && source.find(close) == source.npos) continue;
      reasoning = ReasoningMarkers{std::string(open), std::string(close), false};
      Message question = text_message(Role::user, "x");
      auto prompt = render({&question, 1}, {}, {}, 0);
      if (!prompt) return;
      size_t opened = prompt->text.rfind(open), closed = prompt->text.rfind(close);
      reasoning->opened_by_prompt =
          opened != std::string::npos && (closed == std::string::npos || closed < opened);
      return;
    }
  }
};

ChatTemplate::ChatTemplate(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::load(const gguf::File& file, const Tokenizer& tokenizer) {
  std::string_view source = file.string_or("tokenizer.chat_template", "");
  std::vector<std::string> notes;
  if (source.empty()) {
    bool has_chatml = tokenizer.find("<|im_start|>") >= 0 && tokenizer.find("<|im_end|>") >= 0;
    source = has_chatml ? kChatMl : kPlain;
    notes.push_back(has_chatml
                        ? "the file has no chat template: ChatML is used, whose tokens it has"
                        : "the file has no chat template: plain \"role: text\" lines are used");
  }
  auto parsed = jinja::Template::parse(source);
  if (!parsed)
    return Error{parsed.error().code, fmt::format("{}: tokenizer.chat_template: {}", file.path(),
                                                  parsed.error().message)};
  auto text_of_token = [&](Token token) {
    return token < 0 ? std::string_view() : tokenizer.text(token);
  };
  Object fixed{{"bos_token", text_of_token(tokenizer.bos())},
               {"eos_token", text_of_token(tokenizer.eos())}};
  chat::Abilities abilities = chat::probe(*parsed, source, fixed);
  for (std::string& note : chat::notes_on(abilities)) notes.push_back(std::move(note));
  auto state = std::make_unique<State>(State{.tokenizer = tokenizer,
                                             .parsed = std::move(*parsed),
                                             .fixed = std::move(fixed),
                                             .abilities = abilities,
                                             .reasoning = std::nullopt,
                                             .notes = std::move(notes),
                                             .closing = -1});
  state->find_reasoning(source);
  state->find_closing();
  return ChatTemplate(std::move(state));
}

Result<std::vector<Token>> ChatTemplate::render(std::span<const Message> messages,
                                                std::span<const ToolSpec> tools,
                                                const RawJson& variables,
                                                int64_t now_unix_s) const {
  auto rendered = state_->render(messages, tools, variables, now_unix_s);
  if (!rendered) return rendered.error();
  return encode(*rendered, 0, rendered->text.size());
}

Result<jinja::Rendered> ChatTemplate::render_text(std::span<const Message> messages,
                                                  std::span<const ToolSpec> tools,
                                                  const RawJson& variables,
                                                  int64_t now_unix_s) const {
  return state_->render(messages, tools, variables, now_unix_s);
}

std::vector<Token> ChatTemplate::encode(const jinja::Rendered& prompt, size_t begin,
                                        size_t end) const {
  const Tokenizer& tokenizer = state_->tokenizer;
  std::vector<Token> tokens = tokenizer.encode(pieces_of(prompt, begin, end), false);
  const bool has_bos = !tokens.empty() && tokens.front() == tokenizer.bos();
  if (begin == 0 && tokenizer.adds_bos() && tokenizer.bos() >= 0 && !has_bos)
    tokens.insert(tokens.begin(), tokenizer.bos());
  return tokens;
}

bool ChatTemplate::closes_answer(Token token) const {
  return token == state_->closing || state_->tokenizer.is_end(token);
}

bool ChatTemplate::has_parallel_calls() const { return state_->abilities.has_parallel_calls; }

const std::optional<ChatTemplate::ReasoningMarkers>& ChatTemplate::reasoning() const {
  return state_->reasoning;
}
bool ChatTemplate::switches_thinking() const { return state_->abilities.switches_thinking; }
bool ChatTemplate::knows_effort() const { return state_->abilities.knows_effort; }
std::span<const std::string> ChatTemplate::notes() const { return state_->notes; }

}  // namespace hearth
