#include "providers/table.h"

#include <algorithm>

#include "router/providers.h"

namespace hearth::router {

namespace {

const Quirks kOpenAi = {.max_tokens = "max_completion_tokens"};
const Quirks kThinks = {.reasoning = ReasoningForm::thinking_object, .keeps_reasoning = true};
const Quirks kDeepSeek = {.lacks = {Need::json_schema, Need::seed, Need::logit_bias},
                          .reasoning = ReasoningForm::thinking_object,
                          .keeps_reasoning = true};
const Quirks kZai = {.lacks = {Need::tool_choice, Need::json_schema, Need::seed, Need::logit_bias},
                     .reasoning = ReasoningForm::thinking_object,
                     .keeps_reasoning = true};
const Quirks kMistral = {.lacks = {Need::seed, Need::logit_bias}};
const Quirks kGroq = {.lacks = {Need::logit_bias}};
const Quirks kOllama = {.lacks = {Need::tool_choice, Need::one_call, Need::logit_bias}};
const Quirks kQwen = {.honours = {Need::top_k}, .reasoning = ReasoningForm::enable_thinking};

// Hosts and servers of open models: what their samplers know, and the template's own variables.
const Needs kSampler = {Need::top_k, Need::min_p, Need::repeat_penalty};
const Needs kServer = {Need::top_k, Need::min_p, Need::repeat_penalty, Need::ignore_eos,
                       Need::template_variables};
const Quirks kHost = {.honours = kSampler};
const Quirks kOpenRouter = {.honours = kSampler, .reasoning = ReasoningForm::reasoning_object};
const Quirks kVllm = {.honours = kServer, .reasoning = ReasoningForm::template_kwargs};
const Quirks kLlama = {.honours = kServer,
                       .repeat_penalty = "repeat_penalty",
                       .reasoning = ReasoningForm::template_kwargs};

const ProviderRow kRows[] = {
    {"openai", "https://api.openai.com/v1", "OPENAI_API_KEY", kOpenAi},
    {"anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", {}, &kAnthropicMessages},
    {"deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", kDeepSeek},
    {"moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", kThinks},
    {"zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", kZai},
    {"dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY",
     kQwen},
    {"openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", kOpenRouter},
    {"together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", kHost},
    {"fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", kHost},
    {"mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", kMistral},
    {"groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", kGroq},
    {"xai", "https://api.x.ai/v1", "XAI_API_KEY"},
    {"vllm", "http://127.0.0.1:8000/v1", "", kVllm},
    {"sglang", "http://127.0.0.1:30000/v1", "", kVllm},
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

Needs lacks_of(const ProviderRow& row) {
  Needs honoured = row.wire->honours;
  honoured.insert(honoured.end(), row.quirks.honours.begin(), row.quirks.honours.end());
  std::erase_if(honoured,
                [&](Need need) { return std::ranges::count(row.quirks.lacks, need) > 0; });
  return all_but(honoured);
}

std::string_view provider_address(std::string_view name) { return row_of(name).base_url; }

}  // namespace hearth::router
