// What a reader has to know of the tools on offer: their names and of what types their arguments
// are. Immutable.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "inference/message.h"

namespace hearth::dialects {

// Which kinds of JSON value a schema lets in, as far as "type", "enum", "const" and "anyOf" tell.
struct Types {
  bool null = false, boolean = false, integer = false, number = false, string = false,
       array = false, object = false;
  static Types any() { return {true, true, true, true, true, true, true}; }
  bool is_only_string() const {
    return string && !null && !boolean && !integer && !number && !array && !object;
  }
};

class Tools {
 public:
  Tools() = default;
  explicit Tools(std::span<const ToolSpec> specs);

  bool is_empty() const { return tools_.empty(); }
  bool has(std::string_view name) const { return tools_.contains(name); }
  // Of an argument; any() when nobody knows.
  Types types_of(std::string_view tool, std::string_view argument) const;

 private:
  using Arguments = std::map<std::string, Types, std::less<>>;
  std::map<std::string, Arguments, std::less<>> tools_;
};

}  // namespace hearth::dialects
