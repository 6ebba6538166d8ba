// JSON as models write it, into JSON. Mended on the way: Python's literals and quotes, unquoted
// keys and words, invalid escapes, raw line breaks in strings, commas too many or missing, and what
// was left open where the text or the call ends, or before what is beyond mending. Only what was
// cut off (Source::is_cut) stays open. White space becomes one space behind ':' and ','.
#pragma once

#include <string_view>

#include "dialects/source.h"
#include "dialects/tools.h"

namespace hearth::dialects {

// Of the arguments of one call: each is brought to a type that its schema lets in, where that loses
// nothing ("5" for 5 and back, the text of an object for a string).
struct ArgumentTypes {
  const Tools& tools;
  std::string_view tool;
};

// Copies one value; false when there is none, or some of it is beyond mending, or it was cut off.
Reading<bool> copy_json(Source& in, const Put& put, int depth = 0);

// The same of an object that holds a call's arguments. A string with such an object in it is taken
// for the object; null and nothing for an empty one. Anything else gives an empty one, too, and is
// appended to `rest`.
Reading<bool> copy_arguments(Source& in, ArgumentTypes types, const Put& put, std::string& rest);

// Arguments as Python has them, (city="Rome", days=2), as an object.
Reading<bool> copy_keywords(Source& in, ArgumentTypes types, const Put& put);

// Whether the text ends here, or one of its call marks stands here; takes nothing.
Reading<bool> ends_call(Source& in);
// Whether it ends here because it was cut off.
Reading<bool> is_cut_off(Source& in);

// A string's contents, decoded; false when the call or the text ends before the string does.
Reading<bool> read_string(Source& in, std::string& out);

// An argument that came as plain text ("<parameter=count>5</parameter>"), as JSON.
std::string json_of_text(std::string_view text, Types types);

// One piece of a string's contents, escaped. Bytes from 0x20 on but quote and backslash are
// themselves.
void put_escaped(std::string_view text, const Put& put);

}  // namespace hearth::dialects
