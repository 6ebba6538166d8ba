// The three forms in which nearly all families write a call. A family is one of them, filled in.
#pragma once

#include <string_view>

#include "dialects/reply.h"

namespace hearth::dialects {

// Calls as JSON objects with a member for the name and one for the arguments, one or a list of them
// behind `open`:  <tool_call>{"name": "f", "arguments": {...}}</tool_call>
struct ObjectForm {
  std::string_view open, close;
  std::string_view name = "name", arguments = "arguments";  // as this family writes them
  bool is_list = false;
};

// The name in markers, the arguments as JSON:  <call>f<sep>{...}</call>
struct NamedForm {
  std::string_view section_open, section_close;  // around all calls of a message; may be ""
  std::string_view open;                         // of one call
  std::string_view prefix;                       // of the name
  std::string_view separator;                    // between name and arguments
  std::string_view close;
};

// Arguments one by one, as plain text:  <function=f><parameter=k>v</parameter></function>
struct TagForm {
  std::string_view section_open, section_close;
  std::string_view open, name_end;         // "<function=", ">"
  std::string_view key_open, key_end;      // "<parameter=", ">"
  std::string_view value_open, value_end;  // "", "</parameter>"
  std::string_view close;                  // "</function>"
  bool has_lines = false;                  // a line break before and behind every value
};

// Read the rest of the answer. What is no call after all is text, and so is what stands in a call
// beside it.
Reading<> read_objects(Source& in, Reply& out, const ObjectForm& form);
Reading<> read_named(Source& in, Reply& out, const NamedForm& form);
Reading<> read_tags(Source& in, Reply& out, const TagForm& form);

// One call as a JSON object, or a list of them; false when that is not what is there, or, with
// `only_known`, not one of the tools on offer. Nothing of it has been told then.
Reading<bool> read_call_objects(Source& in, Reply& out, bool only_known);

// "```json" and the like, which some put around JSON.
Reading<> skip_fence(Source& in);

}  // namespace hearth::dialects
