// What providers say when they refuse, as their documentation and their servers word it, and what
// we make of it.
#include "router/providers/rejection.h"

#include <gtest/gtest.h>

namespace hearth::router {
namespace {

const auto kNow = std::chrono::system_clock::from_time_t(1'792'584'000);

Failure refusal(std::string_view provider, long status, std::string_view body,
                std::optional<std::string_view> retry_after = {}) {
  Target target;
  target.provider = provider;
  return rejection_of(target, status, body, retry_after, "THE_KEY", kNow);
}

struct Case {
  std::string_view provider;
  long status;
  std::string_view body;
  Errc code;
  Remedy remedy;
  uint32_t n_prompt = 0, n_context = 0;
};

TEST(Rejection, EachProvidersWordsForAContextThatIsFull) {
  constexpr Errc kFull = Errc::context_exceeded;
  constexpr Remedy kShrink = Remedy::shrink_context;
  for (
      const Case& each : {
          Case{
              "openai", 400,
              R"({"error":{"message":"This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})",
              kFull, kShrink, 130001, 128000},
          {"anthropic", 400,
           R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 208310 tokens > 200000 maximum"},"request_id":"req_1"})",
           kFull, kShrink, 208310, 200000},
          {"gemini", 400,
           R"({"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}})",
           kFull, kShrink, 1200000, 1048576},
          {"zai", 400, R"({"error":{"code":"1261","message":"Prompt exceeds max length"}})", kFull,
           kShrink},
          {"moonshot", 400,
           R"b({"error":{"message":"Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)","type":"invalid_request_error"}})b",
           kFull, kShrink, 300000, 262144},
          {"dashscope", 400,
           R"({"error":{"message":"Range of input length should be [1, 129024]","type":"invalid_request_error","code":"invalid_parameter_error"}})",
           kFull, kShrink, 0, 129024},
          {"openrouter", 400,
           R"({"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"prompt is too long: 208310 tokens > 200000 maximum\"}}","provider_name":"Anthropic"}}})",
           kFull, kShrink, 208310, 200000},
          {"together", 422,
           R"({"error":{"message":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 131073. Given: 140000 `inputs` tokens and 512 `max_new_tokens`","type":"invalid_request_error"}})",
           kFull, kShrink},
          {"fireworks", 400,
           R"({"error":{"object":"error","type":"invalid_request_error","message":"The prompt is too long: 200000, model maximum context length: 131071"}})",
           kFull, kShrink, 200000, 131071},
          {"mistral", 400,
           R"({"object":"error","message":"Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum context length","type":"invalid_request_prompt","code":"3051"})",
           kFull, kShrink, 140000},
          {"groq", 400,
           R"({"error":{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})",
           kFull, kShrink},
          {"xai", 400,
           R"({"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 150000 tokens."})",
           kFull, kShrink, 150000, 131072},
          {"vllm", 400,
           R"({"error":{"message":"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8500 in the messages, 500 in the completion).","type":"BadRequestError","param":null,"code":400}})",
           kFull, kShrink, 9000, 8192},
          {"sglang", 400,
           R"({"object":"error","message":"The input (9000 tokens) is longer than the model's context length (8192 tokens).","type":"BadRequestError","code":400})",
           kFull, kShrink, 9000, 8192},
          {"llama-server", 400,
           R"({"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}})",
           kFull, kShrink, 9000, 8192},
      }) {
    const Failure failure = refusal(each.provider, each.status, each.body);
    EXPECT_EQ(failure.code, each.code) << each.provider << ": " << failure.message;
    EXPECT_EQ(failure.remedy, each.remedy) << each.provider;
    EXPECT_EQ(failure.n_prompt, each.n_prompt) << each.provider;
    EXPECT_EQ(failure.n_context, each.n_context) << each.provider;
  }
}

// One status, 429, and five reactions.
TEST(Rejection, WhoIsFullAndWhoIsUnpaidAreToldApart) {
  constexpr Remedy kWait = Remedy::retry_after, kStop = Remedy::stop_account;
  for (
      const Case& each : {
          Case{
              "openai", 429,
              R"({"error":{"message":"Rate limit reached for gpt-x","type":"tokens","param":null,"code":"rate_limit_exceeded"}})",
              Errc::busy, kWait},
          {"openai", 429,
           R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"credit_balance_exhausted"}})",
           Errc::over_budget, kStop},
          {"openai", 429, R"({"error":{"message":"x","type":"requests","code":"slow_down"}})",
           Errc::busy, kWait},
          {"anthropic", 429,
           R"({"type":"error","error":{"type":"rate_limit_error","message":"Number of request tokens has exceeded your per-minute rate limit"}})",
           Errc::busy, kWait},
          {"anthropic", 400,
           R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}})",
           Errc::over_budget, kStop},
          {"anthropic", 429,
           R"({"type":"error","error":{"type":"rate_limit_error","message":"You have reached your enforced spend limit"}})",
           Errc::over_budget, kStop},
          {"anthropic", 529,
           R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
           Errc::busy, kWait},
          {"gemini", 429,
           R"([{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}])",
           Errc::over_budget, kStop},
          {"gemini", 400,
           R"({"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}})",
           Errc::denied, kStop},
          {"deepseek", 402,
           R"({"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}})",
           Errc::over_budget, kStop},
          {"moonshot", 429,
           R"({"error":{"message":"engine is overloaded","type":"engine_overloaded_error"}})",
           Errc::busy, kWait},
          {"moonshot", 429,
           R"({"error":{"message":"please check your plan","type":"exceeded_current_quota_error"}})",
           Errc::over_budget, kStop},
          {"zai", 429, R"({"error":{"code":"1302","message":"High concurrency"}})", Errc::busy,
           kWait},
          {"zai", 429, R"({"error":{"code":"1113","message":"Insufficient balance"}})",
           Errc::over_budget, kStop},
          {"zai", 429, R"({"error":{"code":"1112","message":"account locked"}})", Errc::denied,
           kStop},
          {"acme", 429, R"({"error":{"code":"1112","message":"x"}})", Errc::busy, kWait},
          {"dashscope", 400, R"({"code":"Arrearage","message":"overdue","request_id":"1"})",
           Errc::over_budget, kStop},
          {"dashscope", 429,
           R"({"error":{"code":"Throttling.RateQuota","message":"Requests rate limit exceeded","type":"Throttling"}})",
           Errc::busy, kWait},
          {"fireworks", 412, R"({"error":"account suspended"})", Errc::denied, kStop},
          {"together", 402,
           R"({"error":{"message":"Credit limit exceeded","type":"credit_limit"}})",
           Errc::over_budget, kStop},
          {"llama-server", 503,
           R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})",
           Errc::busy, kWait},
          {"ollama", 404, R"({"error":"model 'x' not found"})", Errc::not_found,
           Remedy::other_target},
          {"groq", 413,
           R"b({"error":{"message":"Request too large for model on tokens per minute (TPM)","type":"tokens","code":"rate_limit_exceeded"}})b",
           Errc::invalid, Remedy::shrink_context},
          {"anthropic", 413,
           R"({"type":"error","error":{"type":"request_too_large","message":"x"}})", Errc::invalid,
           Remedy::shrink_context},
          {"dashscope", 400,
           R"({"error":{"code":"data_inspection_failed","message":"inappropriate content","type":"data_inspection_failed"}})",
           Errc::invalid, Remedy::stop_request},
      }) {
    const Failure failure = refusal(each.provider, each.status, each.body);
    EXPECT_EQ(failure.code, each.code) << each.provider << ": " << failure.message;
    EXPECT_EQ(failure.remedy, each.remedy) << each.provider << ": " << failure.message;
  }
}

TEST(Rejection, AWaitMayStandInTheBody) {
  const Failure failure = refusal(
      "gemini", 429,
      R"({"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}]}})");
  EXPECT_EQ(failure.remedy, Remedy::retry_after);
  EXPECT_EQ(failure.retry_after, std::chrono::seconds(35));
}

// OpenRouter's budget for requests under way: a 402 that passes.
TEST(Rejection, ASpentBudgetWithAWaitPasses) {
  const std::string_view body = R"({"error":{"code":402,"message":"Insufficient credits"}})";
  EXPECT_EQ(refusal("openrouter", 402, body).remedy, Remedy::stop_account);
  const Failure failure = refusal("openrouter", 402, body, "3");
  EXPECT_EQ(failure.remedy, Remedy::retry_after);
  EXPECT_EQ(failure.code, Errc::busy);
}

}  // namespace
}  // namespace hearth::router
