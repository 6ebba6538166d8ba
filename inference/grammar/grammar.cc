#include "grammar/grammar.h"

#include "grammar/json_schema.h"
#include "grammar/regex.h"

namespace hearth::grammar {

Result<std::shared_ptr<const Grammar>> Grammar::from_rules(const Rules& rules, RuleId root) {
  auto program = compile(rules, root);
  if (!program) return program.error();
  return std::shared_ptr<const Grammar>(new Grammar(std::move(*program)));
}

Result<std::shared_ptr<const Grammar>> Grammar::from_regex(std::string_view pattern) {
  Rules rules;
  auto expr = parse_regex(rules, pattern, Match::whole);
  if (!expr) return expr.error();
  const RuleId root = rules.add_rule("root");
  rules.define(root, *expr);
  return from_rules(rules, root);
}

Result<std::shared_ptr<const Grammar>> Grammar::from_json_schema(std::string_view schema) {
  Rules rules;
  JsonRules json(rules);
  auto value = json.of_schema(schema);
  if (!value) return value.error();
  const RuleId root = rules.add_rule("root");
  rules.define(root, *value);
  return from_rules(rules, root);
}

Result<std::shared_ptr<const Grammar>> Grammar::any_object() {
  Rules rules;
  JsonRules json(rules);
  const RuleId root = rules.add_rule("root");
  rules.define(root, json.any_object());
  return from_rules(rules, root);
}

bool Grammar::matches(std::string_view text) const {
  Machine machine(program_);
  StateId state = machine.start();
  for (char c : text)
    if (state = machine.step(state, static_cast<uint8_t>(c)); state == kDead) return false;
  return machine.accepts(state);
}

}  // namespace hearth::grammar
