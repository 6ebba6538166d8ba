// What probing finds out about real templates.
#include "chat/abilities.h"

#include <gtest/gtest.h>

#include "data.h"

namespace hearth::chat {
namespace {

using hearth::testing::read_template;

std::string abilities_of(const std::string& name) {
  std::string source = read_template(name);
  auto parsed = jinja::Template::parse(source);
  if (!parsed) return parsed.error().message;
  Abilities found =
      probe(*parsed, source, json::Object{{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  std::string out;
  auto list = [&](bool holds, std::string_view what) {
    if (holds) out.append(out.empty() ? "" : " ").append(what);
  };
  list(found.has_system, "system");
  list(found.has_late_system, "late-system");
  list(found.has_developer, "developer");
  list(found.has_user_runs, "user-runs");
  list(found.shows_tools, "tools");
  list(found.has_tool_turns, "tool-turns");
  list(found.has_parallel_calls, "parallel-calls");
  list(found.wants_one_text, "one-text");
  list(found.wants_tool_list, "tool-list");
  list(found.wants_parts, "parts");
  list(found.wants_null_content, "null-content");
  list(found.wants_short_ids, "short-ids");
  list(found.wants_argument_text, "argument-text");
  list(found.switches_thinking, "thinking");
  list(found.knows_effort, "effort");
  return out;
}

TEST(Abilities, OfFamiliesAreLearnedByProbing) {
  const std::pair<std::string, std::string> kFamilies[] = {
      {"Qwen-Qwen2.5-7B-Instruct", "system late-system user-runs tools tool-turns parallel-calls"},
      {"Qwen-Qwen3-0.6B",
       "system late-system user-runs tools tool-turns parallel-calls argument-text thinking"},
      {"Qwen3-Coder", "system late-system user-runs tools tool-turns parallel-calls"},
      {"Qwen3.5-4B", "system user-runs tools tool-turns parallel-calls thinking"},
      {"GLM-4.6", "system late-system user-runs tools tool-turns parallel-calls thinking"},
      {"MiniMax-M2", "system user-runs tools tool-turns parallel-calls"},
      {"meta-llama-Llama-3.1-8B-Instruct", "system late-system user-runs tools tool-turns"},
      {"mistralai-Mistral-Nemo-Instruct-2407", "system tools tool-turns parallel-calls short-ids"},
      {"Mistral-Small-3.2-24B-Instruct-2506", "system tools tool-turns parallel-calls short-ids"},
      {"openai-gpt-oss-120b", "system user-runs tools tool-turns one-text effort"},
      {"google-gemma-2-2b-it", "argument-text"},
      {"microsoft-Phi-3.5-mini-instruct", "system late-system user-runs argument-text"},
      {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
       "system user-runs tool-turns parallel-calls null-content argument-text"},
      {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use",
       "system late-system user-runs tools tool-turns parallel-calls tool-list argument-text"},
  };
  for (const auto& [name, expected] : kFamilies) EXPECT_EQ(abilities_of(name), expected) << name;
}

TEST(Abilities, OfEveryTemplateAreFoundWithoutFailing) {
  for (const std::string& name : hearth::testing::template_names())
    EXPECT_NE(abilities_of(name), "") << name;
}

}  // namespace
}  // namespace hearth::chat
