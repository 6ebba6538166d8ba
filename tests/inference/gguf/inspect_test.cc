#include "gguf/inspect.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/json.h"
#include "support/tiny_gguf.h"

namespace hearth::gguf {
namespace {

File sample(const std::string& bytes) {
  return std::move(*File::parse("sample.gguf", std::as_bytes(std::span(bytes))));
}

testing::GgufWriter writer() {
  testing::GgufWriter out;
  out.set("general.architecture", "llama")
      .set("flag", true)
      .set("eps", 1e-5f)
      .set("huge", ~uint64_t{0})
      .set("layers", int32_t{-3})
      .set_array("tokens", std::vector<std::string>{"a", "\xff\x1b", "c", "d", "e", "f", "g"})
      .set_array("sizes", std::vector<uint64_t>{1, ~uint64_t{0}})
      .set("text", std::string(200, 'x'))
      .tensor("norm", {4}, {1, 2, 3, 4})
      .tensor("w", {32, 2}, std::vector<float>(64, 1.0f), Type::q8_0);
  return out;
}

TEST(Inspect, TextShowsKeysTensorsAndTotals) {
  const std::string bytes = writer().build();
  const std::string text = inspect_text(sample(bytes));
  for (const char* part :
       {"sample.gguf\narchitecture llama, 68 parameters", "Metadata: 8 keys",
        "bool           true\n", "f32            1e-05\n", "u64            18446744073709551615\n",
        "i32            -3\n",
        "string[7]      [\"a\", \"\\xff\\x1b\", \"c\", \"d\", \"e\", \"f\", ...]\n",
        "u64[2]         [1, 18446744073709551615]\n", "xxx... (200 bytes)\n", "Tensors: 2",
        "{4} F32", "{32, 2} Q8_0", "1 tensors          4 weights         16 B\n", "68 B\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n--- in ---\n" << text;
  for (char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f));
}

TEST(Inspect, JsonHoldsEverything) {
  const std::string bytes = writer().set("nan", std::numeric_limits<float>::quiet_NaN()).build();
  auto document = json::parse_value(inspect_json(sample(bytes)));
  ASSERT_TRUE(document) << document.error().message;
  const auto& root = document->as_object();
  EXPECT_EQ(root.at("architecture"), "llama");
  EXPECT_EQ(root.at("sizeBytes").to_number<size_t>(), bytes.size());
  const auto& metadata = root.at("metadata").as_object();
  EXPECT_EQ(metadata.at("flag"), true);
  EXPECT_EQ(metadata.at("layers"), -3);
  EXPECT_EQ(metadata.at("huge").to_number<uint64_t>(), ~uint64_t{0});
  EXPECT_EQ(metadata.at("sizes").as_array()[1].to_number<uint64_t>(), ~uint64_t{0});
  EXPECT_EQ(metadata.at("tokens").as_array().size(), 7u);
  EXPECT_EQ(metadata.at("tokens").as_array()[1], "\\xff\\x1b");
  EXPECT_EQ(metadata.at("text").as_string().size(), 200u);
  EXPECT_TRUE(metadata.at("nan").is_null());
  const auto& tensor = root.at("tensors").as_array()[1].as_object();
  EXPECT_EQ(tensor.at("name"), "w");
  EXPECT_EQ(tensor.at("shape"), (json::Array{32, 2}));
  EXPECT_EQ(tensor.at("type"), "Q8_0");
  EXPECT_EQ(tensor.at("bytes"), 68);
  EXPECT_EQ(root.at("types").as_array()[0].as_object().at("elements"), 4);
}

}  // namespace
}  // namespace hearth::gguf
