#include "wire/prompt_notes.h"

#include "wire/openai.h"

namespace hearth::wire {

void add_prompt_notes(const Completion& completion, json::Object& usage) {
  if (const auto& divergence = completion.divergence) {
    json::Object& out = usage["cache_divergence"].emplace_object();
    out["position"] = divergence->position;
    if (!divergence->cached.empty()) out["cached"] = openai::json_text(divergence->cached);
    out["prompt"] = openai::json_text(divergence->prompt);
  }
  if (completion.moved_lines.empty()) return;
  json::Array& lines = usage["moved_lines"].emplace_array();
  for (const std::string& line : completion.moved_lines)
    lines.emplace_back(openai::json_text(line));
}

json::Object prompt_details(const Completion& completion) {
  const Usage& usage = completion.usage;
  json::Object details{{"cached_tokens", usage.n_cached}};
  if (const uint32_t n_written = usage.n_cache_write + usage.n_cache_write_1h)
    details["cache_write_tokens"] = n_written;
  add_prompt_notes(completion, details);
  return details;
}

}  // namespace hearth::wire
