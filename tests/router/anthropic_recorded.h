// An answer over Anthropic's messages wire, written after the public documentation of streaming:
// signed thinking, text, a tool call in pieces, usage at both ends.
#pragma once

#include <string>
#include <vector>

#include "support/mock_provider.h"

namespace hearth::router {

inline std::vector<std::string> anthropic_events() {
  return {
      R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":300,"cache_read_input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":100},"output_tokens":1}}})",
      R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})",
      R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me "}})",
      R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"see."}})",
      R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}})",
      R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Cgw="}})",
      R"({"type":"content_block_stop","index":0})",
      R"({"type":"ping"})",
      R"({"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}})",
      R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hello, "}})",
      R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"wörld"}})",
      R"({"type":"content_block_stop","index":1})",
      R"({"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"run","input":{}}})",
      R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}})",
      R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}})",
      R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":": 1}"}})",
      R"({"type":"content_block_stop","index":2})",
      R"({"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}})",
      R"({"type":"message_stop"})"};
}

inline testing::Script anthropic_answer() { return testing::named_sse(anthropic_events()); }

}  // namespace hearth::router
