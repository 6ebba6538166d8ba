// One answer of a provider as it comes over OpenAI's wire: text, a tool call, usage, the last word.
#pragma once

#include <string>
#include <vector>

#include "support/mock_provider.h"

namespace hearth::router {

inline std::vector<std::string> recorded_events() {
  return {
      R"({"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null})",
      R"({"choices":[{"index":0,"delta":{"content":"Hello, "},"finish_reason":null}]})",
      R"({"choices":[{"index":0,"delta":{"content":"wörld"},"finish_reason":null}]})",
      R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"run","arguments":"{\"a\""}}]}}]})",
      R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]})",
      R"({"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]})",
      R"({"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":8}}})",
      "[DONE]"};
}

inline testing::Script recorded_answer() { return testing::sse(recorded_events()); }

// The body alone, its lines ended by LF.
inline std::string recorded_stream() {
  std::string bytes;
  for (const std::string& event : recorded_events()) bytes += "data: " + event + "\n\n";
  return bytes;
}

}  // namespace hearth::router
