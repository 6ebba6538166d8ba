#include "engine/sequence.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/prompt.h"

namespace hearth::engine {

namespace {

constexpr size_t kMaxStopStrings = 64;
constexpr size_t kMaxStopBytes = 1024;  // of one: text is held back for that long
constexpr uint32_t kMaxLogprobs = 20;   // of other tokens at each place
constexpr size_t kTail = 32;            // tokens; more than markers with white space take

Result<> check_stop_strings(const std::vector<std::string>& stop) {
  if (stop.size() > kMaxStopStrings)
    return Error{Errc::invalid, fmt::format("stop: {} strings, expected at most {}", stop.size(),
                                            kMaxStopStrings)};
  for (const std::string& text : stop)
    if (text.size() > kMaxStopBytes)
      return Error{Errc::invalid, fmt::format("stop: a string of {} bytes, expected at most {}",
                                              text.size(), kMaxStopBytes)};
  return {};
}

// Whether a rendered prompt ends by opening the reasoning: template variables can switch that, so
// the prompt itself is asked. What a user wrote never stands at its end.
bool opens_reasoning(std::span<const Token> prompt, const Tokenizer& tokenizer,
                     std::string_view marker) {
  const std::string tail =
      tokenizer.decode(prompt.last(std::min(prompt.size(), kTail)), /*with_special=*/true);
  const size_t end = tail.find_last_not_of(" \t\r\n") + 1;  // npos + 1: nothing but space
  return std::string_view(tail).substr(0, end).ends_with(marker);
}

// Tokens of a prompt before the reasoning that it opens for its answer, or opens and closes: most
// templates leave that out when the answer has become history.
uint32_t before_reasoning(std::span<const Token> prompt, const Tokenizer& tokenizer,
                          const dialects::ReasoningMarkers& markers) {
  std::string behind;
  for (size_t i = prompt.size(); i-- > prompt.size() - std::min(prompt.size(), kTail);) {
    behind.insert(0, tokenizer.piece(prompt[i], true));
    std::string_view text = trimmed(behind);
    if (!text.starts_with(markers.open)) continue;
    text = trimmed(text.substr(markers.open.size()));
    return static_cast<uint32_t>(text.empty() || text == markers.close ? i : prompt.size());
  }
  return static_cast<uint32_t>(prompt.size());
}

// A bare prompt is continued as text, whatever comes.
TextStream::Options reading_of(const CompletionRequest& body, const LoadedModel& model,
                               std::span<const Token> prompt) {
  TextStream::Options reading{.stop_strings = body.stop};
  if (body.prompt || body.infill) return reading;
  reading.dialect = &model.dialect;
  reading.has_one_call = body.tool_choice.parallel == false;
  reading.markers = model.chat_template.reasoning();
  if (reading.markers)
    reading.markers->opened_by_prompt =
        opens_reasoning(prompt, *model.tokenizer, reading.markers->open);
  if (body.tool_choice.mode != ToolChoice::Mode::none) reading.tools = dialects::Tools(body.tools);
  return reading;
}

// Tokens before those of the prompt's own text: a BOS that the text does not begin with.
uint32_t n_added(const CompletionRequest& body, const Tokenizer& tokenizer,
                 std::span<const Token> tokens) {
  if (!body.prompt_tokens.empty() || tokens.front() != tokenizer.bos()) return 0;
  return body.prompt->starts_with(tokenizer.piece(tokenizer.bos(), true)) ? 0 : 1;
}

Result<SamplerSettings> sampler_settings(const CompletionRequest& body, const LoadedModel& model) {
  auto settings = resolve(body.sampling, model.sampling_defaults, model.n_vocab);
  if (settings && body.ignore_eos)
    for (Token token : model.end_tokens)
      settings->logit_bias.push_back({token, -std::numeric_limits<float>::infinity()});
  return settings;
}

}  // namespace

Timings Sequence::timings(TimePoint now) const {
  Timings out;
  bool has_started = started != TimePoint{}, has_answered = first_token != TimePoint{};
  out.queue_ms = milliseconds_between(arrived, has_started ? started : now);
  if (has_started) out.prefill_ms = milliseconds_between(started, has_answered ? first_token : now);
  if (has_answered) out.decode_ms = milliseconds_between(first_token, now);
  return out;
}

std::unique_ptr<Sequence> make_sequence(const Generate& request, const LoadedModel& model,
                                        TimePoint now, int64_t unix_time_s, Refusal& refusal) {
  const CompletionRequest& body = request.body;
  auto refuse = [&](Error error) {
    refusal.error = std::move(error);
    return nullptr;
  };
  if (auto checked = check_stop_strings(body.stop); !checked) return refuse(checked.error());
  if (body.n_logprobs.value_or(0) > kMaxLogprobs)
    return refuse({Errc::invalid, fmt::format("top_logprobs is {}, expected at most {}",
                                              *body.n_logprobs, kMaxLogprobs)});
  auto settings = sampler_settings(body, model);
  if (!settings) return refuse(settings.error());
  auto prompt = prompt_of(body, model, unix_time_s);
  if (!prompt) return refuse(prompt.error());
  std::vector<Token>& tokens = prompt->tokens;
  if (tokens.empty()) return refuse({Errc::invalid, "the prompt is empty"});

  const uint32_t n_context = model.facts.n_context;
  if (tokens.size() + (body.only_reads ? 0 : 1) > n_context) {
    refusal.n_prompt = static_cast<uint32_t>(tokens.size());
    refusal.n_context = n_context;
    return refuse(
        {Errc::context_exceeded,
         fmt::format("the prompt has {} tokens, which leaves no room for an answer in the "
                     "context of {} tokens of {}",
                     tokens.size(), n_context, model.name)});
  }

  const uint32_t n_prompt = static_cast<uint32_t>(tokens.size());
  const uint32_t n_room = body.only_reads ? 0 : n_context - n_prompt;
  TextStream::Options reading = reading_of(body, model, tokens);
  const bool cuts_prompt = reading.markers && model.cache.shape().has_states();
  const uint32_t n_lasting =
      cuts_prompt ? before_reasoning(tokens, *model.tokenizer, *reading.markers) : n_prompt;
  auto form =
      model.grammars->form_of(body, reading.dialect, reading.markers ? &*reading.markers : nullptr);
  if (!form) return refuse(form.error());
  std::unique_ptr<Sequence> sequence(
      new Sequence{.request = request.request,
                   .tokens = std::move(tokens),
                   .n_prompt = n_prompt,
                   .n_lasting = n_lasting,
                   .begins_turn = body.messages.empty() || body.messages.back().role != Role::tool,
                   .n_max_answer = body.max_tokens ? std::min(body.max_tokens, n_room) : n_room,
                   .sampler = Sampler(std::move(*settings)),
                   .stream = TextStream(*model.tokenizer, std::move(reading)),
                   .arrived = now});
  sequence->usage.n_prompt = n_prompt;
  if (form->constraint) sequence->matcher.emplace(std::move(form->constraint));
  sequence->left_out = fmt::format("{}", fmt::join(form->left_out, "; "));
  sequence->n_logprobs = body.n_logprobs;
  if (body.prompt && body.echoes_prompt) {
    const uint32_t begin = n_added(body, *model.tokenizer, sequence->tokens);
    sequence->echo = {.begin = begin, .n_told = begin, .is_scored = body.n_logprobs.has_value()};
  }
  sequence->lane = body.lane;
  sequence->explains_cache = body.explains_cache;
  sequence->points = points_of(body);
  for (size_t i = 0; i < sequence->points.hashes.size(); ++i)
    sequence->shapes.push_back(shape_between(body, i));
  if (!body.prompt) sequence->answer = text_message(Role::assistant, "");
  if (!body.infill && body.prompt_tokens.empty()) {
    Exchange& exchange = sequence->exchange.emplace();
    exchange.prompt = std::move(prompt->text);
    exchange.n_messages = body.messages.size();
    exchange.n_prompt = n_prompt;
  }
  for (Token token : sequence->tokens) sequence->sampler.accept(token);
  return sequence;
}

}  // namespace hearth::engine
