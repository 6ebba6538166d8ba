#include "grammar/json_schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "grammar/grammar.h"
#include "grammar/json_strings.h"
#include "grammar/regex.h"

namespace hearth::grammar {

namespace {

constexpr size_t kMaxRules = 50'000;
constexpr size_t kMaxAllDfaStates = 50'000;
constexpr size_t kMaxKeyPatterns = 5;  // of one object: their combinations are told apart
constexpr uint32_t kMaxCountedMembers = 64;

// Digits without end are what small models fall into.
constexpr std::string_view kIntegerPattern = "-?(?:0|[1-9][0-9]{0,18})";
constexpr std::string_view kNumberPattern =
    R"(-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,3})?)";

Error too_many_rules() {
  return {Errc::unsupported, fmt::format("the schema needs more than {} rules", kMaxRules)};
}

}  // namespace

JsonRules::JsonRules(Rules& rules)
    : rules_(rules),
      value_(rules.add_rule("JSON value")),
      object_(rules.add_rule("JSON object")),
      string_(rules.add_rule("JSON string")),
      character_(rules.add_rule("JSON character")),
      comma_(rules.add_rule("','")),
      colon_(rules.add_rule("':'")),
      number_(rules.add_rule("JSON number")),
      integer_(rules.add_rule("JSON integer")) {
  define_values();
}

void JsonRules::define_values() {
  Rules& r = rules_;
  const auto define_regex = [&](RuleId rule, std::string_view pattern) {
    r.define(rule, *parse_regex(r, pattern, Match::whole));
  };
  define_regex(number_, kNumberPattern);
  define_regex(integer_, kIntegerPattern);
  // Escapes of surrogates only in pairs.
  const Expr plain = r.set((CharSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}).complement());
  const Expr escaped =
      *parse_regex(r,
                   R"(\\(?:["\\/bfnrt]|u(?:[0-9A-CEFa-cef][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2}|)"
                   R"([Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2})))",
                   Match::whole);
  r.define(character_, r.alt({plain, escaped}));
  const Expr character = r.alt({plain, escaped});
  r.define(string_, r.cat({word("\""), r.repeat(character, 0, kUnbounded), word("\"")}));
  r.define(comma_, r.cat({word(","), r.optional(word(" "))}));
  r.define(colon_, r.cat({word(":"), r.optional(word(" "))}));
  const auto list = [&](std::string_view open, Expr item, std::string_view close) {
    const Expr more = r.repeat(r.cat({separator(), item}), 0, kUnbounded);
    return r.cat({word(open), r.optional(r.cat({item, more})), word(close)});
  };
  r.define(object_, list("{", r.cat({any_string(), colon(), any_value()}), "}"));
  r.define(value_, r.alt({any_object(), list("[", any_value(), "]"), any_string(), r.rule(number_),
                          r.words({"true", "false", "null"})}));
}

Result<Expr> JsonRules::of_schema(std::string_view text) {
  if (text.empty()) return any_value();
  auto schema = JsonSchema::parse(text);
  if (!schema) return schema.error();
  return of_parsed(std::move(*schema), false);
}

Result<Expr> JsonRules::of_object_schema(std::string_view text) {
  if (text.empty() || text == "null") return any_object();
  auto schema = JsonSchema::parse(text);
  if (!schema) return schema.error();
  return of_parsed(std::move(*schema), true);
}

Result<Expr> JsonRules::of_parsed(JsonSchema parsed, bool is_object) {
  static const json::Value object_type = json::Object{{"type", "object"}};
  pending_.clear();  // of a schema that was refused
  JsonSchema& schema = schemas_.emplace_back(std::move(parsed));
  Schemas schemas = {schema.root()};
  if (is_object) schemas.push_back(&object_type);
  const RuleId rule = rule_of(schema, std::move(schemas));
  if (auto done = work_off(); !done) return done.error();
  return rules_.rule(rule);
}

// Rules are made for what others refer to until nothing is left: no recursion, however schemas
// nest.
Result<> JsonRules::work_off() {
  while (!pending_.empty()) {
    Pending next = std::move(pending_.back());
    pending_.pop_back();
    if (rules_.rules().size() > kMaxRules) return too_many_rules();
    if (rules_.n_dfa_states() > kMaxAllDfaStates)
      return Error{Errc::unsupported, fmt::format("pattern: all of them together need automata of "
                                                  "more than {} states",
                                                  kMaxAllDfaStates)};
    next.schema->forget_read();
    auto shapes = next.schema->shapes_of(next.schemas);
    if (!shapes) return shapes.error();
    auto expr = alternatives_of(*next.schema, *shapes);
    if (!expr) return expr.error();
    rules_.define(next.rule, *expr);
  }
  return {};
}

RuleId JsonRules::rule_of(JsonSchema& schema, Schemas schemas) {
  std::ranges::sort(schemas);
  schemas.erase(std::ranges::unique(schemas).begin(), schemas.end());
  std::erase_if(schemas, [](Schema s) { return s->is_bool() && s->get_bool(); });
  if (schemas.empty()) return value_;
  auto [at, is_new] = known_.emplace(std::pair(&schema, schemas), 0);
  if (is_new) {
    at->second = rules_.add_rule("schema");
    pending_.push_back({&schema, std::move(schemas), at->second});
  }
  return at->second;
}

Result<Expr> JsonRules::alternatives_of(JsonSchema& schema, const std::vector<Shape>& shapes) {
  std::vector<Expr> all;
  for (const Shape& shape : shapes) {
    auto expr = expr_of(schema, shape);
    if (!expr) return expr;
    all.push_back(*expr);
  }
  return rules_.alt(std::move(all));
}

Result<Expr> JsonRules::expr_of(JsonSchema& schema, const Shape& shape) {
  if (shape.values) return values_of(schema, shape);
  std::vector<Expr> all;
  const auto add = [&](Result<Expr> expr) -> Result<> {
    if (!expr) return expr.error();
    all.push_back(*expr);
    return {};
  };
  Result<> done;
  if (shape.types & kObject)
    if (done = add(object_of(schema, shape)); !done) return done.error();
  if (shape.types & kArray)
    if (done = add(array_of(schema, shape)); !done) return done.error();
  if (shape.types & kString)
    if (done = add(string_of(shape)); !done) return done.error();
  if (shape.types & kNumber)
    if (done = add(number_of(shape)); !done) return done.error();
  if (shape.types & kBoolean) all.push_back(rules_.words({"true", "false"}));
  if (shape.types & kNull) all.push_back(word("null"));
  return rules_.alt(std::move(all));
}

Result<Expr> JsonRules::number_of(const Shape& shape) {
  if (shape.numbers.is_free()) return rules_.rule(shape.numbers.is_integer ? integer_ : number_);
  auto dfa = dfa_of_numbers(shape.numbers);
  if (!dfa) return dfa.error();
  return rules_.dfa(std::move(*dfa), false);
}

Result<Expr> JsonRules::string_of(const Shape& shape) {
  if (!shape.has_string_limits()) return any_string();
  Expr text;
  if (shape.patterns.empty() && shape.formats.empty()) {
    if (shape.min_length > shape.max_length) return rules_.nothing();
    text = rules_.repeat(rules_.rule(character_), shape.min_length, shape.max_length);
  } else {
    auto dfa = dfa_of_strings(shape);
    if (!dfa) return dfa.error();
    text = rules_.dfa(std::move(*dfa), true);
  }
  return rules_.cat({word("\""), text, word("\"")});
}

Result<Expr> JsonRules::array_of(JsonSchema& schema, const Shape& shape) {
  if (shape.min_items > shape.max_items) return rules_.nothing();
  const auto item = [&](size_t index) {
    Schemas schemas;
    for (const ArrayView& view : shape.arrays) view.add_at(index, schemas);
    return rules_.rule(rule_of(schema, std::move(schemas)));
  };
  size_t n_first = 0;
  for (const ArrayView& view : shape.arrays) n_first = std::max(n_first, view.first.size());
  if (n_first > kMaxRules) return too_many_rules();
  const auto less = [](uint32_t n, uint32_t by) {
    return n == kUnbounded ? n : n - std::min(n, by);
  };
  // From the end: what may follow behind so many items.
  const uint32_t n_before = static_cast<uint32_t>(std::max<size_t>(n_first, 1));
  Expr tail = rules_.repeat(rules_.cat({separator(), item(n_first)}),
                            less(shape.min_items, n_before), less(shape.max_items, n_before));
  for (uint32_t i = n_before; i-- > 0;) {
    if (i >= shape.max_items) {
      tail = rules_.empty();
      continue;
    }
    tail = i == 0 ? rules_.cat({item(0), tail}) : rules_.cat({separator(), item(i), tail});
    if (i >= shape.min_items) tail = rules_.optional(tail);
    if (i > 0) {  // a rule of its own: long lists must not nest
      const RuleId rule = rules_.add_rule("items");
      rules_.define(rule, tail);
      tail = rules_.rule(rule);
    }
  }
  return rules_.cat({word("["), tail, word("]")});
}

Result<Expr> JsonRules::object_of(JsonSchema& schema, const Shape& shape) {
  if (shape.objects.empty() && shape.required.empty() && shape.min_members == 0 &&
      shape.max_members == kUnbounded)
    return any_object();
  if (shape.min_members > shape.max_members) return rules_.nothing();
  std::vector<std::string> names;
  std::map<std::string, bool, std::less<>> is_required;
  for (const ObjectView& view : shape.objects)
    if (view.properties)
      for (const auto& [name, property] : *view.properties)
        if (is_required.emplace(name, false).second) names.emplace_back(name);
  for (const std::string& name : shape.required) {
    if (is_required.emplace(name, true).second) names.push_back(name);
    is_required[name] = true;
  }
  std::vector<Expr> members;
  for (const std::string& name : names) {
    Schemas schemas;
    if (auto done = schema.add_member_schemas(shape, name, schemas); !done) return done.error();
    members.push_back(rules_.cat(
        {word(json::quote(name)), colon(), rules_.rule(rule_of(schema, std::move(schemas)))}));
  }
  auto other = other_members_of(schema, shape, names);
  if (!other) return other;

  // A rule for each place in the list and number of members written so far, as far as that matters.
  // A name that is written twice makes one member, and nothing keeps those that the schema does not
  // name apart: towards minProperties they count as one.
  const uint32_t most = shape.max_members, least = shape.min_members;
  const bool has_others =
      rules_.node(*other).kind != Rules::Kind::alt || !rules_.node(*other).children.empty();
  if (has_others && least > names.size() + 1)
    return Error{Errc::unsupported,
                 fmt::format("minProperties: {} where {} members have names that are known", least,
                             names.size())};
  const uint32_t n_counted = most == kUnbounded ? std::max(least, 1u) : std::max(most, 1u);
  if (!names.empty() && n_counted > kMaxCountedMembers)
    return Error{
        Errc::unsupported,
        fmt::format("{}: above {} beside properties",
                    most == kUnbounded ? "minProperties" : "maxProperties", kMaxCountedMembers)};
  const auto rest = [&](uint32_t n) {
    const uint32_t from = least - std::min(least, n);
    const uint32_t to = most == kUnbounded ? most : most - std::min(most, n);
    if (from > 1) return rules_.nothing();
    const Expr more = rules_.cat({separator(), *other});
    if (n > 0) return rules_.repeat(more, from, to);
    if (to == 0) return rules_.empty();
    const Expr some = rules_.cat(
        {*other, rules_.repeat(more, std::max(from, 1u) - 1, to == kUnbounded ? to : to - 1)});
    return from == 0 ? rules_.optional(some) : some;
  };
  std::map<std::pair<size_t, uint32_t>, RuleId> places;
  std::vector<std::pair<size_t, uint32_t>> left;
  const auto place = [&](size_t i, uint32_t n) {
    auto [at, is_new] = places.emplace(std::pair(i, std::min(n, n_counted)), 0);
    if (is_new) {
      at->second = rules_.add_rule("members");
      left.push_back(at->first);
    }
    return rules_.rule(at->second);
  };
  const Expr all = place(0, 0);
  while (!left.empty()) {
    const auto [i, n] = left.back();
    left.pop_back();
    if (rules_.rules().size() > kMaxRules) return too_many_rules();
    const RuleId rule = places[{i, n}];
    if (i == names.size()) {
      rules_.define(rule, rest(n));
      continue;
    }
    std::vector<Expr> ways;
    if (most == kUnbounded || n < most) {
      const Expr next = place(i + 1, n + 1);
      ways.push_back(n == 0 ? rules_.cat({members[i], next})
                            : rules_.cat({separator(), members[i], next}));
    }
    if (!is_required[names[i]]) ways.push_back(place(i + 1, n));
    rules_.define(rule, rules_.alt(std::move(ways)));
  }
  return rules_.cat({word("{"), all, word("}")});
}

// A member whose name is none of the known ones.
Result<Expr> JsonRules::other_members_of(JsonSchema& schema, const Shape& shape,
                                         const std::vector<std::string>& known) {
  std::vector<std::string_view> words(known.begin(), known.end());
  Result<Dfa> names = complement(dfa_of_words(words));
  std::vector<std::string> patterns;
  for (const ObjectView& view : shape.objects) {
    if (view.names) {
      auto allowed = schema.names_of(*view.names);
      if (!allowed) return allowed.error();
      names = intersection(*names, *allowed);
      if (!names) return names.error();
    }
    if (!view.patterns) continue;
    for (const auto& [pattern, property] : *view.patterns)
      if (std::ranges::count(patterns, pattern) == 0) patterns.emplace_back(pattern);
  }
  if (patterns.size() > kMaxKeyPatterns)
    return Error{Errc::unsupported, fmt::format("patternProperties: {} patterns for one object, "
                                                "expected at most {}",
                                                patterns.size(), kMaxKeyPatterns)};
  std::vector<Expr> all;
  for (uint32_t chosen = 0; chosen < 1u << patterns.size(); ++chosen) {
    const auto is_chosen = [&](std::string_view pattern) {
      const size_t i = static_cast<size_t>(std::ranges::find(patterns, pattern) - patterns.begin());
      return (chosen >> i & 1) != 0;
    };
    Result<Dfa> matching = *names;
    for (const std::string& pattern : patterns) {
      auto dfa = schema.key_pattern(pattern);
      if (!dfa) return dfa.error();
      matching = intersection(*matching, is_chosen(pattern) ? **dfa : complement(**dfa));
      if (!matching) return matching.error();
    }
    if (matching->is_empty()) continue;
    Schemas schemas;
    for (const ObjectView& view : shape.objects) {
      bool is_known = false;
      if (view.patterns)
        for (const auto& [pattern, property] : *view.patterns)
          if (is_chosen(pattern)) schemas.push_back(&property), is_known = true;
      if (!is_known && view.others) schemas.push_back(view.others);
    }
    if (std::ranges::any_of(schemas, [](Schema s) { return s->is_bool() && !s->get_bool(); }))
      continue;
    const bool is_any = known.empty() && patterns.empty() &&
                        std::ranges::none_of(shape.objects, &ObjectView::names);
    const Expr name =
        is_any ? any_string()
               : rules_.cat({word("\""), rules_.dfa(std::move(*matching), true), word("\"")});
    all.push_back(rules_.cat({name, colon(), rules_.rule(rule_of(schema, std::move(schemas)))}));
  }
  return rules_.alt(std::move(all));
}

// Those of the values that fulfil what else is said.
Result<Expr> JsonRules::values_of(JsonSchema& schema, const Shape& shape) {
  Shape rest = shape;
  rest.values.reset();
  const bool has_more = !rest.numbers.is_free() || rest.numbers.is_integer ||
                        rest.has_string_limits() || !rest.arrays.empty() || !rest.objects.empty() ||
                        !rest.required.empty() || rest.min_items || rest.min_members ||
                        rest.max_items != kUnbounded || rest.max_members != kUnbounded;
  std::shared_ptr<const Grammar> checker;
  if (has_more) {
    Rules rules;
    JsonRules json(rules);
    auto expr = json.expr_of(schema, rest);
    if (!expr) return expr;
    if (auto done = json.work_off(); !done) return done.error();
    const RuleId root = rules.add_rule("root");
    rules.define(root, *expr);
    auto made = Grammar::from_rules(rules, root);
    if (!made) return rules_.nothing();
    checker = std::move(*made);
  }
  std::vector<std::string> words;
  std::vector<Expr> all;
  for (Schema value : *shape.values) {
    if (!(type_of(*value) & shape.types)) continue;
    const bool is_number = value->is_number();
    const std::string text = is_number ? text_of_number(*value) : boost::json::serialize(*value);
    if (checker && !checker->matches(text)) continue;
    if (value->is_structured()) {
      all.push_back(expr_of_value(*value));
      continue;
    }
    words.push_back(text);
    const bool is_whole = is_number && text.find_first_of(".eE") == text.npos;
    if (is_whole && !shape.numbers.is_integer) words.push_back(text + ".0");
  }
  if (!words.empty()) all.push_back(rules_.words(std::move(words)));
  return rules_.alt(std::move(all));
}

Expr JsonRules::expr_of_value(const json::Value& value) {
  std::vector<Expr> parts;
  if (const json::Array* list = value.if_array()) {
    parts.push_back(word("["));
    for (size_t i = 0; i < list->size(); ++i) {
      if (i > 0) parts.push_back(separator());
      parts.push_back(expr_of_value((*list)[i]));
    }
    parts.push_back(word("]"));
  } else if (const json::Object* object = value.if_object()) {
    parts.push_back(word("{"));
    for (const auto& [name, item] : *object) {
      if (parts.size() > 1) parts.push_back(separator());
      parts.insert(parts.end(), {word(json::quote(name)), colon(), expr_of_value(item)});
    }
    parts.push_back(word("}"));
  } else {
    return word(value.is_number() ? text_of_number(value) : boost::json::serialize(value));
  }
  return rules_.cat(std::move(parts));
}

Result<std::optional<std::vector<JsonRules::Member>>> JsonRules::members_of(std::string_view text) {
  std::optional<std::vector<Member>> none;
  if (text.empty() || text == "null") return none;
  auto parsed = JsonSchema::parse(text);
  if (!parsed) return parsed.error();
  pending_.clear();
  JsonSchema& schema = schemas_.emplace_back(std::move(*parsed));
  auto shapes = schema.shapes_of({schema.root()});
  if (!shapes) return shapes.error();
  if (shapes->size() != 1 || shapes->front().values) return none;
  const Shape& shape = shapes->front();
  std::vector<Member> out;
  for (const ObjectView& view : shape.objects) {
    if (!view.properties) continue;
    for (const auto& [name, property] : *view.properties) {
      if (std::ranges::count(out, name, &Member::name) > 0) continue;
      Schemas schemas;
      if (auto done = schema.add_member_schemas(shape, name, schemas); !done) return done.error();
      auto of_member = schema.shapes_of(schemas);
      if (!of_member) return of_member.error();
      const bool is_text = std::ranges::all_of(
          *of_member, [](const Shape& s) { return s.types == kString && !s.values; });
      out.push_back({std::string(name), shape.is_required(name), is_text,
                     rules_.rule(rule_of(schema, std::move(schemas)))});
    }
  }
  if (auto done = work_off(); !done) return done.error();
  return std::optional(std::move(out));
}

Relaxed relaxed_object_schema(std::string_view schema) {
  constexpr size_t kMaxTakenOut = 32, kMaxOfLarge = 4, kLargeBytes = 32 << 10;
  Relaxed out{std::string(schema), {}};
  const size_t n_most = schema.size() > kLargeBytes ? kMaxOfLarge : kMaxTakenOut;
  while (true) {
    Rules rules;
    JsonRules json(rules);
    auto made = json.of_object_schema(out.schema);
    if (made) return out;
    auto next = json.without_culprit(made.error());
    if (!next || out.left_out.size() >= n_most) {
      out.left_out.push_back("all of it: " + made.error().message);
      out.schema.clear();
      return out;
    }
    out.schema = std::move(next->schema);
    out.left_out.push_back(std::move(next->place));
  }
}

}  // namespace hearth::grammar
