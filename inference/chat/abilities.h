// What a chat template can do, learned by rendering tiny conversations: templates say nothing about
// themselves, and each family expects its messages in a form of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja.h"
#include "support/json.h"

namespace hearth::chat {

struct Abilities {
  bool has_system = true;           // a system message at the beginning comes out
  bool has_late_system = true;      // ... and one in the middle, in its place
  bool has_developer = false;       // shows the role wherever system may stand; else it is sent so
  bool has_user_runs = true;        // takes two user messages in a row
  bool shows_tools = true;          // tools on offer come out
  bool has_tool_turns = true;       // tool calls and their results come out; else sent as text
  bool has_parallel_calls = true;   // all calls of a message come out; else each is sent alone
  bool wants_one_text = false;      // beside tool calls, content or thinking, but not both
  bool wants_tool_list = false;     // even if empty; else tools is none when there are none
  bool wants_parts = false;         // content as [{"type": "text", "text": ...}]
  bool wants_null_content = false;  // shows tool calls only beside a content of null
  bool wants_short_ids = false;     // refuses tool call ids other than nine letters and digits
  bool wants_argument_text = true;  // tool arguments as JSON text; else as an object
  bool switches_thinking = false;   // enable_thinking changes the prompt
  bool knows_effort = false;        // reasoning_effort does
};

// `fixed` are the variables that every render gets (bos_token ...). `source` is the template's
// text.
Abilities probe(const jinja::Template& parsed, std::string_view source, const json::Object& fixed);

// What a user of the model should know about its template.
std::vector<std::string> notes_on(const Abilities& abilities);

}  // namespace hearth::chat
