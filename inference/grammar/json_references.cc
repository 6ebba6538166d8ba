#include "grammar/json_references.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::grammar {

namespace {

constexpr size_t kMaxUriBytes = 2048;

// What of a URI (without its fragment) there is, each with the mark that tells it.
struct UriParts {
  std::string_view scheme, authority, path, query;
};

UriParts parts_of(std::string_view uri) {
  UriParts out;
  const size_t colon = uri.find(':');
  if (colon != uri.npos && colon > 0 && uri.find_first_of("/?") > colon) {
    out.scheme = uri.substr(0, colon + 1);
    uri.remove_prefix(colon + 1);
  }
  if (uri.starts_with("//")) {
    out.authority = uri.substr(0, uri.find_first_of("/?", 2));
    uri.remove_prefix(out.authority.size());
  }
  out.path = uri.substr(0, uri.find('?'));
  out.query = uri.substr(out.path.size());
  return out;
}

std::string without_dots(std::string_view path) {
  std::string out;
  if (path.starts_with('/')) {
    out = "/";
    path.remove_prefix(1);
  }
  const size_t root = out.size();
  for (bool is_last = false; !is_last;) {
    const size_t slash = path.find('/');
    is_last = slash == path.npos;
    const std::string_view name = path.substr(0, slash);
    if (name == "..") {
      if (out.size() > root) out.pop_back();
      while (out.size() > root && out.back() != '/') out.pop_back();
    } else if (name != ".") {
      out.append(name).append(is_last ? "" : "/");
    }
    if (!is_last) path.remove_prefix(slash + 1);
  }
  return out;
}

// As RFC 3986, section 5.2, has it.
std::string resolved(std::string_view base_uri, std::string_view reference) {
  const UriParts base = parts_of(base_uri), given = parts_of(reference);
  const auto join = [](const UriParts& from, std::string_view authority, const std::string& path,
                       std::string_view query) {
    return std::string(from.scheme).append(authority).append(path).append(query);
  };
  if (!given.scheme.empty())
    return join(given, given.authority, without_dots(given.path), given.query);
  if (!given.authority.empty())
    return join(base, given.authority, without_dots(given.path), given.query);
  if (given.path.empty())
    return join(base, base.authority, std::string(base.path),
                given.query.empty() ? base.query : given.query);
  std::string path(given.path);
  if (!path.starts_with('/')) {
    const size_t slash = base.path.rfind('/');
    const std::string_view folder = slash != base.path.npos
                                        ? base.path.substr(0, slash + 1)
                                        : (base.authority.empty() ? std::string_view() : "/");
    path.insert(0, folder);
  }
  return join(base, base.authority, without_dots(path), given.query);
}

// One step of a JSON pointer in a URI's fragment.
std::string step_of(std::string_view raw) {
  std::string name;
  const auto hex = [&](size_t k) {
    const int c = k < raw.size() ? raw[k] : 0;
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
  };
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '%' && hex(i + 1) >= 0 && hex(i + 2) >= 0) {
      name += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
      i += 2;
    } else {
      name += raw[i];
    }
  }
  for (const auto& [code, c] : {std::pair{"~1", '/'}, std::pair{"~0", '~'}})
    for (size_t p = 0; (p = name.find(code, p)) != name.npos; ++p) name.replace(p, 2, 1, c);
  return name;
}

// What a member's value is: a schema (or a list of them), schemas by name, or anything else.
enum class Place : uint8_t { schema, map, plain };

Place place_of(std::string_view keyword) {
  constexpr std::string_view kSchemas[] = {"allOf",
                                           "anyOf",
                                           "oneOf",
                                           "not",
                                           "if",
                                           "then",
                                           "else",
                                           "items",
                                           "prefixItems",
                                           "additionalItems",
                                           "additionalProperties",
                                           "contains",
                                           "propertyNames",
                                           "unevaluatedItems",
                                           "unevaluatedProperties"};
  constexpr std::string_view kMaps[] = {"properties",  "patternProperties", "$defs",
                                        "definitions", "dependentSchemas",  "dependencies"};
  return std::ranges::count(kSchemas, keyword) > 0 ? Place::schema
         : std::ranges::count(kMaps, keyword) > 0  ? Place::map
                                                   : Place::plain;
}

Error out_of_document(std::string_view reference) {
  return {Errc::unsupported,
          fmt::format("$ref: \"{}\" is not in the schema, and nothing is fetched",
                      reference.substr(0, 200))};
}

std::string_view text_of(const json::Object& object, std::string_view key) {
  const json::Value* value = object.if_contains(key);
  return value && value->is_string() ? std::string_view(value->get_string()) : "";
}

}  // namespace

Result<> JsonReferences::read(Schema document) {
  resources_.push_back({"", document});
  return walk(document, 0, false);
}

Result<> JsonReferences::read_copy(Schema copy, const json::Object& original) {
  return walk(copy, resource_of(original), true);
}

uint32_t JsonReferences::resource_of(const json::Object& object) const {
  const auto at = within_.find(&object);
  return at == within_.end() ? 0 : at->second;
}

Result<> JsonReferences::walk(Schema root, uint32_t resource, bool is_copy) {
  struct Next {
    Schema value;
    uint32_t resource;
    Place place;
  };
  std::vector<Next> left = {{root, resource, Place::schema}};
  while (!left.empty()) {
    Next next = left.back();
    left.pop_back();
    if (const json::Array* list = next.value->if_array()) {
      const Place place = next.place == Place::schema ? Place::schema : Place::plain;
      for (const json::Value& item : *list) left.push_back({&item, next.resource, place});
      continue;
    }
    const json::Object* object = next.value->if_object();
    if (!object) continue;
    if (next.place == Place::schema) {
      std::string_view id = text_of(*object, "$id");
      if (id.size() > kMaxUriBytes || resources_[next.resource].uri.size() > kMaxUriBytes)
        return Error{Errc::unsupported, fmt::format("$id: above {} bytes", kMaxUriBytes)};
      const size_t hash = std::min(id.find('#'), id.size());
      if (hash > 0) {
        std::string uri = resolved(resources_[next.resource].uri, id.substr(0, hash));
        if (is_copy) {
          if (auto known = named_.find(uri); known != named_.end() && known->second->is_object())
            next.resource = resource_of(known->second->get_object());
        } else {
          named_.emplace(uri, next.value);
          next.resource = static_cast<uint32_t>(resources_.size());
          resources_.push_back({std::move(uri), next.value});
        }
      }
      if (!is_copy)
        for (std::string_view name :
             {id.substr(std::min(hash + 1, id.size())), text_of(*object, "$anchor"),
              text_of(*object, "$dynamicAnchor")})
          if (!name.empty() && name.size() <= kMaxUriBytes)
            named_.emplace(resources_[next.resource].uri + '#' + std::string(name), next.value);
    }
    within_.emplace(object, next.resource);
    for (const auto& [key, child] : *object) {
      const Place place = next.place == Place::map      ? Place::schema
                          : next.place == Place::schema ? place_of(key)
                                                        : Place::plain;
      left.push_back({&child, next.resource, place});
    }
  }
  return {};
}

Result<JsonReferences::Schema> JsonReferences::target_of(std::string_view reference,
                                                         const json::Object& from) const {
  if (reference.size() > kMaxUriBytes) return out_of_document(reference);
  const Resource& base = resources_[resource_of(from)];
  const size_t hash = std::min(reference.find('#'), reference.size());
  std::string_view fragment = reference.substr(std::min(hash + 1, reference.size()));
  std::string uri = base.uri;
  Schema at = base.root;
  if (hash > 0) uri = resolved(base.uri, reference.substr(0, hash));
  if (uri != base.uri) {
    const auto named = named_.find(uri);
    if (named == named_.end()) return out_of_document(reference);
    at = named->second;
  }
  if (fragment.empty()) return at;
  if (!fragment.starts_with('/')) {
    const auto named = named_.find(uri + '#' + std::string(fragment));
    if (named == named_.end()) return out_of_document(reference);
    return named->second;
  }
  fragment.remove_prefix(1);
  for (bool is_last = false; !is_last;) {
    const size_t slash = fragment.find('/');
    is_last = slash == fragment.npos;
    const std::string name = step_of(fragment.substr(0, slash));
    Schema next = nullptr;
    if (const json::Object* object = at->if_object()) next = object->if_contains(name);
    if (const json::Array* list = at->if_array()) {
      const bool is_index = !name.empty() && name.size() < 8 &&
                            std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
      if (is_index && std::stoul(name) < list->size()) next = &(*list)[std::stoul(name)];
    }
    if (!next)
      return Error{Errc::invalid,
                   fmt::format("$ref: expected a place in the schema; there is no \"{}\"", name)};
    at = next;
    if (!is_last) fragment.remove_prefix(slash + 1);
  }
  return at;
}

}  // namespace hearth::grammar
