// Every provider's counts in one form: disjoint classes that add up, or a mark that they do not.
#include "router/providers/usage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "router/providers/table.h"
#include "router/recorded.h"

namespace hearth::router {
namespace {

// The last events of a stream on the provider's wire, its usage among them.
CountedUsage heard(std::string_view provider, const std::vector<std::string>& events) {
  Target target;
  target.provider = provider;
  auto reader = wire_of(target).reader(target, [](const StreamDelta&) {}, 1 << 20);
  for (const std::string& event : events) EXPECT_TRUE(reader->hear("", event)) << event;
  EXPECT_TRUE(reader->is_complete()) << provider;
  return {reader->usage(), reader->basis()};
}

CountedUsage chat(std::string_view provider, std::string_view usage) {
  return heard(provider,
               {R"({"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]})",
                fmt::format(R"({{"choices":[],"usage":{}}})", usage), "[DONE]"});
}

struct Expected {
  uint32_t n_fresh, n_cached, n_write, n_write_1h, n_completion, n_reasoning;
};

void check(std::string_view name, const CountedUsage& counted, const Expected& expected) {
  const Usage& usage = counted.usage;
  EXPECT_EQ(usage.n_fresh(), expected.n_fresh) << name;
  EXPECT_EQ(usage.n_cached, expected.n_cached) << name;
  EXPECT_EQ(usage.n_cache_write, expected.n_write) << name;
  EXPECT_EQ(usage.n_cache_write_1h, expected.n_write_1h) << name;
  EXPECT_EQ(usage.n_completion, expected.n_completion) << name;
  EXPECT_EQ(usage.n_reasoning, expected.n_reasoning) << name;
  EXPECT_EQ(counted.basis, UsageBasis::reported) << name;
}

// Written after each provider's public documentation.
TEST(Usage, EachProvidersCountsBecomeDisjointClasses) {
  check(
      "openai",
      chat(
          "openai",
          R"({"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,)"
          R"("prompt_tokens_details":{"cached_tokens":1920,"audio_tokens":0,"cache_write_tokens":64},)"
          R"("completion_tokens_details":{"reasoning_tokens":192}})"),
      {22, 1920, 64, 0, 300, 192});
  check("deepseek",
        chat("deepseek", R"({"prompt_tokens":500,"completion_tokens":90,"total_tokens":590,)"
                         R"("prompt_cache_hit_tokens":448,"prompt_cache_miss_tokens":52,)"
                         R"("completion_tokens_details":{"reasoning_tokens":40}})"),
        {52, 448, 0, 0, 90, 40});
  check(
      "moonshot, beside the counts",
      chat("moonshot",
           R"({"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,"cached_tokens":80})"),
      {20, 80, 0, 0, 7, 0});
  check("moonshot, within the choice",
        heard("moonshot", {R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":)"
                           R"({"prompt_tokens":100,"completion_tokens":7,"total_tokens":107}}]})"}),
        {100, 0, 0, 0, 7, 0});
  check(
      "dashscope",
      chat("dashscope",
           R"({"prompt_tokens":3000,"completion_tokens":20,"total_tokens":3020,)"
           R"("prompt_tokens_details":{"cached_tokens":2000,"cache_creation_input_tokens":900}})"),
      {100, 2000, 900, 0, 20, 0});
  check("openrouter",
        chat("openrouter",
             R"({"prompt_tokens":194,"completion_tokens":2,"total_tokens":196,"cost":0.00014,)"
             R"("prompt_tokens_details":{"cached_tokens":100,"cache_write_tokens":50},)"
             R"("completion_tokens_details":{"reasoning_tokens":0}})"),
        {44, 100, 50, 0, 2, 0});
  check("xai: thoughts beside the output",
        chat("xai", R"({"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,)"
                    R"("completion_tokens_details":{"reasoning_tokens":94}})"),
        {32, 0, 0, 0, 103, 94});
  check("groq",
        heard("groq",
              {R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r",)"
               R"("usage":{"prompt_tokens":18,"completion_tokens":5,"total_tokens":23}}})"}),
        {18, 0, 0, 0, 5, 0});
  check(
      "llama-server",
      heard(
          "llama-server",
          {R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})",
           R"({"choices":[],"usage":{"prompt_tokens":50,"completion_tokens":5,"total_tokens":55},)"
           R"("timings":{"cache_n":45,"prompt_n":5,"predicted_n":5}})"}),
      {5, 45, 0, 0, 5, 0});
  check("responses",
        heard("openai-responses",
              {R"({"type":"response.completed","response":{"status":"completed","usage":)"
               R"({"input_tokens":328,"input_tokens_details":{"cached_tokens":300},)"
               R"("output_tokens":52,"output_tokens_details":{"reasoning_tokens":32},)"
               R"("total_tokens":380}}})"}),
        {28, 300, 0, 0, 52, 32});
  check("gemini: thoughts beside the candidates",
        heard("gemini",
              {R"({"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],)"
               R"("usageMetadata":{"promptTokenCount":5000,"cachedContentTokenCount":4096,)"
               R"("candidatesTokenCount":20,"thoughtsTokenCount":80,"totalTokenCount":5100}})"}),
        {904, 4096, 0, 0, 100, 80});
  check(
      "anthropic: cached and written beside the input",
      heard(
          "anthropic",
          {R"({"type":"message_start","message":{"usage":{"input_tokens":4,"cache_creation_input_tokens":300,"cache_read_input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":100},"output_tokens":1}}})",
           R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12}})",
           R"({"type":"message_stop"})"}),
      {4, 1000, 200, 100, 12, 0});
}

TEST(Usage, WhatDoesNotAddUpIsMarkedAndNeverNegative) {
  for (
      std::string_view odd :
      {R"({"prompt_tokens":-5,"completion_tokens":3})",
       R"({"prompt_tokens":10,"completion_tokens":3,"total_tokens":99})",
       R"({"prompt_tokens":10,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":11}})",
       R"({"prompt_tokens":10,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":8,"cache_write_tokens":3}})",
       R"({"prompt_tokens":10,"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":4}})",
       R"({"prompt_tokens":1e300,"completion_tokens":3})",
       R"({"prompt_tokens":99999999999,"completion_tokens":3})",
       R"({"prompt_tokens":"ten","completion_tokens":3})"}) {
    const auto [usage, basis] = chat("openai", odd);
    EXPECT_EQ(basis, UsageBasis::unverified) << odd;
    EXPECT_LE(uint64_t{usage.n_cached} + usage.n_cache_write + usage.n_cache_write_1h,
              usage.n_prompt)
        << odd;
    EXPECT_LE(usage.n_reasoning, usage.n_completion) << odd;
  }
}

TEST(Usage, NullsAndUnknownMembersAreNoCounts) {
  const auto [usage, basis] = chat(
      "openai",
      R"({"prompt_tokens":10,"completion_tokens":3,"total_tokens":13,)"
      R"("prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null},"new":{}})");
  EXPECT_EQ(basis, UsageBasis::reported);
  EXPECT_EQ(usage.n_fresh(), 10u);
}

}  // namespace
}  // namespace hearth::router
