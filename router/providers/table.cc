#include "providers/table.h"

#include "router/providers.h"

namespace hearth::router {

namespace {

constexpr ProviderRow kRows[] = {
    {"openai", "https://api.openai.com/v1", "OPENAI_API_KEY"},
    {"deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"},
    {"moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"},
    {"openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"},
    {"together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"},
    {"fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"},
    {"mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"},
    {"groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"},
    {"xai", "https://api.x.ai/v1", "XAI_API_KEY"},
    {"vllm", "http://127.0.0.1:8000/v1", ""},
    {"llama-server", "http://127.0.0.1:8080/v1", ""},
    {"ollama", "http://127.0.0.1:11434/v1", ""},
};

}  // namespace

std::span<const ProviderRow> provider_rows() { return kRows; }

const ProviderRow* find_provider(std::string_view name) {
  for (const ProviderRow& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}

std::string_view provider_address(std::string_view name) {
  const ProviderRow* row = find_provider(name);
  return row ? row->base_url : "";
}

}  // namespace hearth::router
