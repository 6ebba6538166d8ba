#include "grammar/json_strings.h"

#include <fmt/format.h>

#include "grammar/regex.h"

namespace hearth::grammar {

namespace {

Error about(std::string_view keyword, std::string_view pattern, const Error& error) {
  return {error.code,
          fmt::format("{}: \"{}\": {}", keyword, pattern.substr(0, 200), error.message)};
}

}  // namespace

Result<Dfa> dfa_of_strings(const Shape& shape) {
  constexpr uint32_t kMaxCountedLength = 4096;
  Result<Dfa> out = dfa_of_length(0, kUnbounded);
  if (shape.values) {
    std::vector<std::string_view> words;
    for (Schema value : *shape.values)
      if (value->is_string()) words.emplace_back(value->get_string());
    out = dfa_of_words(words);
  }
  for (const std::string& pattern : shape.patterns) {
    auto dfa = dfa_of_regex(pattern, Match::part);
    if (!dfa) return about("pattern", pattern, dfa.error());
    out = intersection(*out, *dfa);
    if (!out) return about("pattern", pattern, out.error());
  }
  for (std::string_view format : shape.formats) {
    auto dfa = dfa_of_regex(format, Match::whole);
    if (!dfa) return about("format", "", dfa.error());
    out = intersection(*out, *dfa);
    if (!out) return about("format", "", out.error());
  }
  const bool is_open = shape.max_length == kUnbounded;
  if (shape.min_length == 0 && is_open) return out;
  const uint32_t longest = is_open ? shape.min_length : shape.max_length;
  if (longest > kMaxCountedLength || shape.min_length > kMaxCountedLength)
    return Error{Errc::unsupported,
                 fmt::format("{}: a length above {} beside a pattern, a format or an enum",
                             is_open ? "minLength" : "maxLength", kMaxCountedLength)};
  if (shape.min_length > shape.max_length) return Dfa{{{}}};
  out = intersection(*out, dfa_of_length(shape.min_length, shape.max_length));
  if (!out) return about(is_open ? "minLength" : "maxLength", "", out.error());
  return out;
}

Result<const Dfa*> JsonSchema::key_pattern(std::string_view pattern) {
  auto at = key_patterns_.find(pattern);
  if (at == key_patterns_.end()) {
    auto dfa = dfa_of_regex(pattern, Match::part);
    if (!dfa) return about("patternProperties", pattern, dfa.error());
    at = key_patterns_.emplace(pattern, std::move(*dfa)).first;
  }
  return &at->second;
}

Result<Dfa> JsonSchema::names_of(const json::Value& schema) {
  auto shapes = shapes_of({&schema});
  if (!shapes) return shapes.error();
  Dfa none = dfa_of_length(0, kUnbounded);  // what no alternative lets in
  for (const Shape& shape : *shapes) {
    if (!(shape.types & kString)) continue;
    auto dfa = dfa_of_strings(shape);
    if (!dfa) return dfa.error();
    auto rest = intersection(none, complement(*dfa));
    if (!rest) return rest.error();
    none = std::move(*rest);
  }
  return complement(none);
}

Result<> JsonSchema::add_member_schemas(const Shape& shape, std::string_view name, Schemas& out) {
  static const json::Value never(false);
  for (const ObjectView& view : shape.objects) {
    bool is_known = false;
    if (view.properties)
      if (Schema schema = view.properties->if_contains(name))
        out.push_back(schema), is_known = true;
    if (view.patterns)
      for (const auto& [pattern, schema] : *view.patterns) {
        auto dfa = key_pattern(pattern);
        if (!dfa) return dfa.error();
        if ((*dfa)->accepts(name)) out.push_back(&schema), is_known = true;
      }
    if (!is_known && view.others) out.push_back(view.others);
    if (view.names) {
      auto names = names_of(*view.names);
      if (!names) return names.error();
      if (!names->accepts(name)) out.push_back(&never);
    }
  }
  return {};
}

}  // namespace hearth::grammar
