#include "providers/error_words.h"

namespace hearth::router {

namespace {

constexpr Meaning kTooLong{Errc::context_exceeded, Remedy::shrink_context};
constexpr Meaning kTooLarge{Errc::invalid, Remedy::shrink_context};
constexpr Meaning kUnpaid{Errc::over_budget, Remedy::stop_account};
constexpr Meaning kLocked{Errc::denied, Remedy::stop_account};
constexpr Meaning kNotAllowed{Errc::denied, Remedy::other_target};
constexpr Meaning kUnknownModel{Errc::not_found, Remedy::other_target};
constexpr Meaning kCrowded{Errc::busy, Remedy::retry_after};
constexpr Meaning kHiccup{Errc::upstream, Remedy::retry_same};
constexpr Meaning kSlow{Errc::timeout, Remedy::retry_same};
constexpr Meaning kRefused{Errc::invalid, Remedy::stop_request};

struct WordRow {
  std::string_view word;
  Meaning meaning;
  std::string_view provider = "";  // "": whoever says it
};

constexpr WordRow kWords[] = {
    // OpenAI, and those who follow it
    {"context_length_exceeded", kTooLong},
    {"string_above_max_length", kTooLong},
    {"insufficient_quota", kUnpaid},
    {"credit_balance_exhausted", kUnpaid},
    {"billing_hard_limit_reached", kUnpaid},
    {"billing_not_active", kUnpaid},
    {"account_deactivated", kLocked},
    {"invalid_api_key", kLocked},
    {"model_not_found", kUnknownModel},
    {"rate_limit_exceeded", kCrowded},
    {"slow_down", kCrowded},
    {"server_is_overloaded", kCrowded},
    {"server_error", kHiccup},
    {"content_policy_violation", kRefused},
    {"content_filter", kRefused},
    // Anthropic
    {"request_too_large", kTooLarge},
    {"billing_error", kUnpaid},
    {"authentication_error", kLocked},
    {"permission_error", kNotAllowed},
    {"not_found_error", kUnknownModel},
    {"rate_limit_error", kCrowded},
    {"overloaded_error", kCrowded},
    {"timeout_error", kSlow},
    {"api_error", kHiccup},
    // Gemini
    {"daily_quota", kUnpaid},  // rejection.cc reads it off the details
    {"API_KEY_INVALID", kLocked},
    {"API_KEY_SERVICE_BLOCKED", kLocked},
    {"RESOURCE_EXHAUSTED", kCrowded},
    {"UNAVAILABLE", kCrowded},
    {"DEADLINE_EXCEEDED", kSlow},
    {"INTERNAL", kHiccup},
    {"PERMISSION_DENIED", kLocked},
    {"UNAUTHENTICATED", kLocked},
    {"NOT_FOUND", kUnknownModel},
    {"FAILED_PRECONDITION", kNotAllowed},  // not from this country, no billing
    // Moonshot
    {"exceeded_current_quota_error", kUnpaid},
    {"rate_limit_reached_error", kCrowded},
    {"engine_overloaded_error", kCrowded},
    {"invalid_authentication_error", kLocked},
    {"incorrect_api_key_error", kLocked},
    {"permission_denied_error", kNotAllowed},
    {"resource_not_found_error", kUnknownModel},
    // Z.ai: most of these come as a 429
    {"1000", kLocked, "zai"},
    {"1001", kLocked, "zai"},
    {"1002", kLocked, "zai"},
    {"1003", kLocked, "zai"},
    {"1004", kLocked, "zai"},
    {"1110", kLocked, "zai"},
    {"1111", kLocked, "zai"},
    {"1112", kLocked, "zai"},
    {"1113", kUnpaid, "zai"},
    {"1121", kLocked, "zai"},
    {"1211", kUnknownModel, "zai"},
    {"1220", kNotAllowed, "zai"},
    {"1230", kHiccup, "zai"},
    {"1234", kHiccup, "zai"},
    {"1261", kTooLong, "zai"},
    {"1301", kRefused, "zai"},
    {"1302", kCrowded, "zai"},
    {"1303", kCrowded, "zai"},
    {"1304", kUnpaid, "zai"},  // the day's calls are used up
    {"1305", kCrowded, "zai"},
    {"1308", kUnpaid, "zai"},  // the plan's hours are used up
    {"1309", kUnpaid, "zai"},
    {"1310", kUnpaid, "zai"},
    {"1312", kCrowded, "zai"},
    // DashScope
    {"Arrearage", kUnpaid},
    {"InvalidApiKey", kLocked},
    {"AccessDenied", kNotAllowed},
    {"AccessDenied.Unpurchased", kNotAllowed},
    {"Model.AccessDenied", kNotAllowed},
    {"ModelNotFound", kUnknownModel},
    {"AllocationQuota.FreeTierOnly", kUnpaid},
    {"Throttling", kCrowded},
    {"Throttling.RateQuota", kCrowded},
    {"Throttling.BurstRate", kCrowded},
    {"Throttling.AllocationQuota", kCrowded},
    {"limit_requests", kCrowded},
    {"limit_burst_rate", kCrowded},
    {"DataInspectionFailed", kRefused},
    {"data_inspection_failed", kRefused},
    {"RequestTimeOut", kSlow},
    {"InternalError", kHiccup},
    {"ServiceUnavailable", kCrowded},
    // Together
    {"credit_limit", kUnpaid},
    {"rate_limit", kCrowded},
    // llama-server
    {"exceed_context_size_error", kTooLong},
    {"unavailable_error", kCrowded},  // it loads its model
};

constexpr std::pair<std::string_view, Meaning> kPhrases[] = {
    {"prompt is too long", kTooLong},                      // Anthropic, Fireworks
    {"maximum context length", kTooLong},                  // OpenAI, vLLM, Mistral
    {"exceed context limit", kTooLong},                    // Anthropic
    {"exceeds the context", kTooLong},                     //
    {"exceeds the available context", kTooLong},           // llama-server
    {"maximum prompt length", kTooLong},                   // xAI
    {"exceeds the maximum number of tokens", kTooLong},    // Gemini
    {"tokens exceed the maximum", kTooLong},               // Z.ai
    {"longer than the model's context length", kTooLong},  // SGLang
    {"exceeded model token limit", kTooLong},              // Moonshot
    {"Range of input length should be", kTooLong},         // DashScope
    {"`inputs` tokens + `max_new_tokens`", kTooLong},      // Together
    {"reduce the length of the messages", kTooLong},       // Groq
    {"credit balance is too low", kUnpaid},
    {"specified API usage limits", kUnpaid},
    {"spend limit", kUnpaid},
    {"spending limit", kUnpaid},
    {"insufficient balance", kUnpaid},
    {"Insufficient Balance", kUnpaid},
    {"Insufficient credits", kUnpaid},
};

}  // namespace

std::optional<Meaning> meaning_of_word(std::string_view provider, std::string_view word) {
  if (word.empty()) return std::nullopt;
  for (const WordRow& row : kWords)
    if (row.word == word && (row.provider.empty() || row.provider == provider)) return row.meaning;
  return std::nullopt;
}

std::optional<Meaning> meaning_of_phrase(std::string_view message) {
  for (const auto& [phrase, meaning] : kPhrases)
    if (message.find(phrase) != message.npos) return meaning;
  return std::nullopt;
}

Meaning meaning_of_status(long status) {
  switch (status) {
    case 401:
    case 403:
    case 412: return kLocked;  // 412: Fireworks, suspended
    case 402: return kUnpaid;
    case 404: return kUnknownModel;
    case 408: return kSlow;
    case 409: return {Errc::busy, Remedy::retry_same};
    case 413: return kTooLarge;
    case 429:
    case 503:
    case 529: return kCrowded;
    default: break;
  }
  return status >= 500 || status == 0 ? kHiccup : kRefused;
}

}  // namespace hearth::router
