// Text that came out of a variable is known as such, whatever the template did to it: a control
// token in what a user wrote must never be parsed as one.
#include <gtest/gtest.h>

#include "chat/jinja.h"

namespace hearth::jinja {
namespace {

// The rendered text with what came from variables in «».
std::string marked(std::string_view source, const json::Object& variables) {
  auto parsed = Template::parse(source);
  if (!parsed) return parsed.error().message;
  auto rendered = parsed->render(variables, 0);
  if (!rendered) return rendered.error().message;
  std::string out;
  size_t at = 0;
  for (const auto& range : rendered->from_variables) {
    EXPECT_LE(at, range.begin);
    EXPECT_LT(range.begin, range.end);
    out += rendered->text.substr(at, range.begin - at);
    out.append("«").append(rendered->text, range.begin, range.end - range.begin).append("»");
    at = range.end;
  }
  return out + rendered->text.substr(at);
}

void check(std::string_view source, std::string_view expected) {
  auto variables = json::parse_value(R"({
    "x": "ab cd", "ws": " ab ", "n": 5, "t": true, "l": ["p", "q"], "d": {"k": "v"},
    "bos_token": "<s>", "role": "user",
    "messages": [{"role": "user", "content": "hi"}, {"role": "<|x|>", "content": "ho"}]
  })");
  ASSERT_TRUE(variables) << variables.error().message;
  EXPECT_EQ(marked(source, variables->as_object()), expected) << source;
}

TEST(Provenance, LiteralsAreTrustedAndVariablesAreNot) {
  check("a{{ x }}b", "a«ab cd»b");
  check("{{ 'lit' }}{{ x }}{{ 'lit' }}", "lit«ab cd»lit");
  check("{{ x }}{{ x }}", "«ab cdab cd»");
  check("{% set y = x %}<{{ y }}>", "<«ab cd»>");
}

TEST(Provenance, TheVocabularysTokensAndKnownRolesAreTrusted) {
  check("{{ bos_token }}{{ x }}", "<s>«ab cd»");
  check("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}",
        "<|user|>«hi»<|«<|x|>»|>«ho»");
  check("{{ {'user': '<|u|>'}[role] }}", "<|u|>");
}

TEST(Provenance, NumbersAndConstantsAreHarmless) { check("{{ n }}{{ t }}{{ none }}", "5TrueNone"); }

TEST(Provenance, SurvivesConcatenation) {
  check("{{ '<' ~ x ~ '>' }}", "<«ab cd»>");
  check("{{ '<' + x + '>' }}", "<«ab cd»>");
  check("{{ x * 2 }}{{ '-' * 2 }}", "«ab cdab cd»--");
  check("{{ '%s|%s' % (x, 'lit') }}", "«ab cd»|lit");
  check("{{ '{}|{}'.format('lit', x) }}", "lit|«ab cd»");
  check("{{ '[%8s]' % x }}", "[   «ab cd»]");
  check("{{ x.format() }}{{ (x ~ '{}').format('lit') }}", "«ab cdab cd»lit");
}

TEST(Provenance, SurvivesCuttingAndJoining) {
  check("{{ ('<' ~ x ~ '>')[1:4] }}", "«ab »");
  check("{{ ('<' ~ x ~ '>')[:3] }}", "<«ab»");
  check("{{ ('<' ~ x ~ '>')[::-1] }}", ">«dc ba»<");
  check("{{ ('<' ~ ws ~ '>').split()|join('|') }}", "<|«ab»|>");
  check("{{ ws|trim }}{{ ws.strip() }}{{ (' ' ~ ws).lstrip() }}", "«ababab »");
  check("{{ x.split(' ')|join('-') }}", "«ab»-«cd»");
  check("{{ ', '.join(l) }}{{ l|join(x) }}", "«p», «qpab cdq»");
  check("{{ x[0] }}{{ x|first }}{{ x|last }}", "«aad»");
  check("{% for c in x[:2] %}({{ c }}){% endfor %}", "(«a»)(«b»)");
  check("{{ x|truncate(3, true, '.', 0) }}", "«ab».");
}

TEST(Provenance, SurvivesReplacing) {
  check("{{ x|replace(' ', '_') }}", "«ab»_«cd»");
  check("{{ 'a-b'.replace('-', x) }}", "a«ab cd»b");
  check("{{ x.replace('ab', '') }}", "« cd»");
}

TEST(Provenance, SurvivesChangesOfCase) {
  check("{{ x|upper }}{{ 'lit'|upper }}", "«AB CD»LIT");
  check("{{ ('lit ' ~ x)|title }}", "Lit «Ab Cd»");
  check("{{ ('lit ' ~ x).capitalize() }}", "Lit «ab cd»");
}

TEST(Provenance, SurvivesCaptureAndMacros) {
  check("{% set y %}<{{ x }}>{% endset %}{{ y }}", "<«ab cd»>");
  check("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(x) }}{{ m('lit') }}", "<«ab cd»><lit>");
  check("{% filter upper %}lit {{ x }}{% endfilter %}", "LIT «AB CD»");
  check("{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}{{ x }}{% endcall %}",
        "<«ab cd»>");
  check("{% set ns = namespace(y=x) %}{{ ns.y }}", "«ab cd»");
}

TEST(Provenance, OfTextDerivedFromContainersIsConservative) {
  check("{{ [x, 'lit'] }}", "[«'ab cd'», 'lit']");
  check("{{ d|tojson }}", "{«\"k\"»: «\"v\"»}");
  check("{{ {'k': 'lit'}|tojson }}", R"({"k": "lit"})");
  check("{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", "«k»=«v»");
  check("{{ l|map('upper')|join(',') }}", "«P»,«Q»");
  check("{{ l|sort|first }}{{ d|dictsort }}", "«p»[(«'k'», «'v'»)]");
  check("{{ x|indent(2, true) }}{{ x|e }}{{ x|urlencode }}{{ x|center(7) }}",
        "  «ab cdab cdab%20cd» «ab cd» ");
}

}  // namespace
}  // namespace hearth::jinja
