// Byte for byte what transformers renders; tests/data/chat/README.md says how the data came about.
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <vector>

#include "chat/jinja.h"
#include "data.h"

namespace hearth {
namespace {

using testing::read_chat_json;

class GoldenTemplate : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTemplate, RendersAsTransformersDoes) {
  setenv("TZ", "UTC", 1);
  tzset();
  json::Object cases = read_chat_json("cases.json");
  json::Object golden = read_chat_json(std::filesystem::path("golden") / (GetParam() + ".json"));
  auto parsed = jinja::Template::parse(testing::read_template(GetParam()));
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(golden.size(), cases["cases"].as_object().size());
  for (const auto& [name, variables] : cases["cases"].as_object()) {
    auto rendered = parsed->render(variables.as_object(), cases["now"].as_int64());
    const json::Value& expected = golden[name];
    if (expected.is_string()) {
      ASSERT_TRUE(rendered) << name << ": " << rendered.error().message;
      EXPECT_EQ(rendered->text, std::string_view(expected.as_string())) << name;
    } else {
      ASSERT_FALSE(rendered) << name << ": should fail, gives " << rendered->text;
      EXPECT_EQ(rendered.error().code, Errc::invalid) << name;
      const json::Value& message = expected.as_object().at("error");
      if (message.is_string()) {
        EXPECT_EQ(rendered.error().message, std::string_view(message.as_string())) << name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTemplate, ::testing::ValuesIn(testing::template_names()),
                         testing::test_name);

TEST(GoldenExpressions, RenderAsTransformersDoes) {
  json::Object data = read_chat_json("expressions.json");
  const json::Object& variables = data["variables"].as_object();
  for (const json::Value& item : data["cases"].as_array()) {
    std::string_view source = item.at(0).as_string();
    const json::Value& expected = item.at(1);
    auto parsed = jinja::Template::parse(source);
    auto rendered = parsed ? parsed->render(variables, 0) : Result<jinja::Rendered>(parsed.error());
    if (expected.is_string()) {
      ASSERT_TRUE(rendered) << source << ": " << rendered.error().message;
      EXPECT_EQ(rendered->text, std::string_view(expected.as_string())) << source;
    } else {
      EXPECT_FALSE(rendered) << source << ": should fail, gives " << rendered->text;
    }
  }
}

TEST(RenderFileTemplate, TakesVariablesAsJsonAndReportsTheTemplatesOwnException) {
  auto text =
      jinja::render_file_template("{{ a }}{{ b|length }}\n", R"({"a": "x", "b": [1, 2]})", 0);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "x2");
  auto refused = jinja::render_file_template("{{ raise_exception('no ' ~ a) }}", R"({"a": 1})", 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "no 1");
  EXPECT_FALSE(jinja::render_file_template("x", "[1]", 0));
  EXPECT_FALSE(jinja::render_file_template("x", "{", 0));
  EXPECT_FALSE(jinja::render_file_template("{% if %}", "{}", 0));
}

TEST(StrftimeNow, FormatsTheGivenTimeAsPythonDoesANaiveDate) {
  setenv("TZ", "UTC", 1);
  tzset();
  auto text = jinja::render_file_template(
      "{{ strftime_now('%d %b %Y %H:%M:%S|%A|%-d|%j|%f|%z%Z|%%') }}", "{}", 1767268800);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "01 Jan 2026 12:00:00|Thursday|1|001|000000||%");
}

}  // namespace
}  // namespace hearth
