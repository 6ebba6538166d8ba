// Every template against transformers' own rendering, byte for byte: tests/data/chat.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "chat/jinja.h"
#include "support/json.h"

namespace hearth::jinja {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

const fs::path kData = fs::path(HEARTH_TEST_DATA) / "chat";

const json::Object& cases() {
  static const json::Value all = *json::parse_value(read(kData / "cases.json"));
  return all.as_object();
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, RendersAsTransformersDoes) {
  ::setenv("TZ", "UTC", 1);
  auto source = Template::parse(read(kData / "templates" / (GetParam() + ".jinja")));
  ASSERT_TRUE(source) << source.error().message;
  auto golden = json::parse_value(read(kData / "golden" / (GetParam() + ".json")));
  ASSERT_TRUE(golden);
  int64_t now_s = cases().at("now").as_int64();
  size_t n_compared = 0;
  for (const auto& [name, expected] : golden->as_object()) {
    auto rendered = source->render(cases().at("cases").as_object().at(name).as_object(), now_s);
    ++n_compared;
    if (expected.is_string()) {
      std::string text = rendered ? rendered->text : "refused: " + rendered.error().message;
      EXPECT_EQ(text, std::string_view(expected.as_string())) << name;
    } else {
      EXPECT_FALSE(rendered) << name << ": transformers refuses it";
    }
  }
  EXPECT_GT(n_compared, 0u);
}

std::vector<std::string> templates() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kData / "templates"))
    if (entry.path().extension() == ".jinja") names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& test) {
  std::string name = test.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Templates, Golden, testing::ValuesIn(templates()), test_name);

}  // namespace
}  // namespace hearth::jinja
