#include "providers/table.h"

#include <algorithm>

#include "router/providers.h"

namespace hearth::router {

namespace {

// Hosts and servers of open models: what their samplers know, and the template's own variables.
const Needs kSampler = {Need::top_k, Need::min_p, Need::repeat_penalty};
const Needs kServer = {Need::top_k, Need::min_p, Need::repeat_penalty, Need::ignore_eos,
                       Need::template_variables};

// Its effort is written into the head of the prompt, says its guide to prompt caching.
const Quirks kOpenAi = {.max_tokens = "max_completion_tokens",
                        .affinity_key = "prompt_cache_key",
                        .effort_keeps = EffortKeeps::nothing};
// "What invalidates the cache" in its documentation: the turns, not tools and instructions.
const Quirks kAnthropic = {.cache_life = std::chrono::minutes(5),
                           .effort_keeps = EffortKeeps::instructions};
const Quirks kMoonshot = {.lacks = {Need::tool_choice, Need::seed, Need::logit_bias},
                          .reasoning = ReasoningForm::thinking_object,
                          .keeps_reasoning = true,
                          .affinity_key = "prompt_cache_key",
                          .limits_account = true};
const Quirks kDeepSeek = {.lacks = {Need::json_schema, Need::seed, Need::logit_bias},
                          .reasoning = ReasoningForm::thinking_object,
                          .keeps_reasoning = true};
const Quirks kZai = {.lacks = {Need::tool_choice, Need::json_schema, Need::seed, Need::logit_bias},
                     .reasoning = ReasoningForm::thinking_object,
                     .keeps_reasoning = true};
const Quirks kQwen = {.honours = {Need::top_k},
                      .lacks = {Need::logit_bias},
                      .reasoning = ReasoningForm::enable_thinking,
                      .cache_life = std::chrono::minutes(5),
                      .marks_cache_of = "*"};
const Quirks kOpenRouter = {.honours = kSampler,
                            .reasoning = ReasoningForm::reasoning_object,
                            .affinity_key = "session_id",
                            .limits_account = true,
                            .marks_cache_of = "anthropic/"};
const Quirks kTogether = {.honours = kSampler, .reasoning = ReasoningForm::reasoning_object};
const Quirks kFireworks = {
    .honours = kSampler, .affinity_header = "x-session-affinity", .limits_account = true};
// Refuses members that it does not know, and counts unasked.
const Quirks kMistral = {.lacks = {Need::logit_bias},
                         .seed = "random_seed",
                         .call_required = "any",
                         .asks_usage = false};
const Quirks kGroq = {.lacks = {Need::logit_bias}, .max_tokens = "max_completion_tokens"};
// Its models all reason, and refuse what would steer their words.
const Quirks kXai = {
    .lacks = {Need::presence_penalty, Need::frequency_penalty, Need::logit_bias, Need::stop},
    .affinity_header = "x-grok-conv-id"};
const Quirks kVllm = {.honours = kServer, .reasoning = ReasoningForm::template_kwargs};
const Quirks kLlama = {.honours = kServer,
                       .repeat_penalty = "repeat_penalty",
                       .reasoning = ReasoningForm::template_kwargs};
const Quirks kOllama = {.lacks = {Need::tool_choice, Need::one_call, Need::logit_bias}};

const ProviderRow kRows[] = {
    {"openai", "https://api.openai.com/v1", "OPENAI_API_KEY", kOpenAi},
    {"openai-responses", "https://api.openai.com/v1", "OPENAI_API_KEY", kOpenAi, &kOpenAiResponses},
    {"anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", kAnthropic,
     &kAnthropicMessages},
    {"gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY", {}, &kGemini},
    {"deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", kDeepSeek},
    {"moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", kMoonshot},
    {"zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", kZai},
    {"dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY",
     kQwen},
    {"openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", kOpenRouter},
    {"together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", kTogether},
    {"fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", kFireworks},
    {"mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", kMistral},
    {"groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", kGroq},
    {"xai", "https://api.x.ai/v1", "XAI_API_KEY", kXai},
    {"vllm", "http://127.0.0.1:8000/v1", "", kVllm},
    {"sglang", "http://127.0.0.1:30000/v1", "", kVllm},
    {"llm-d", "http://127.0.0.1:8000/v1", "", kVllm},
    {"llama-server", "http://127.0.0.1:8080/v1", "", kLlama},
    {"ollama", "http://127.0.0.1:11434/v1", "", kOllama},
};

const ProviderRow kOther = {"", "", ""};

}  // namespace

std::span<const ProviderRow> provider_rows() { return kRows; }

const ProviderRow& row_of(std::string_view provider) {
  for (const ProviderRow& row : kRows)
    if (row.name == provider) return row;
  return kOther;
}

const Wire* wire_of_name(std::string_view name) {
  constexpr std::pair<std::string_view, const Wire*> kWires[] = {{"chat", &kOpenAiChat},
                                                                 {"responses", &kOpenAiResponses},
                                                                 {"messages", &kAnthropicMessages},
                                                                 {"gemini", &kGemini}};
  for (const auto& [known, wire] : kWires)
    if (known == name) return wire;
  return nullptr;
}

const Wire& wire_of(const Target& target) {
  const Wire* named = wire_of_name(target.wire);
  return named ? *named : *row_of(target.provider).wire;
}

Needs lacks_of(const Target& target) {
  const ProviderRow& row = row_of(target.provider);
  const Wire& wire = wire_of(target);
  Needs honoured = wire.honours;
  // Extras are of the chat wire; what is lacking is lacking on each.
  if (&wire == &kOpenAiChat)
    honoured.insert(honoured.end(), row.quirks.honours.begin(), row.quirks.honours.end());
  std::erase_if(honoured,
                [&](Need need) { return std::ranges::count(row.quirks.lacks, need) > 0; });
  return all_but(honoured);
}

bool tells_apart(const Target& target, Effort one, Effort other) {
  if (target.kind == TargetKind::engine) return true;  // its model says: TargetState::thinking
  auto said = [&](Effort effort) {
    CompletionRequest request;
    request.reasoning.effort = effort;
    return wire_of(target).body(target, row_of(target.provider).quirks, request, "", {});
  };
  const auto first = said(one), second = said(other);
  return !first || !second || *first != *second;
}

// "Feature compatibility" in the documentation of its extended thinking.
bool thinks_beside(const Target& target, const CompletionRequest& request) {
  if (&wire_of(target) != &kAnthropicMessages) return true;
  const ToolChoice::Mode mode = request.tool_choice.mode;
  return request.sampling.temperature.value_or(1) == 1 && request.sampling.top_k.value_or(0) == 0 &&
         mode != ToolChoice::Mode::required && mode != ToolChoice::Mode::named;
}

bool is_wire_name(std::string_view name) { return wire_of_name(name) != nullptr; }

std::string_view provider_address(std::string_view name) { return row_of(name).base_url; }

}  // namespace hearth::router
