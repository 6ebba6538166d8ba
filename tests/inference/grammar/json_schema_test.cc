#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "grammar/grammar.h"
#include "grammar/json_schema.h"
#include "support/json.h"
#include "support/test_data.h"

namespace hearth::grammar {
namespace {

using ::testing::HasSubstr;

void expect(std::string_view schema, std::vector<std::string> in, std::vector<std::string> out) {
  auto made = Grammar::from_json_schema(schema);
  ASSERT_TRUE(made) << schema << made.error().message;
  for (const std::string& text : in) EXPECT_TRUE((*made)->matches(text)) << schema << ": " << text;
  for (const std::string& text : out)
    EXPECT_FALSE((*made)->matches(text)) << schema << ": " << text;
}

std::string error_of(std::string_view schema) {
  auto made = Grammar::from_json_schema(schema);
  return made ? "accepted" : made.error().message;
}

TEST(JsonSchema, MembersComeInOrderWithOneSpaceAtMost) {
  expect(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},
             "required":["a"],"additionalProperties":false})",
         {R"({"a":1})", R"({"a": 1, "b": "x"})", R"({"a":-20,"b":""})"},
         {R"({})", R"({"b":"x","a":1})", R"({"a":  1})", R"({ "a":1})", R"({"a":1 ,"b":""})",
          "{\"a\":\n1}", R"({"a":1,"c":2})", R"({"a":01})", R"({"a":1.5})"});
}

TEST(JsonSchema, StringsAreWholeJson) {
  expect(R"({"type":"string"})", {R"("")", R"("a\"b\\\n")", R"("ü\u00e9\ud83d\ude00")"},
         {R"("a)", R"("\x")", R"("\ud83d")", "\"\n\"", "\"\xff\""});
  expect(R"({"type":"string","minLength":2,"maxLength":3})", {R"("ab")", R"("üö\n")"},
         {R"("a")", R"("abcd")"});
  expect(R"({"type":"string","pattern":"^[a-z]+\"$","maxLength":4})", {R"("a\"")", R"("abc\"")"},
         {R"("abcd\"")", R"("a")"});
}

TEST(JsonSchema, NumbersKeepTheirBounds) {
  expect(R"({"type":"integer","minimum":-3,"exclusiveMaximum":120})", {"-3", "0", "99", "119"},
         {"-4", "120", "1000", "-10", "1.0", "007", "-0"});
  expect(R"({"type":"number","exclusiveMinimum":0.25,"maximum":10.5})",
         {"0.26", "1", "10.5", "10.50", "0.2500001"},
         {"0.25", "0.250", "10.51", "11", "-1", "1e1"});
  expect(R"({"type":"number","multipleOf":0.25})", {"0", "1.25", "-3.50", "2"}, {"0.3", "1.255"});
  expect(R"({"type":"integer","multipleOf":7,"minimum":0})", {"0", "7", "49", "700"},
         {"1", "-7", "71"});
}

TEST(JsonSchema, AlternativesAndReferencesAreFollowed) {
  expect(R"({"anyOf":[{"type":"integer"},{"const":"x"},{"enum":[null,true,[1,"a"]]}]})",
         {"5", R"("x")", "null", "true", R"([1, "a"])"}, {R"("y")", "false", "[1]"});
  expect(R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},
             "next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"],
             "additionalProperties":false}}})",
         {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"}, {R"({"v":1})"});
  expect(R"({"allOf":[{"type":"object","properties":{"a":{"minimum":3}}},
             {"properties":{"a":{"type":"integer","maximum":5}},"required":["a"]}]})",
         {R"({"a":3})", R"({"a":5,"z":[]})"}, {R"({"a":2})", R"({"a":6})", R"({})"});
  expect(R"({"oneOf":[{"properties":{"kind":{"const":"a"}},"required":["kind"],"type":"object"},
                      {"properties":{"kind":{"const":"b"}},"required":["kind"],"type":"object"},
                      {"type":"string"}]})",
         {R"({"kind":"a"})", R"({"kind":"b"})", R"("s")"}, {R"({"kind":"c"})", "1"});
}

TEST(JsonSchema, ListsAndMapsKeepTheirCounts) {
  expect(R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
         {"[1]", "[1, 2,3]"}, {"[]", "[1,2,3,4]", R"(["a"])"});
  expect(
      R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false,"minItems":1})",
      {"[1]", R"([1,"a"])"}, {"[]", R"([1,"a",2])", R"(["a"])"});
  expect(
      R"({"type":"object","patternProperties":{"^n_":{"type":"number"}},"additionalProperties":false,
             "minProperties":1,"maxProperties":2})",
      {R"({"n_a":1})", R"({"n_a":1,"n_b":2})"},
      {"{}", R"({"x":1})", R"({"n_a":1,"n_b":2,"n_c":3})"});
  expect(
      R"({"type":"object","propertyNames":{"pattern":"^[a-z]+$"},"additionalProperties":{"type":"null"}})",
      {"{}", R"({"abc":null})"}, {R"({"A":null})", R"({"a":1})"});
}

TEST(JsonSchema, ReferencesStartAtTheirOwnBase) {
  expect(R"({"$id":"http://x/root","$defs":{"x":{"type":"string"},"n":{"$id":"nested",
             "$defs":{"x":{"type":"integer"}},"$ref":"#/$defs/x"}},"$ref":"#/$defs/n"})",
         {"5"}, {R"("a")"});
  expect(R"({"$id":"http://x/a/root","$defs":{"b":{"$id":"b/","$anchor":"f","type":"integer",
             "$defs":{"c":{"$id":"../c?q","$anchor":"f","type":"string"}}}},
             "prefixItems":[{"$ref":"b/#f"},{"$ref":"/a/c?q#f"},{"$ref":"//x/a/./b/../c?q"}],
             "items":false,"type":"array","minItems":3})",
         {R"([1,"a","b"])"}, {R"(["a",1,"b"])", R"([1,"a",1])"});
  // Schemas that are made of parts mean what they meant; names in data are none.
  expect(R"({"$id":"http://x/r","$defs":{"s":{"type":"string"},
             "n":{"$id":"n","$defs":{"s":{"type":"integer"}},"type":"object",
                  "properties":{"a":{},"b":{}},"additionalProperties":false,
                  "dependentSchemas":{"a":{"properties":{"b":{"$ref":"#/$defs/s"}}}}}},
             "default":{"$id":"n","type":"null"},"$ref":"n"})",
         {R"({"a":1,"b":2})", R"({"b":"x"})"}, {R"({"a":1,"b":"x"})", "null"});
  EXPECT_THAT(error_of(R"({"$id":"http://x/y","$ref":"z"})"), HasSubstr("nothing is fetched"));
  EXPECT_THAT(error_of(R"({"$id":"http://x/y","$ref":"#z"})"), HasSubstr("nothing is fetched"));
  EXPECT_THAT(error_of(R"({"$id":")" + std::string(3000, 'a') + R"("})"), HasSubstr("$id"));
}

// Names that are written twice make one member.
TEST(JsonSchema, MinPropertiesCountsNamesThatAreKnownToDiffer) {
  EXPECT_THAT(error_of(R"({"type":"object","additionalProperties":{"type":"integer"},
                           "minProperties":2})"),
              HasSubstr("minProperties"));
  expect(R"({"type":"object","properties":{"a":{},"b":{}},"required":["a"],"minProperties":2})",
         {R"({"a":1,"b":2})", R"({"a":1,"c":2})", R"({"a":1,"b":2,"c":3})"},
         {R"({"a":1})", R"({"c":1,"c":2})"});
  expect(R"({"type":"object","properties":{"a":{},"b":{}},"minProperties":2})",
         {R"({"a":1,"b":2})", R"({"b":1,"c":2})"}, {R"({"c":1,"c":2})", R"({"b":1})"});
  expect(R"({"type":"object","minProperties":1})", {R"({"x":1})", R"({"x":1,"x":2})"}, {"{}"});
}

TEST(JsonSchema, WhatCannotBeHonouredIsTakenOutAloneAndNamed) {
  using ::testing::ElementsAre;
  using ::testing::UnorderedElementsAre;
  const Relaxed two = relaxed_object_schema(
      R"({"type":"object","properties":{"a":{"type":"array","uniqueItems":true},
          "b":{"type":"string","format":"idn-email","minLength":2}},"required":["a"]})");
  EXPECT_THAT(two.left_out,
              UnorderedElementsAre("properties.a: uniqueItems", "properties.b: format"));
  EXPECT_EQ(two.schema, R"({"type":"object","properties":{"a":{"type":"array"},)"
                        R"("b":{"type":"string","minLength":2}},"required":["a"]})");
  const Relaxed patterns = relaxed_object_schema(
      R"j({"anyOf":[{"properties":{"a":{"pattern":"^a$"}}},{"properties":{"a":{"pattern":"(?=x)"}}}]})j");
  EXPECT_THAT(patterns.left_out, ElementsAre("anyOf[1].properties.a: pattern"));
  const Relaxed one = relaxed_object_schema(
      R"({"properties":{"n":{"oneOf":[{"type":"integer"},{"type":"number"}]}}})");
  EXPECT_THAT(one.left_out, ElementsAre("properties.n: oneOf (taken as anyOf)"));
  EXPECT_THAT(one.schema, HasSubstr("anyOf"));
  EXPECT_THAT(relaxed_object_schema(R"({"$ref":"http://x/y"})").left_out, ElementsAre("$ref"));
  EXPECT_THAT(relaxed_object_schema(R"({"dependentSchemas":{"a":{"contains":{}}}})").left_out,
              ElementsAre("dependentSchemas"));
  EXPECT_THAT(relaxed_object_schema("{").left_out, ElementsAre(HasSubstr("all of it")));
  EXPECT_TRUE(relaxed_object_schema(R"({"type":"object"})").left_out.empty());
}

TEST(JsonSchema, KeywordsThatCannotBeHonouredAreRefusedByName) {
  EXPECT_THAT(error_of(R"({"contains":{"type":"integer"}})"), HasSubstr("contains"));
  EXPECT_THAT(error_of(R"({"type":"array","uniqueItems":true})"), HasSubstr("uniqueItems"));
  EXPECT_THAT(error_of(R"({"if":{"type":"string"},"then":{"minLength":2}})"), HasSubstr("if"));
  EXPECT_THAT(error_of(R"({"not":{"required":["a"]}})"), HasSubstr("not"));
  EXPECT_THAT(error_of(R"({"oneOf":[{"minimum":1},{"maximum":5}]})"), HasSubstr("oneOf"));
  EXPECT_THAT(error_of(R"j({"properties":{"a":{"pattern":"(?=x)"}}})j"), HasSubstr("pattern"));
  EXPECT_THAT(error_of(R"({"format":"idn-email"})"), HasSubstr("format"));
  EXPECT_THAT(error_of(R"({"type":"text"})"), HasSubstr("type"));
}

TEST(JsonSchema, HostileSchemasAreRefusedAndNothingIsFetched) {
  EXPECT_THAT(error_of(R"({"$ref":"#"})"), HasSubstr("$ref"));
  EXPECT_THAT(
      error_of(
          R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})"),
      HasSubstr("$ref"));
  EXPECT_THAT(error_of(R"({"$ref":"http://127.0.0.1:1/schema"})"), HasSubstr("nothing is fetched"));
  EXPECT_THAT(error_of(R"({"$ref":"file:///etc/passwd"})"), HasSubstr("nothing is fetched"));
  EXPECT_THAT(error_of(R"({"pattern":"^+a$"})"), HasSubstr("pattern"));
  std::string nested;
  for (int i = 0; i < 3000; ++i) nested += R"({"items":)";
  EXPECT_NE(error_of(nested), "accepted");
  std::string huge = R"({"enum":[)";
  for (int i = 0; i < 1'000'000; ++i) huge += std::to_string(i) + ",";
  EXPECT_THAT(error_of(huge + "0]}"), HasSubstr("bytes"));
  std::string patterns = R"({"type":"object","properties":{)";
  for (int i = 0; i < 40; ++i)
    patterns += "\"p" + std::to_string(i) + R"(":{"type":"string","pattern":"^[a-z]{2000}$"},)";
  EXPECT_THAT(error_of(patterns + R"("z":{}}})"), HasSubstr("pattern"));
  std::string wide = R"({"allOf":[)";
  for (int i = 0; i < 40; ++i)
    wide += R"({"anyOf":[{"minimum":1},{"maximum":2},{"type":"null"}]},)";
  EXPECT_THAT(error_of(wide + "true]}"), HasSubstr("multiply"));
}

// The official suite: never lets in what is invalid (but for host names in punycode, whose rules no
// regular expression has), and the counts of what is right and refused, which may only get better.
// What llguidance passes is right here, too, but for the instances named here.
TEST(JsonSchema, OfficialSuite) {
  // Leap seconds that are one by an offset.
  constexpr std::string_view kBehind[] = {R"("1998-12-31T15:59:60.123-08:00")",
                                          R"("00:29:60-23:30")", R"("01:29:60+01:30")",
                                          R"("15:59:60-08:00")", R"("23:29:60+23:30")"};
  std::ifstream file(testing::data_path("json-schema/draft2020-12.json"));
  std::stringstream text;
  text << file.rdbuf();
  auto document = json::Document::parse(text.str(), 128);
  ASSERT_TRUE(document) << document.error().message;
  size_t n_right = 0, n_refused = 0, n_valid_refused = 0;
  for (auto [name, groups] : document->root().get_object())
    for (auto group : groups.get_array()) {
      auto grammar = Grammar::from_json_schema(json::to_text(group["schema"].value()));
      const bool is_impossible =
          !grammar && grammar.error().message.find("no text fulfils") != std::string::npos;
      const std::string described =
          fmt::format("{}: {}", name, std::string_view(group["description"].get_string()));
      for (auto test : group["tests"].get_array()) {
        const bool is_valid = test.at(2).get_bool();
        const std::string instance = json::to_text(test.at(1).value());
        const bool passes_there = std::string_view(test.at(3).get_string()) == "pass" &&
                                  std::ranges::count(kBehind, instance) == 0;
        if (!grammar && !(is_impossible && !is_valid)) {
          ++n_refused;
          EXPECT_FALSE(passes_there) << described << ": " << grammar.error().message;
          continue;
        }
        const bool is_in = grammar && (*grammar)->matches(instance);
        n_right += is_in == is_valid;
        EXPECT_TRUE(is_in == is_valid || !passes_there) << described << ": " << instance;
        n_valid_refused += is_valid && !is_in;
        const bool may_be_wrong = name == "optional/format/hostname";
        EXPECT_FALSE(is_in && !is_valid && !may_be_wrong)
            << name << ": " << json::to_text(group["schema"].value()) << ": " << instance;
      }
    }
  RecordProperty("right", static_cast<int>(n_right));
  RecordProperty("refused", static_cast<int>(n_refused));
  EXPECT_GE(n_right, 1353u);
  EXPECT_LE(n_refused, 642u);
  EXPECT_LE(n_valid_refused, 29u);  // members in another order, other spellings of a number
}

}  // namespace
}  // namespace hearth::grammar
