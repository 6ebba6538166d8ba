// Errors say where and what, so that a person can mend the template.
#include <gtest/gtest.h>

#include "chat/jinja.h"

namespace hearth::jinja {
namespace {

void check(std::string_view source, std::string_view message) {
  auto parsed = Template::parse(source);
  const json::Object variables{{"d", json::Object{{"a", 1}}}};
  auto rendered = parsed ? parsed->render(variables, 0) : Result<Rendered>(parsed.error());
  ASSERT_FALSE(rendered) << source;
  EXPECT_EQ(rendered.error().message, message) << source;
}

TEST(JinjaErrors, NameTheLineAndTheCause) {
  check("a\nb\n{{ x.y }}", "template line 3: 'x' is undefined");
  check("{{ d.b.c }}", "template line 1: 'dict object' has no attribute 'b'");
  check("{{ d[5].c }}", "template line 1: dict object has no element 5");
  check("{% if true %}\n{{ 1 + 'a' }}\n{% endif %}",
        "template line 2: unsupported operand type(s) for +: 'int' and 'str'");
  check("{% for i in 5 %}{% endfor %}", "template line 1: 'int' object is not iterable");
  check("\n{{ d|nothing }}", "template line 2: No filter named 'nothing'.");
  check("{{ d is nothing }}", "template line 1: No test named 'nothing'.");
  check("{{ d() }}", "template line 1: 'dict' object is not callable");
  check("{% macro m(a) %}{% endmacro %}{{ m(b=1) }}",
        "template line 1: macro 'm' takes no keyword argument 'b'");
  check("{{ d.get() }}", "template line 1: get() missing required argument 'key'");
  check("{{ d|join(nope=1) }}",
        "template line 1: join() got an unexpected keyword argument 'nope'");
}

TEST(JinjaErrors, OfSyntaxSayWhatWasExpected) {
  check("{% if true %}\nx", "template line 2: unexpected end of template, expected 'endif'");
  check("{% include 'x' %}",
        "template line 1: the tag 'include' is not supported in a chat template");
  check("{% frob %}", "template line 1: unknown tag 'frob'");
  check("{{ (1 }}", "template line 1: unexpected '}', expected ')'");
  check("{{ 1 2 }}", "template line 1: expected end of print statement, got 'integer'");
  check("x\n{# y", "template line 2: Missing end of comment tag");
}

TEST(JinjaErrors, OfTheTemplateItselfAreItsOwnWords) {
  check("{{ raise_exception('Only user and assistant roles are supported!') }}",
        "Only user and assistant roles are supported!");
}

TEST(JinjaErrors, KeepTheSandboxClosed) {
  check("{{ d.__class__.__init__ }}",
        "template line 1: access to attribute '__class__' of 'dict' object is unsafe.");
  check("{{ d.update({}) }}",
        "template line 1: access to attribute 'update' of 'dict' object is unsafe.");
  check("{{ [].append(1) }}",
        "template line 1: access to attribute 'append' of 'list' object is unsafe.");
}

}  // namespace
}  // namespace hearth::jinja
