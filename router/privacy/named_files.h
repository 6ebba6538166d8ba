// The files that a tool's call names: what it reads is where its result came from.
//
// Tools call their arguments as they like, so only those that hold text are known by name; of all
// others each word may be a path. Which of them matter, the policy's patterns tell.
//
// Pure; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace hearth::router {

struct NamedFiles {
  std::string path;       // the value of an argument that says that it is one; "": none
  bool has_text = false;  // an argument is the text of a file, or a change to it
};

// Of a call with these arguments: visit(PATH) for each that may be one: arguments as a whole, words
// of a command, headers of a patch. The same may come twice; the view lives until visit returns.
NamedFiles named_files(std::string_view arguments,
                       const std::function<void(std::string_view)>& visit);

}  // namespace hearth::router
