// JSON as grammar rules: any value, or what a schema lets in. Written without white space but one
// space behind ',' and ':' at most; members in the order in which the schema names them.
//
// One thread; borrows the rules to which it adds.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/json_shape.h"
#include "grammar/rules.h"

namespace hearth::grammar {

class JsonRules {
 public:
  explicit JsonRules(Rules& rules);

  Expr any_value() { return rules_.rule(value_); }
  Expr any_object() { return rules_.rule(object_); }
  Expr any_string() { return rules_.rule(string_); }
  Expr separator() { return rules_.rule(comma_); }  // ',' and ':', with a space behind or without
  Expr colon() { return rules_.rule(colon_); }

  // Errors name the keyword. An empty text is no demand.
  Result<Expr> of_schema(std::string_view schema);
  // The same for a value that has to be an object anyway (a call's arguments).
  Result<Expr> of_object_schema(std::string_view schema);

  // After an error of of_object_schema(): as JsonSchema has it.
  std::optional<JsonSchema::TakenOut> without_culprit(const Error& error) {
    if (schemas_.empty()) return std::nullopt;
    return schemas_.back().without_culprit(error);
  }

  // Values of an object schema's members, one by one, for forms that are not JSON as a whole.
  struct Member {
    std::string name;
    bool is_required;
    bool is_only_string;  // written as plain text by some forms
    Expr value;
  };
  // Nothing when the schema is no plain object (alternatives, or no properties at all).
  Result<std::optional<std::vector<Member>>> members_of(std::string_view schema);

 private:
  struct Pending {
    JsonSchema* schema;
    Schemas schemas;
    RuleId rule;
  };

  void define_values();
  Expr word(std::string_view text) { return rules_.bytes(text); }
  Result<> work_off();
  RuleId rule_of(JsonSchema& schema, Schemas schemas);
  Result<Expr> alternatives_of(JsonSchema& schema, const std::vector<Shape>& shapes);
  Result<Expr> expr_of(JsonSchema& schema, const Shape& shape);
  Result<Expr> number_of(const Shape& shape);
  Result<Expr> string_of(const Shape& shape);
  Result<Expr> array_of(JsonSchema& schema, const Shape& shape);
  Result<Expr> object_of(JsonSchema& schema, const Shape& shape);
  Result<Expr> other_members_of(JsonSchema& schema, const Shape& shape,
                                const std::vector<std::string>& known);
  Result<Expr> values_of(JsonSchema& schema, const Shape& shape);
  Expr expr_of_value(const json::Value& value);
  Result<Expr> of_parsed(JsonSchema schema, bool is_object);

  Rules& rules_;
  RuleId value_, object_, string_, character_, comma_, colon_, number_, integer_;
  std::deque<JsonSchema> schemas_;
  std::map<std::pair<JsonSchema*, Schemas>, RuleId> known_;
  std::vector<Pending> pending_;
};

// What of a schema for an object can be honoured. Keywords that cannot are taken out, one by one,
// and told with their place; where that does not help, nothing is left (an empty text: any object).
struct Relaxed {
  std::string schema;
  std::vector<std::string> left_out;  // "properties.a: uniqueItems"
};
Relaxed relaxed_object_schema(std::string_view schema);

}  // namespace hearth::grammar
