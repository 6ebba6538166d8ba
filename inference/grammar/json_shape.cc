#include "grammar/json_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "grammar/json_format.h"
#include "grammar/json_strings.h"
#include "grammar/regex.h"

namespace hearth::grammar {

namespace {

constexpr size_t kMaxAlternatives = 2'000;
constexpr size_t kMaxSteps = 400'000;
constexpr int kMaxProofDepth = 4;
constexpr size_t kMaxKeyPatterns = 5;  // their combinations are told apart

using json::Array;
using json::Object;
using json::Value;

Error unsupported(std::string_view keyword, std::string_view why = "is not supported") {
  return {Errc::unsupported, fmt::format("{}: {}", keyword, why)};
}
Error wrong(std::string_view keyword, std::string_view expected) {
  return {Errc::invalid, fmt::format("{}: expected {}", keyword, expected)};
}

const Value* member(const Object& object, std::string_view name) {
  return object.if_contains(name);
}

Result<> read_count(const Object& object, std::string_view name, uint32_t& out, bool is_least) {
  const Value* value = member(object, name);
  if (!value) return {};
  const auto decimal = decimal_of(*value);
  if (!decimal || (decimal->is_negative && !decimal->is_zero()) || !decimal->fraction.empty())
    return wrong(name, "an integer that is not negative");
  const bool is_huge = decimal->whole.size() > 8;
  const uint32_t count = is_huge ? kUnbounded : static_cast<uint32_t>(std::stoul(decimal->whole));
  if (is_huge && is_least) return unsupported(name, "is too large");
  out = is_least ? std::max(out, count) : std::min(out, count);
  return {};
}

uint8_t type_named(std::string_view name) {
  if (name == "null") return kNull;
  if (name == "boolean") return kBoolean;
  if (name == "number" || name == "integer") return kNumber;
  if (name == "string") return kString;
  if (name == "array") return kArray;
  if (name == "object") return kObject;
  return 0;
}

const Value& never() {
  static const Value value(false);
  return value;
}

}  // namespace

struct JsonSchema::Branch {
  Shape shape;
  Schemas left;           // not read yet
  std::set<Schema> read;  // every schema counts once
  bool is_impossible = false;
};

bool Shape::is_required(std::string_view name) const {
  return std::ranges::count(required, name) > 0;
}

uint8_t type_of(const Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return kNull;
    case boost::json::kind::bool_: return kBoolean;
    case boost::json::kind::string: return kString;
    case boost::json::kind::array: return kArray;
    case boost::json::kind::object: return kObject;
    default: return kNumber;
  }
}

bool is_same(const Value& a, const Value& b) {
  if (type_of(a) != type_of(b)) return false;
  if (a.is_number()) return text_of_number(a) == text_of_number(b);
  if (const Array* list = a.if_array())
    return list->size() == b.get_array().size() &&
           std::ranges::equal(*list, b.get_array(), [](auto& x, auto& y) { return is_same(x, y); });
  if (const Object* object = a.if_object()) {
    if (object->size() != b.get_object().size()) return false;
    for (const auto& [name, value] : *object) {
      const Value* other = b.get_object().if_contains(name);
      if (!other || !is_same(value, *other)) return false;
    }
    return true;
  }
  return a == b;
}

Result<JsonSchema> JsonSchema::parse(std::string_view text) {
  if (text.size() > kMaxSourceBytes)
    return Error{Errc::unsupported, fmt::format("the schema has {} bytes, expected at most {}",
                                                text.size(), kMaxSourceBytes)};
  auto document = json::parse_value(text);
  if (!document) return Error{Errc::invalid, "the schema: " + document.error().message};
  if (!document->is_object() && !document->is_bool())
    return Error{Errc::invalid, "the schema: expected an object or a boolean"};
  JsonSchema out;
  out.root_ = out.keep(std::move(*document));
  if (auto done = out.references_.read(out.root_); !done) return done.error();
  return out;
}

Schema JsonSchema::keep(Value value) {
  kept_.push_back(std::move(value));
  return &kept_.back();
}

Result<std::vector<Shape>> JsonSchema::shapes_of(const Schemas& schemas) {
  std::vector<Branch> open(1);
  open[0].left = {schemas.rbegin(), schemas.rend()};
  std::vector<Shape> out;
  while (!open.empty()) {
    Branch branch = std::move(open.back());
    open.pop_back();
    while (!branch.left.empty() && !branch.is_impossible) {
      if (++n_steps_ > kMaxSteps || open.size() + out.size() > kMaxAlternatives)
        return Error{Errc::unsupported,
                     "the schema's alternatives multiply beyond what is sensible"};
      Schema schema = branch.left.back();
      branch.left.pop_back();
      if (!branch.read.insert(schema).second) continue;
      was_read_.push_back(schema);
      if (auto done = read(schema, branch, open); !done) {
        if (!culprit_) culprit_ = schema;
        return done.error();
      }
    }
    if (!branch.is_impossible && branch.shape.types) out.push_back(std::move(branch.shape));
  }
  std::ranges::reverse(out);  // the first alternative is read last
  return out;
}

// The branch goes on with the first alternative, copies of it with the others.
Result<> JsonSchema::split(const Schemas& alternatives, Branch& branch,
                           std::vector<Branch>& others) {
  if (alternatives.empty()) {
    branch.is_impossible = true;
    return {};
  }
  if (others.size() + alternatives.size() > kMaxAlternatives)
    return Error{Errc::unsupported, "the schema's alternatives multiply beyond what is sensible"};
  n_steps_ += alternatives.size() * (1 + branch.read.size() / 8);
  for (size_t i = 0; i + 1 < alternatives.size(); ++i) {
    others.push_back(branch);
    others.back().left.push_back(alternatives[i]);
  }
  branch.left.push_back(alternatives.back());
  return {};
}

Result<> JsonSchema::read(Schema schema, Branch& branch, std::vector<Branch>& others) {
  if (const bool* is_anything = schema->if_bool()) {
    branch.is_impossible = !*is_anything;
    return {};
  }
  const Object* object = schema->if_object();
  if (!object) return Error{Errc::invalid, "a schema is expected to be an object or a boolean"};
  // What changes which values are valid and has no rules here. The value given asks for nothing.
  for (const auto& [keyword, harmless] :
       std::initializer_list<std::pair<std::string_view, Value>>{{"contains", nullptr},
                                                                 {"$dynamicRef", nullptr},
                                                                 {"$recursiveRef", nullptr},
                                                                 {"if", nullptr},
                                                                 {"unevaluatedItems", true}}) {
    const Value* value = member(*object, keyword);
    const bool does_nothing =
        keyword == "if" && !member(*object, "then") && !member(*object, "else");
    if (value && *value != harmless && !does_nothing) return unsupported(keyword);
  }
  if (const Value* unique = member(*object, "uniqueItems"); unique && *unique == Value(true)) {
    uint32_t most = kUnbounded;
    if (auto done = read_count(*object, "maxItems", most, false); !done) return done;
    if (most > 1) return unsupported("uniqueItems");
  }
  if (auto done = read_values(*object, branch.shape); !done) return done;
  if (auto done = read_numbers(*object, branch.shape); !done) return done;
  if (auto done = read_strings(*object, branch.shape); !done) return done;
  if (auto done = read_arrays(*object, branch.shape); !done) return done;
  if (auto done = read_objects(*object, branch); !done) return done;
  return read_applicators(*object, branch, others);
}

Result<> JsonSchema::read_applicators(const Object& object, Branch& branch,
                                      std::vector<Branch>& others) {
  if (const Value* reference = member(object, "$ref")) {
    if (!reference->is_string()) return wrong("$ref", "a string");
    auto target = references_.target_of(std::string_view(reference->get_string()), object);
    if (!target) return target.error();
    // A chain of nothing but references that comes back to itself says nothing.
    std::set<Schema> chain;
    for (Schema at = *target; at->is_object();) {
      if (!chain.insert(at).second || at->if_object() == &object)
        return wrong("$ref", "a schema; it refers to itself");
      const Value* next = member(at->get_object(), "$ref");
      if (!next || !next->is_string()) break;
      auto further = references_.target_of(std::string_view(next->get_string()), at->get_object());
      if (!further) break;
      at = *further;
    }
    branch.left.push_back(*target);
  }
  for (std::string_view keyword : {"allOf", "anyOf", "oneOf"}) {
    const Value* value = member(object, keyword);
    if (!value) continue;
    const Array* list = value->if_array();
    if (!list || list->empty()) return wrong(keyword, "an array of at least one schema");
    Schemas schemas;
    for (const Value& item : *list) schemas.push_back(&item);
    if (keyword == "allOf") {
      branch.left.insert(branch.left.end(), schemas.rbegin(), schemas.rend());
      continue;
    }
    if (keyword == "oneOf")
      for (size_t i = 0; i < schemas.size(); ++i)
        for (size_t j = 0; j < i; ++j) {
          auto is_proven = are_disjoint(schemas[j], schemas[i], 0);
          if (!is_proven) return is_proven.error();
          if (!*is_proven)
            return unsupported("oneOf", fmt::format("alternatives {} and {} may hold at once; use "
                                                    "anyOf",
                                                    j + 1, i + 1));
        }
    if (auto done = split(schemas, branch, others); !done) return done;
  }
  const Value* negated = member(object, "not");
  if (!negated) return {};
  if (const bool* is_anything = negated->if_bool()) {
    branch.is_impossible = branch.is_impossible || *is_anything;
    return {};
  }
  const Object* inner = negated->if_object();
  if (inner && inner->empty()) {
    branch.is_impossible = true;
    return {};
  }
  // Types can be turned around, as long as integers are not told from numbers.
  if (inner && inner->size() == 1 && inner->contains("type")) {
    Shape excluded;
    if (auto done = read_values(*inner, excluded); !done) return done;
    if (!excluded.numbers.is_integer) {
      branch.shape.types &= static_cast<uint8_t>(~excluded.types);
      return {};
    }
  }
  return unsupported("not");
}

Result<> JsonSchema::read_values(const Object& object, Shape& shape) {
  if (const Value* type = member(object, "type")) {
    uint8_t types = 0;
    bool has_number = false, has_integer = false;
    const auto add = [&](const Value& name) {
      if (!name.is_string()) return false;
      const std::string_view text = name.get_string();
      has_number |= text == "number";
      has_integer |= text == "integer";
      types |= type_named(text);
      return type_named(text) != 0;
    };
    bool is_known = true;
    if (const Array* list = type->if_array())
      for (const Value& name : *list) is_known = add(name) && is_known;
    else
      is_known = add(*type);
    if (!is_known) return wrong("type", "null, boolean, integer, number, string, array or object");
    shape.types &= types;
    shape.numbers.is_integer |= has_integer && !has_number;
  }
  std::vector<Schema> values;
  if (const Value* list = member(object, "enum")) {
    if (!list->is_array()) return wrong("enum", "an array");
    for (const Value& value : list->get_array()) values.push_back(&value);
  }
  const Value* single = member(object, "const");
  if (single) {
    const bool is_in = !member(object, "enum") ||
                       std::ranges::any_of(values, [&](Schema v) { return is_same(*v, *single); });
    values.clear();
    if (is_in) values.push_back(single);
  }
  if (!single && !member(object, "enum")) return {};
  if (shape.values) {
    if (shape.values->size() * values.size() > kMaxSteps)
      return unsupported("enum", "two large lists cannot be brought together");
    std::erase_if(*shape.values, [&](Schema v) {
      return std::ranges::none_of(values, [&](Schema other) { return is_same(*v, *other); });
    });
  } else {
    shape.values = std::move(values);
  }
  return {};
}

Result<> JsonSchema::read_numbers(const Object& object, Shape& shape) {
  struct Row {
    std::string_view name, flag;
    bool is_least, is_exclusive;
  };
  // In draft 4 the exclusive ones are flags of the others.
  for (const Row& row :
       {Row{"minimum", "exclusiveMinimum", true, false}, Row{"exclusiveMinimum", "", true, true},
        Row{"maximum", "exclusiveMaximum", false, false},
        Row{"exclusiveMaximum", "", false, true}}) {
    const Value* value = member(object, row.name);
    if (!value || (row.is_exclusive && value->is_bool())) continue;
    const auto decimal = decimal_of(*value);
    if (!decimal) return wrong(row.name, "a number");
    const Value* flag = row.flag.empty() ? nullptr : member(object, row.flag);
    const bool is_exclusive = row.is_exclusive || (flag && *flag == Value(true));
    (row.is_least ? shape.numbers.least : shape.numbers.most).push_back({*decimal, is_exclusive});
  }
  if (const Value* value = member(object, "multipleOf")) {
    const auto decimal = decimal_of(*value);
    if (!decimal || decimal->is_negative) return wrong("multipleOf", "a number above 0");
    shape.numbers.multiples_of.push_back(*decimal);
  }
  return {};
}

Result<> JsonSchema::read_strings(const Object& object, Shape& shape) {
  if (auto done = read_count(object, "minLength", shape.min_length, true); !done) return done;
  if (auto done = read_count(object, "maxLength", shape.max_length, false); !done) return done;
  if (const Value* pattern = member(object, "pattern")) {
    if (!pattern->is_string()) return wrong("pattern", "a string");
    shape.patterns.emplace_back(pattern->get_string());
  }
  if (const Value* value = member(object, "format")) {
    if (!value->is_string()) return wrong("format", "a string");
    const Format format = format_named(std::string_view(value->get_string()));
    if (format.kind == FormatKind::unsupported)
      return unsupported(
          "format", fmt::format("\"{}\" is not supported", std::string_view(value->get_string())));
    if (format.kind == FormatKind::known) shape.formats.push_back(format.pattern);
  }
  return {};
}

Result<> JsonSchema::read_arrays(const Object& object, Shape& shape) {
  if (auto done = read_count(object, "minItems", shape.min_items, true); !done) return done;
  if (auto done = read_count(object, "maxItems", shape.max_items, false); !done) return done;
  const Value* first = member(object, "prefixItems");
  const Value* rest = member(object, "items");
  if (rest && rest->is_array()) {  // drafts before 2020-12
    first = rest;
    rest = member(object, "additionalItems");
  }
  if (first && !first->is_array()) return wrong("prefixItems", "an array of schemas");
  if (!first && !rest) return {};
  ArrayView view{.rest = rest};
  if (first)
    for (const Value& schema : first->get_array()) view.first.push_back(&schema);
  shape.arrays.push_back(std::move(view));
  return {};
}

Result<> JsonSchema::read_objects(const Object& object, Branch& branch) {
  Shape& shape = branch.shape;
  if (auto done = read_count(object, "minProperties", shape.min_members, true); !done) return done;
  if (auto done = read_count(object, "maxProperties", shape.max_members, false); !done) return done;
  ObjectView view;
  for (const auto& [keyword, place] : {std::pair{"properties", &view.properties},
                                       std::pair{"patternProperties", &view.patterns}}) {
    const Value* value = member(object, keyword);
    if (value && !value->is_object()) return wrong(keyword, "an object");
    if (value) *place = &value->get_object();
  }
  if (view.patterns && view.patterns->size() > kMaxKeyPatterns)
    return unsupported("patternProperties", fmt::format("{} patterns for one object, expected at "
                                                        "most {}",
                                                        view.patterns->size(), kMaxKeyPatterns));
  view.others = member(object, "additionalProperties");
  view.names = member(object, "propertyNames");
  if (const Value* unevaluated = member(object, "unevaluatedProperties");
      unevaluated && *unevaluated != Value(true)) {
    // Without applicators it is what additionalProperties is.
    for (const char* applicator :
         {"allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas", "not"})
      if (member(object, applicator)) return unsupported("unevaluatedProperties");
    if (!branch.left.empty() || branch.read.size() > 1) return unsupported("unevaluatedProperties");
    if (!view.others) view.others = unevaluated;
  }
  if (view.properties || view.patterns || view.others || view.names) shape.objects.push_back(view);
  if (const Value* required = member(object, "required"); required && !required->is_bool()) {
    if (!required->is_array()) return wrong("required", "an array of strings");
    for (const Value& name : required->get_array()) {
      if (!name.is_string()) return wrong("required", "an array of strings");
      const std::string text(name.get_string());
      if (!shape.is_required(text)) shape.required.push_back(text);
    }
  }
  // Either the member is not there, or what depends on it holds.
  for (std::string_view keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const Value* value = member(object, keyword);
    if (!value) continue;
    if (!value->is_object()) return wrong(keyword, "an object");
    Schemas all;
    for (const auto& [name, demand] : value->get_object()) {
      const Value absent = Object{{"properties", Object{{name, false}}}};
      const Value present = Object{{"required", Array{Value(name)}}};
      const Value then = demand.is_array() ? Value(Object{{"required", demand}}) : Value(demand);
      const Value both = Object{{"allOf", Array{present, then}}};
      all.push_back(keep(Object{{"anyOf", Array{absent, both}}}));
      if (auto done = references_.read_copy(all.back(), object); !done) return done;
    }
    branch.left.insert(branch.left.end(), all.rbegin(), all.rend());
  }
  return {};
}

namespace {

// The value at this address, and how it is reached ("properties.a").
Value* found(Value& at, Schema wanted, std::string& path) {
  if (&at == wanted) return &at;
  const size_t size = path.size();
  if (Object* object = at.if_object())
    for (auto& [name, child] : *object) {
      path.append(path.empty() ? "" : ".").append(name);
      if (Value* value = found(child, wanted, path)) return value;
      path.resize(size);
    }
  if (Array* list = at.if_array())
    for (size_t i = 0; i < list->size(); ++i) {
      path += fmt::format("[{}]", i);
      if (Value* value = found((*list)[i], wanted, path)) return value;
      path.resize(size);
    }
  return nullptr;
}

}  // namespace

std::optional<JsonSchema::TakenOut> JsonSchema::without_culprit(const Error& error) {
  const std::string blamed = error.message.substr(0, error.message.find(':'));
  const auto take = [&](Schema schema, std::string_view keyword) -> std::optional<TakenOut> {
    const Object* object = schema->if_object();
    if (!object || !object->contains(keyword)) return std::nullopt;
    std::string path;
    Value* at = found(kept_.front(), schema, path);
    if (!at) return std::nullopt;  // made of parts of the document
    Object& changed = at->get_object();
    path.append(path.empty() ? "" : ": ").append(keyword);
    if (keyword == "oneOf" && !changed.contains("anyOf")) {
      changed["anyOf"] = changed["oneOf"];
      path += " (taken as anyOf)";
    }
    changed.erase(keyword);
    return TakenOut{boost::json::serialize(*root_), std::move(path)};
  };
  if (culprit_)
    if (auto out = take(culprit_, blamed)) return out;
  std::ranges::reverse(was_read_);
  // A pattern that cannot be honoured is quoted in the message.
  for (Schema schema : was_read_) {
    const Object* object = schema->if_object();
    const Value* value = object ? object->if_contains(blamed) : nullptr;
    if (!value || !value->is_string()) continue;
    const std::string_view text = value->get_string();
    const std::string quoted = fmt::format("\"{}\"", text.substr(0, 200));
    if (error.message.find(quoted) == std::string::npos) continue;
    if (auto out = take(schema, blamed)) return out;
  }
  for (std::string_view keyword : {std::string_view(blamed), std::string_view("dependentSchemas"),
                                   std::string_view("dependencies")})
    for (Schema schema : was_read_)
      if (auto out = take(schema, keyword)) return out;
  return std::nullopt;
}

Result<bool> JsonSchema::are_disjoint(Schema a, Schema b, int depth) {
  if (depth > kMaxProofDepth) return false;
  auto of_a = shapes_of({a});
  if (!of_a) return of_a.error();
  auto of_b = shapes_of({b});
  if (!of_b) return of_b.error();
  for (const Shape& one : *of_a)
    for (const Shape& other : *of_b) {
      auto is_proven = are_disjoint(one, other, depth);
      if (!is_proven || !*is_proven) return is_proven;
    }
  return true;
}

Result<bool> JsonSchema::are_disjoint(const Shape& a, const Shape& b, int depth) {
  uint8_t common = a.types & b.types;
  if (a.values && b.values)
    return std::ranges::none_of(*a.values, [&](Schema v) {
      return (type_of(*v) & common) &&
             std::ranges::any_of(*b.values, [&](Schema other) { return is_same(*v, *other); });
    });
  for (const Shape* shape : {&a, &b}) {
    if (!shape->values) continue;
    uint8_t types = 0;
    for (Schema v : *shape->values) types |= type_of(*v);
    common &= types;
  }
  if (common & (kNull | kBoolean | kArray)) return false;
  if (common & kNumber) {
    NumberLimits both = a.numbers;
    both.is_integer |= b.numbers.is_integer;
    const auto add = [](auto& to, const auto& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    add(both.least, b.numbers.least);
    add(both.most, b.numbers.most);
    add(both.multiples_of, b.numbers.multiples_of);
    auto dfa = dfa_of_numbers(both);
    if (!dfa || !dfa->is_empty()) return false;
  }
  if (common & kString) {
    auto of_a = dfa_of_strings(a), of_b = dfa_of_strings(b);
    if (!of_a || !of_b) return false;
    auto both = intersection(*of_a, *of_b);
    if (!both || !both->is_empty()) return false;
  }
  if (!(common & kObject)) return true;
  // One member that both must have, and in which they differ.
  for (const std::string& name : a.required) {
    Schemas in_a, in_b;
    for (const auto& [shape, into] : {std::pair{&a, &in_a}, std::pair{&b, &in_b}})
      if (auto done = add_member_schemas(*shape, name, *into); !done) return done.error();
    const auto forbids = [](const Schemas& schemas) {
      return std::ranges::any_of(schemas, [](Schema s) { return *s == never(); });
    };
    if (forbids(in_b)) return true;
    if (!b.is_required(name)) continue;
    auto of_a = shapes_of(in_a);
    if (!of_a) return of_a.error();
    auto of_b = shapes_of(in_b);
    if (!of_b) return of_b.error();
    bool is_apart = true;
    for (const Shape& one : *of_a)
      for (const Shape& other : *of_b) {
        if (!is_apart || depth >= kMaxProofDepth) {
          is_apart = false;
          continue;
        }
        auto is_proven = are_disjoint(one, other, depth + 1);
        if (!is_proven) return is_proven;
        is_apart = *is_proven;
      }
    if (is_apart) return true;
  }
  for (const std::string& name : b.required) {
    Schemas in_a;
    if (auto done = add_member_schemas(a, name, in_a); !done) return done.error();
    if (std::ranges::any_of(in_a, [](Schema s) { return *s == never(); })) return true;
  }
  return false;
}

}  // namespace hearth::grammar
