#include "chat/chat_template.h"

#include <fmt/format.h>

#include "chat/chat_variables.h"

namespace hearth {

namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr std::string_view kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + "
    "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
constexpr std::string_view kPlain =
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

// Text that no template writes by itself.
constexpr std::string_view kNeedle = "h3arthn33dle";

Object row(std::string_view role, std::string_view content) {
  return Object{{"role", role}, {"content", content}};
}

}  // namespace

struct ChatTemplate::State {
  const Tokenizer& tokenizer;
  jinja::Template source;
  std::string bos, eos;
  chat::Abilities abilities;
  std::optional<ReasoningMarkers> reasoning;
  std::vector<std::string> notes;

  Object variables(Array messages, Array tools) const {
    Object all{{"messages", std::move(messages)},
               {"add_generation_prompt", true},
               {"bos_token", bos},
               {"eos_token", eos}};
    all["tools"] = tools.empty() ? Value(nullptr) : Value(std::move(tools));
    return all;
  }

  // A probe's text; nothing when the template refuses it.
  std::optional<std::string> probe(Array messages) const {
    auto rendered = source.render(variables(std::move(messages), {}), 0);
    if (!rendered) return std::nullopt;
    return std::move(rendered->text);
  }

  void learn(std::string_view text);
};

void ChatTemplate::State::learn(std::string_view text) {
  auto with_system = probe({row("system", kNeedle), row("user", "x")});
  abilities.has_system = with_system && with_system->find(kNeedle) != std::string::npos;
  if (!abilities.has_system) notes.push_back("the template has no system role: system text goes in front of the first user message");

  // Arguments as an object show their key; a template that prints them as given, or refuses objects,
  // wants text.
  auto called = [&](Value arguments) {
    Object function{{"name", "f"}, {"arguments", std::move(arguments)}};
    Object message = row("assistant", "");
    message["tool_calls"] = Array{Object{{"id", "call00001"}, {"type", "function"}, {"function", std::move(function)}}};
    return probe({row("user", "x"), std::move(message)});
  };
  Value object = Object{{std::string(kNeedle), 1}};
  std::string as_text = fmt::format("{{\"{}\": 1}}", kNeedle);
  auto from_object = called(object);
  auto from_text = called(Value(as_text));
  auto shows = [&](const std::optional<std::string>& rendered) {
    return rendered && rendered->find(kNeedle) != std::string::npos;
  };
  // Printed as a JSON string inside JSON ("\"{...") means that the template serialises by itself.
  bool text_is_quoted = from_text && from_text->find(fmt::format("\\\"{}\\\"", kNeedle)) != std::string::npos;
  abilities.wants_argument_objects = shows(from_object) && (!shows(from_text) || text_is_quoted ||
                                                            from_object->find(fmt::format("'{}'", kNeedle)) == std::string::npos);

  static constexpr std::pair<std::string_view, std::string_view> kMarkers[] = {
      {"<think>", "</think>"}, {"[THINK]", "[/THINK]"}, {"<seed:think>", "</seed:think>"}};
  for (const auto& [open, close] : kMarkers) {
    if (text.find(open) == text.npos && text.find(close) == text.npos) continue;
    reasoning = ReasoningMarkers{std::string(open), std::string(close), false};
    auto prompt = probe({row("user", "x")});
    if (prompt) {
      size_t last_open = prompt->rfind(open), last_close = prompt->rfind(close);
      reasoning->opened_by_prompt = last_open != prompt->npos && (last_close == prompt->npos || last_close < last_open);
    }
    break;
  }
}

ChatTemplate::ChatTemplate(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::load(const gguf::File& file, const Tokenizer& tokenizer) {
  std::string text(file.string_or("tokenizer.chat_template", ""));
  std::string note;
  if (text.empty()) {
    bool has_chatml = tokenizer.find("<|im_start|>") >= 0 && tokenizer.find("<|im_end|>") >= 0;
    text = has_chatml ? kChatMl : kPlain;
    note = has_chatml ? "the file has no chat template: ChatML is used, whose tokens the vocabulary has"
                      : "the file has no chat template: plain \"role: text\" lines are used";
  }
  auto source = jinja::Template::parse(text);
  if (!source)
    return Error{source.error().code, fmt::format("{}: tokenizer.chat_template: {}", file.path(), source.error().message)};
  auto token_text = [&](Token token) { return token < 0 ? std::string() : std::string(tokenizer.text(token)); };
  auto state = std::make_unique<State>(State{tokenizer, std::move(*source), token_text(tokenizer.bos()),
                                             token_text(tokenizer.eos()), {}, {}, {}});
  if (!note.empty()) state->notes.push_back(std::move(note));
  state->learn(text);
  return ChatTemplate(std::move(state));
}

namespace {

Result<jinja::Rendered> render_with(const jinja::Template& source, Object all, const RawJson& extra, int64_t now_unix_s) {
  if (!extra.text.empty()) {
    auto more = json::parse_value(extra.text);
    if (!more || !more->is_object()) return Error{Errc::invalid, "template variables: expected a JSON object"};
    // They steer the template; the structure stays ours.
    for (auto& [key, value] : more->as_object()) all.emplace(key, std::move(value));
  }
  auto rendered = source.render(all, now_unix_s);
  if (!rendered) return Error{rendered.error().code, fmt::format("the model's chat template: {}", rendered.error().message)};
  return rendered;
}

}  // namespace

Result<std::vector<Token>> ChatTemplate::render(std::span<const Message> messages, std::span<const ToolSpec> tools,
                                                const RawJson& variables, int64_t now_unix_s) const {
  auto rows = chat::messages_of(messages, state_->abilities);
  if (!rows) return rows.error();
  Object all = state_->variables(std::move(*rows), chat::tools_of(tools));
  auto rendered = render_with(state_->source, std::move(all), variables, now_unix_s);
  if (!rendered) return rendered.error();

  std::vector<TextPiece> pieces;
  std::string_view text = rendered->text;
  size_t at = 0;
  auto add = [&](size_t end, bool is_trusted) {
    if (end > at) pieces.push_back({text.substr(at, end - at), is_trusted});
    at = end;
  };
  for (const auto& range : rendered->from_variables) {
    add(range.begin, true);
    add(range.end, false);
  }
  add(text.size(), true);
  // A template that writes BOS itself gets no second one.
  bool writes_bos = !state_->bos.empty() && text.starts_with(state_->bos);
  std::vector<Token> tokens = state_->tokenizer.encode(pieces, false);
  if (state_->tokenizer.adds_bos() && state_->tokenizer.bos() >= 0 && !writes_bos)
    tokens.insert(tokens.begin(), state_->tokenizer.bos());
  return tokens;
}

Result<std::string> ChatTemplate::render_text(std::span<const Message> messages, std::span<const ToolSpec> tools,
                                              const RawJson& variables, int64_t now_unix_s) const {
  auto rows = chat::messages_of(messages, state_->abilities);
  if (!rows) return rows.error();
  Object all = state_->variables(std::move(*rows), chat::tools_of(tools));
  auto rendered = render_with(state_->source, std::move(all), variables, now_unix_s);
  if (!rendered) return rendered.error();
  return std::move(rendered->text);
}

const std::optional<ChatTemplate::ReasoningMarkers>& ChatTemplate::reasoning() const { return state_->reasoning; }
std::span<const std::string> ChatTemplate::notes() const { return state_->notes; }

}  // namespace hearth
