#include "providers/openai_parts.h"

namespace hearth::router::openai {

namespace {

Effort effort_for(uint32_t budget_tokens) {
  if (budget_tokens == 0) return Effort::none;
  if (budget_tokens <= 4096) return Effort::low;
  return budget_tokens <= 16384 ? Effort::medium : Effort::high;
}

}  // namespace

std::vector<std::string> bearer_headers(const Target&, std::string_view key, const OwnWords&) {
  if (key.empty()) return {};
  return {"authorization: Bearer " + std::string(key)};
}

json::Value parameters_of(const ToolSpec& tool) {
  if (auto schema = json::parse_value(tool.parameters.text)) return std::move(*schema);
  return json::Object{{"type", "object"}, {"properties", json::Object{}}};
}

std::optional<Effort> effort_of(const ReasoningControls& asked) {
  if (asked.is_off()) return Effort::none;
  if (asked.effort) return asked.effort;
  if (asked.budget_tokens) return effort_for(*asked.budget_tokens);
  return std::nullopt;
}

}  // namespace hearth::router::openai
