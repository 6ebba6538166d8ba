// Where the references of a JSON Schema lead: base URIs, anchors and JSON pointers, all within the
// document. Nothing is ever fetched.
//
// Points into the document, which must not change. Read on one thread; const from then on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "support/json.h"
#include "support/result.h"

namespace hearth::grammar {

class JsonReferences {
 public:
  using Schema = const json::Value*;

  // Errc::unsupported for a "$id" that is too long.
  Result<> read(Schema document);
  // A schema that was made of parts of `original`, which means its references.
  Result<> read_copy(Schema copy, const json::Object& original);
  // Of a "$ref" that stands in `from`. Errc::unsupported when it leads out of the document.
  Result<Schema> target_of(std::string_view reference, const json::Object& from) const;

 private:
  // What a "$id" makes of a part of the document.
  struct Resource {
    std::string uri;
    Schema root;
  };
  Result<> walk(Schema root, uint32_t resource, bool is_copy);
  uint32_t resource_of(const json::Object& object) const;

  std::vector<Resource> resources_;  // the first: the document, before it says its name
  std::unordered_map<const json::Object*, uint32_t> within_;
  std::map<std::string, Schema, std::less<>> named_;  // by URI, with its fragment if there is one
};

}  // namespace hearth::grammar
