// A template is hostile: whatever it does, rendering ends soon, in bounded memory, with an error.
#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>

#include "chat/jinja.h"

namespace hearth::jinja {
namespace {

constexpr Limits kSmall{.max_steps = 200'000,
                        .max_output_bytes = 1u << 20,
                        .max_value_bytes = 1u << 22,
                        .max_depth = 200};

Result<Rendered> render(std::string_view source, const json::Object& variables = {},
                        const Limits& limits = kSmall) {
  auto parsed = Template::parse(source);
  if (!parsed) return parsed.error();
  return parsed->render(variables, 0, limits);
}

void expect_refused(std::string_view source, std::string_view reason) {
  auto rendered = render(source);
  ASSERT_FALSE(rendered) << source.substr(0, 80);
  EXPECT_EQ(rendered.error().code, Errc::invalid);
  EXPECT_NE(rendered.error().message.find(reason), std::string::npos) << rendered.error().message;
}

std::string repeat(std::string_view text, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (std::string_view part : parts) out += part;
  return out;
}

// Runs on a thread whose stack is as small as those of a busy engine may be.
void on_small_stack(std::function<void()> work) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 512u << 10), 0);
  pthread_t thread;
  auto run = [](void* argument) -> void* {
    (*static_cast<std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &work), 0);
  EXPECT_EQ(pthread_join(thread, nullptr), 0);
  pthread_attr_destroy(&attributes);
}

TEST(JinjaLimits, EndLoopsThatTakeTooLong) {
  expect_refused("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
                 "steps");
  expect_refused(
      "{% set ns = namespace(l=[1]) %}{% for i in range(5000) %}"
      "{% set ns.l = ns.l|map('string') %}{% endfor %}{{ ns.l|list }}",
      "deep");
  expect_refused(
      "{% macro m(n) %}{% for i in range(9) %}{{ m(n - 1) if n }}{% endfor %}"
      "{% endmacro %}{{ m(50) }}",
      "steps");
}

TEST(JinjaLimits, RefuseRangesBeyondTheSandbox) {
  expect_refused("{% for i in range(1000000000) %}{% endfor %}", "Range too big");
  expect_refused("{{ range(10 ** 30) }}", "too large");
}

TEST(JinjaLimits, ChargeForBytesWalkedNotOnlyForOperations) {
  expect_refused(
      "{% set s = 'ab' * 200000 %}{% for i in range(10000) %}"
      "{% if 'c' in s %}{% endif %}{% endfor %}",
      "steps");
  expect_refused(
      "{% set s = 'é' * 200000 %}{% for i in range(10000) %}"
      "{% if s[-1] == 'x' %}{% endif %}{% endfor %}",
      "steps");
}

TEST(JinjaLimits, BoundTheOutput) {
  expect_refused("{% set s = 'a' * 100000 %}{% for i in range(100) %}{{ s }}{% endfor %}", "bytes");
  expect_refused(
      "{% set s = 'a' * 40 %}{% set x %}{% for i in range(30000) %}{{ s }}{% endfor %}{% endset %}",
      "bytes");
}

TEST(JinjaLimits, BoundWhatValuesHold) {
  for (std::string_view source : {
           "{{ 'a' * 10 ** 12 }}",
           "{{ [1] * 10 ** 15 }}",
           "{{ 'a' * (2 ** 100) }}",
           "{% set ns = namespace(s='a') %}{% for i in range(60) %}"
           "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
           "{% set ns = namespace(s='a') %}{% for i in range(60) %}"
           "{% set ns.s = ns.s + ns.s %}{% endfor %}",
           "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}"
           "{% set ns.l = ns.l + ns.l %}{% endfor %}",
           "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}"
           "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
           "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}"
           "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}",
           "{{ ('a' * 1000000).replace('', 'bbbbbbbb') }}",
           "{{ ('a' * 1000000)|replace('a', 'bbbbbbbb') }}",
           "{{ (',' * 1000000).split(',') }}",
           "{{ ('\\n' * 1000000).splitlines() }}",
           "{{ ('a' * 1000000)|list }}",
           "{{ ('a\\n' * 500000)|indent(1000) }}",
           "{{ '%1000000d%1000000d%1000000d%1000000d%1000000d' % (1, 1, 1, 1, 1) }}",
           "{{ '{:1000000}{:1000000}{:1000000}{:1000000}{:1000000}'.format(1, 1, 1, 1, 1) }}",
           "{{ 'a'.ljust(10 ** 12) }}",
           "{{ 'a'|center(10 ** 12) }}",
           "{{ ('\\t' * 100000).expandtabs(1000) }}",
           "{{ ('&' * 1000000)|escape }}",
           "{{ [1]|batch(10 ** 12, 0)|list }}",
       }) {
    auto rendered = render(source);
    EXPECT_FALSE(rendered) << source;
  }
}

TEST(JinjaLimits, ReleaseWhatIsNoLongerHeld) {
  // Half a megabyte built in steps passes through a hundred megabytes of intermediate text.
  auto rendered = render(
      "{% set ns = namespace(s='') %}{% for i in range(500) %}"
      "{% set ns.s = ns.s ~ 'x' * 1000 %}{% endfor %}{{ ns.s|length }}",
      {}, {.max_steps = 20'000'000, .max_value_bytes = 1u << 22});
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(rendered->text, "500000");
}

TEST(JinjaLimits, FreeLongChainsAndCyclesWithoutRecursion) {
  auto chain = render(
      "{% set ns = namespace(n=none) %}{% for i in range(90000) %}"
      "{% set ns.n = namespace(p=ns.n) %}{% endfor %}done",
      {}, {.max_steps = 20'000'000});
  ASSERT_TRUE(chain) << chain.error().message;
  auto cycle = render(
      "{% set ns = namespace() %}{% set ns.self = ns %}{% set ns.l = [ns, {'k': ns}] %}"
      "{% macro m() %}{{ m }}{% endmacro %}{% for i in [1] %}{% set ns.loop = loop %}{% endfor %}"
      "{% set ns.g = [ns]|map('string') %}done");
  ASSERT_TRUE(cycle) << cycle.error().message;
  auto printed = render("{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns }}");
  ASSERT_TRUE(printed) << printed.error().message;
  EXPECT_EQ(printed->text, "<Namespace {'me': [<Namespace {...}>]}>");
}

TEST(JinjaLimits, BoundRecursionOfMacrosAndLoops) {
  expect_refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deep");
  expect_refused(
      "{% macro m() %}{{ caller() }}{% endmacro %}{% macro r() %}{% call m() %}{{ r() }}"
      "{% endcall %}{% endmacro %}{{ r() }}",
      "deep");
  expect_refused("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deep");
}

TEST(JinjaLimits, AllowTheNestingThatRealSchemasNeed) {
  std::string schema = joined({repeat(R"({"items": )", 50), "1", repeat("}", 50)});
  auto variables = json::parse_value(joined({R"({"schema": )", schema, "}"}));
  ASSERT_TRUE(variables);
  auto rendered = render(
      "{% macro type(s) %}{% if s is mapping %}{% for k, v in s.items() %}{% if k == 'items' %}"
      "[{{ type(v) }}]{% endif %}{% endfor %}{% else %}{{ s }}{% endif %}{% endmacro %}"
      "{{ type(schema) }}",
      variables->as_object());
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(rendered->text, joined({repeat("[", 50), "1", repeat("]", 50)}));
}

// What can contain itself: `open` and `close` around the middle, any number of times.
struct Nest {
  std::string_view before, open, middle, close, after;
  std::string of(size_t n) const {
    return joined({before, repeat(open, n), middle, repeat(close, n), after});
  }
};
constexpr Nest kNests[] = {
    {"{{ ", "(", "1", ")", " }}"},
    {"{{ ", "[", "", "]", " }}"},
    {"{{ ", "{1:", "1", "}", " }}"},
    {"{{ ", "-", "1", "", " }}"},
    {"{{ ", "not ", "1", "", " }}"},
    {"{{ 1", " + 1", "", "", " }}"},
    {"{{ 1", " and 1", "", "", " }}"},
    {"{{ 1", " ** 1", "", "", " }}"},
    {"{{ x", ".a", "", "", " }}"},
    {"{{ x", "[0]", "", "", " }}"},
    {"{{ ", "x[", "0", "]", " }}"},
    {"{{ ", "x[:", "0", "]", " }}"},
    {"{{ x", "()", "", "", " }}"},
    {"{{ 'x'", "|e", "", "", " }}"},
    {"{{ ", "1|default(", "1", ")", " }}"},
    {"{{ x", " is defined", "", "", " }}"},
    {"{{ ", "1 is sameas(", "1", ")", " }}"},
    {"{{ ", "1 if 1 else ", "1", "", " }}"},
    {"{{ 1", " if 1", "", "", " }}"},
    {"{{ ", "f(", "", ")", " }}"},
    {"{{ ", "f(a=", "1", ")", " }}"},
    {"{{ ", "f(*", "x", ")", " }}"},
    {"", "{% if 1 %}", "x", "{% endif %}", ""},
    {"", "{% if 0 %}{% else %}", "x", "{% endif %}", ""},
    {"", "{% for a in [1] %}", "x", "{% endfor %}", ""},
    {"", "{% for a in [1] if a recursive %}", "x", "{% endfor %}", ""},
    {"", "{% macro m() %}", "x", "{% endmacro %}{{ m() }}", ""},
    {"", "{% set x %}", "x", "{% endset %}{{ x }}", ""},
    {"", "{% filter upper %}", "x", "{% endfilter %}", ""},
    {"", "{% with a = 1 %}", "x", "{% endwith %}", ""},
    {"{% macro m() %}{{ caller() }}{% endmacro %}", "{% call m() %}", "x", "{% endcall %}", ""},
    {"", "{% generation %}", "x", "{% endgeneration %}", ""},
    {"{% set ", "(", "a", ")", " = 1 %}"},
    {"{% for ", "(", "a", ",)", " in [] %}{% endfor %}"},
};

TEST(JinjaLimits, RefuseDeepNestingOfSource) {
  on_small_stack([] {
    for (const Nest& nest : kNests) {
      auto parsed = Template::parse(nest.of(20'000));
      ASSERT_FALSE(parsed) << nest.open;
      EXPECT_EQ(parsed.error().code, Errc::invalid);
    }
  });
}

TEST(JinjaLimits, NestAsDeepAsAllowedOnASmallStack) {
  on_small_stack([] {
    for (const Nest& nest : kNests) {
      size_t deepest = 0;
      for (size_t n = 1; n < 300; ++n) {
        auto parsed = Template::parse(nest.of(n));
        if (!parsed) break;
        deepest = n;
        (void)parsed->render({}, 0);  // an error or a text; what counts is to get here
      }
      bool may_chain = nest.open != " is defined";
      EXPECT_GE(deepest, may_chain ? 10u : 1u) << nest.open;
    }
  });
}

TEST(JinjaLimits, RecurseAtRunTimeOnASmallStack) {
  on_small_stack([] {
    for (std::string_view source : {
             "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
             "{% macro m(l) %}{{ [[m([l])]]|map('first')|list|tojson }}{% endmacro %}{{ m(1) }}",
             "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
             "{% set ns = namespace(l=[1]) %}{% for i in range(5000) %}"
             "{% set ns.l = ns.l|map('string') %}{% endfor %}{{ ns.l|list }}",
             "{% set ns = namespace(l=[1]) %}{% for i in range(5000) %}"
             "{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
             "{% set ns = namespace(l=[1]) %}{% for i in range(5000) %}"
             "{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}",
             "{% set ns = namespace(l=[1], k=[1]) %}{% for i in range(5000) %}"
             "{% set ns.l = [ns.l] %}{% set ns.k = [ns.k] %}{% endfor %}{{ ns.l == ns.k }}",
             "{% set ns = namespace(l=[1], k=[1]) %}{% for i in range(5000) %}"
             "{% set ns.l = [ns.l] %}{% set ns.k = [ns.k] %}{% endfor %}{{ ns.l < ns.k }}",
             "{% set ns = namespace(l=(1,)) %}{% for i in range(5000) %}"
             "{% set ns.l = (ns.l,) %}{% endfor %}{{ {ns.l: 1} }}",
         }) {
      auto parsed = Template::parse(source);
      ASSERT_TRUE(parsed) << parsed.error().message;
      auto rendered = parsed->render({}, 0);
      ASSERT_FALSE(rendered) << source;
      EXPECT_NE(rendered.error().message.find("deep"), std::string::npos)
          << source << rendered.error().message;
    }
  });
}

TEST(JinjaLimits, TakeLongFlatTemplatesInLinearTime) {
  constexpr size_t kMany = 20'000;
  std::string names;
  for (size_t i = 0; i < kMany; ++i) {
    std::string name = joined({"v", std::to_string(i)});
    names += joined({"{% if ", name, " %}{% set ", name, " = 1 %}{% endif %}"});
  }
  auto parsed = Template::parse(names);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(parsed->render({}, 0));
  EXPECT_TRUE(Template::parse(joined({"{{ ", repeat("1 ~ ", kMany), "1 }}"})));
  EXPECT_TRUE(
      Template::parse(joined({"{% if 0 %}", repeat("{% elif 0 %}", kMany), "{% endif %}"})));
}

TEST(JinjaLimits, RefuseTextThatIsNotUtf8) {
  EXPECT_FALSE(Template::parse("a\xff\xfe"));
  EXPECT_FALSE(Template::parse("{{ '\\ud800' }}"));
  EXPECT_FALSE(render("{{ a }}", json::Object{{"a", "\xff"}}));
  EXPECT_FALSE(render("{{ a }}", json::Object{{"a", json::Object{{"\xff", 1}}}}));
}

TEST(JinjaLimits, SurviveNumbersAtTheEdges) {
  for (std::string_view source : {
           "{{ (2 ** 126) * 4 }}",
           "{{ -(2 ** 126) * 2 - 1 }}",
           "{{ 2 ** 1000 }}",
           "{{ 99999999999999999999999999999999999999999 }}",
           "{{ 1e308 * 10 // 1 }}",
           "{{ (1e308 * 10)|int }}",
           "{{ 'x' * 1.5 }}",
           "{{ [1, 2][2 ** 100] }}",
           "{{ 'abc'[2 ** 100:] }}",
           "{{ 'abc'[::2 ** 100] }}",
           "{{ 'abc'[-(2 ** 100)::-1] }}",
           "{{ '%c' % 1114112 }}",
           "{{ '%c' % 55296 }}",
           "{{ '{:c}'.format(-1) }}",
           "{{ range(-(2 ** 62), 2 ** 62, 2 ** 61)|list }}",
           "{{ range(0, 2 ** 62, 2 ** 61)[::2 ** 100] }}",
           "{{ 1|round(-(2 ** 100)) }}",
           "{{ 1.5|round(2 ** 100) }}",
           "{{ 1.5|round(10 ** 9) }}",
           "{{ '%.99999999f' % 1.5 }}",
           "{{ '%.1000f' % 1e300 }}",
           "{{ -7 // -(2 ** 126) }}",
           "{{ [1]|slice(2 ** 40)|first }}",
           "{{ [1, 2]|batch(-5)|list }}",
           "{{ [1]|slice(-1)|list }}",
           "{{ strftime_now('%' * 5000) }}",
           "{{ strftime_now('') }}",
           "{{ strftime_now('%Q%') }}",
       }) {
    auto rendered = render(source);
    EXPECT_TRUE(!rendered || rendered->text.size() < 100'000) << source;
  }
}

}  // namespace
}  // namespace hearth::jinja
