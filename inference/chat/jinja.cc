#include "chat/jinja.h"

#include "chat/jinja/interpreter.h"
#include "chat/jinja/parser.h"
#include "chat/jinja/scope.h"
#include "chat/jinja/variables.h"

namespace hearth::jinja {

namespace {

Error error_of(const Failure& failure) {
  if (failure.by_template) return {Errc::invalid, failure.message};
  std::string where = failure.line ? concat(" line ", std::to_string(failure.line)) : "";
  return {Errc::invalid, concat("template", where, ": ", failure.message)};
}

}  // namespace

struct Template::State {
  ast::Template code;
};

Template::Template(std::unique_ptr<State> state) : state_(std::move(state)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view source) {
  try {
    auto state = std::make_unique<State>();
    state->code = jinja::parse(source);
    bind_names(state->code);
    return Template(std::move(state));
  } catch (const Failure& failure) {
    return error_of(failure);
  }
}

Result<Rendered> Template::render(const json::Object& variables, int64_t now_unix_s,
                                  const Limits& limits) const {
  Runtime runtime(limits, now_unix_s);
  try {
    Interpreter interpreter(runtime, state_->code, variables_from(runtime, variables));
    Text text = interpreter.run();
    return Rendered{std::move(text.bytes), std::move(text.from_variables)};
  } catch (const Failure& failure) {
    return error_of(failure);
  }
}

Result<std::string> render_file_template(std::string_view source, std::string_view variables_json,
                                         int64_t now_unix_s) {
  auto parsed = Template::parse(source);
  if (!parsed) return parsed.error();
  auto variables = json::parse_value(variables_json);
  if (!variables) return Error{Errc::invalid, concat("variables: ", variables.error().message)};
  if (!variables->is_object()) return Error{Errc::invalid, "variables: expected a JSON object"};
  auto rendered = parsed->render(variables->get_object(), now_unix_s);
  if (!rendered) return rendered.error();
  return std::move(rendered->text);
}

}  // namespace hearth::jinja
