#include "gguf/reader.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/tiny_gguf.h"

namespace hearth::gguf {
namespace {

using testing::GgufWriter;

// A File over bytes that live as long as the returned object.
struct Parsed {
  explicit Parsed(std::string file_bytes)
      : bytes(std::move(file_bytes)),
        file(File::parse("test.gguf", std::as_bytes(std::span(bytes)))) {}
  std::string bytes;
  Result<File> file;
};

TEST(GgufReader, ReadsEveryValueType) {
  Parsed parsed(GgufWriter()
                    .set("u8", uint8_t{255})
                    .set("i8", int8_t{-128})
                    .set("u16", uint16_t{65535})
                    .set("i16", int16_t{-32768})
                    .set("u32", uint32_t{4294967295})
                    .set("i32", int32_t{-5})
                    .set("f32", 0.5f)
                    .set("bool", true)
                    .set("string", "text")
                    .set("u64", uint64_t{1} << 63)
                    .set("i64", int64_t{-7})
                    .set("f64", 1e300)
                    .build());
  ASSERT_TRUE(parsed.file) << parsed.file.error().message;
  const File& file = *parsed.file;
  EXPECT_EQ(file.find("u8")->as_uint(), 255u);
  EXPECT_EQ(file.find("i8")->as_int(), -128);
  EXPECT_EQ(file.find("u16")->as_int(), 65535);
  EXPECT_EQ(file.find("i16")->as_int(), -32768);
  EXPECT_EQ(file.find("u32")->as_int(), 4294967295);
  EXPECT_EQ(file.find("i32")->as_int(), -5);
  EXPECT_EQ(file.find("f32")->as_float(), 0.5);
  EXPECT_EQ(file.find("bool")->as_bool(), true);
  EXPECT_EQ(file.find("string")->as_string(), "text");
  EXPECT_EQ(file.find("u64")->as_uint(), uint64_t{1} << 63);
  EXPECT_EQ(file.find("i64")->as_int(), -7);
  EXPECT_EQ(file.find("f64")->as_float(), 1e300);
  EXPECT_EQ(file.find("missing"), nullptr);
  EXPECT_EQ(file.metadata().size(), 12u);
  EXPECT_EQ(file.metadata()[8].key, "string");
  EXPECT_EQ(file.size_bytes(), parsed.bytes.size());
}

TEST(GgufReader, NeverConvertsOutOfRange) {
  Parsed parsed(GgufWriter()
                    .set("negative", int32_t{-1})
                    .set("huge", ~uint64_t{0})
                    .set("float", 1.0f)
                    .set("two", uint32_t{2})
                    .set("one", uint32_t{1})
                    .set("string", "1")
                    .set_array("array", std::vector<int32_t>{1})
                    .build());
  ASSERT_TRUE(parsed.file) << parsed.file.error().message;
  const File& file = *parsed.file;
  EXPECT_EQ(file.find("negative")->as_uint(), std::nullopt);
  EXPECT_EQ(file.find("huge")->as_int(), std::nullopt);
  EXPECT_EQ(file.find("float")->as_int(), std::nullopt);
  EXPECT_EQ(file.find("two")->as_bool(), std::nullopt);
  EXPECT_EQ(file.find("one")->as_bool(), true);
  EXPECT_EQ(file.find("one")->as_float(), 1.0);
  EXPECT_EQ(file.find("string")->as_int(), std::nullopt);
  EXPECT_EQ(file.find("string")->as_float(), std::nullopt);
  EXPECT_EQ(file.find("array")->as_int(), std::nullopt);
  EXPECT_EQ(file.find("array")->as_string(), std::nullopt);
}

TEST(GgufReader, ReadsArrays) {
  Parsed parsed(GgufWriter()
                    .set_array("strings", std::vector<std::string>{"a", "", std::string("b\0c", 3)})
                    .set_array("ints", std::vector<int32_t>{-1, 2})
                    .set_array("floats", std::vector<float>{0.25f, -8})
                    .set_array("bools", std::vector<bool>{true, false})
                    .set_array("empty", std::vector<std::string>{})
                    .build());
  ASSERT_TRUE(parsed.file) << parsed.file.error().message;
  const Value& strings = *parsed.file->find("strings");
  EXPECT_EQ(strings.type(), ValueType::array);
  EXPECT_EQ(strings.element_type(), ValueType::string);
  ASSERT_EQ(strings.size(), 3u);
  EXPECT_EQ(strings.string_at(0), "a");
  EXPECT_EQ(strings.string_at(1), "");
  EXPECT_EQ(strings.string_at(2), std::string_view("b\0c", 3));
  EXPECT_EQ(strings.string_at(3), std::nullopt);
  EXPECT_EQ(strings.int_at(0), std::nullopt);
  EXPECT_EQ(parsed.file->find("ints")->int_at(0), -1);
  EXPECT_EQ(parsed.file->find("ints")->float_at(1), 2.0);
  EXPECT_EQ(parsed.file->find("ints")->int_at(2), std::nullopt);
  EXPECT_EQ(parsed.file->find("floats")->float_at(1), -8.0);
  EXPECT_EQ(parsed.file->find("floats")->int_at(1), std::nullopt);
  EXPECT_EQ(parsed.file->find("bools")->int_at(0), 1);
  EXPECT_EQ(parsed.file->find("empty")->size(), 0u);
}

TEST(GgufReader, GivesTensorsTheirBytes) {
  Parsed parsed(GgufWriter()
                    .tensor("a", {2, 3}, {1, 2, 3, 4, 5, 6})
                    .tensor("b", {32}, std::vector<float>(32, 1.0f), Type::q8_0)
                    .build());
  ASSERT_TRUE(parsed.file) << parsed.file.error().message;
  ASSERT_EQ(parsed.file->tensors().size(), 2u);
  const Tensor& a = *parsed.file->find_tensor("a");
  EXPECT_EQ(describe(a), "{2, 3} F32");
  EXPECT_EQ(a.n_elements(), 6u);
  EXPECT_EQ(a.n_rows(), 3u);
  ASSERT_EQ(a.data.size(), 24u);
  float last;
  std::memcpy(&last, a.data.data() + 20, sizeof last);
  EXPECT_EQ(last, 6);
  const Tensor& b = *parsed.file->find_tensor("b");
  EXPECT_EQ(describe(b), "{32} Q8_0");
  EXPECT_EQ(b.data.size(), 34u);
  EXPECT_EQ(std::to_integer<int>(b.data[33]), 127);
  EXPECT_EQ(parsed.file->find_tensor("c"), nullptr);
}

TEST(GgufReader, LoadsVocabularyOnlyFile) {
  Parsed parsed(GgufWriter()
                    .set("general.architecture", "llama")
                    .set_array("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"})
                    .build());
  ASSERT_TRUE(parsed.file) << parsed.file.error().message;
  EXPECT_EQ(parsed.file->architecture(), "llama");
  EXPECT_TRUE(parsed.file->tensors().empty());
}

TEST(GgufReader, HonoursAlignment) {
  for (uint32_t alignment : {8u, 64u, 4096u}) {
    Parsed parsed(
        GgufWriter().align(alignment).tensor("a", {1}, {1}).tensor("b", {1}, {2}).build());
    ASSERT_TRUE(parsed.file) << parsed.file.error().message;
    const Tensor& a = *parsed.file->find_tensor("a");
    const Tensor& b = *parsed.file->find_tensor("b");
    EXPECT_EQ(b.data.data() - a.data.data(), alignment);
    float value;
    std::memcpy(&value, b.data.data(), sizeof value);
    EXPECT_EQ(value, 2);
  }
}

TEST(GgufReader, AcceptsVersionTwo) {
  GgufWriter writer;
  writer.version = 2;
  writer.set("general.architecture", "llama").tensor("a", {1}, {1});
  Parsed parsed(writer.build());
  ASSERT_TRUE(parsed.file) << parsed.file.error().message;
  EXPECT_EQ(parsed.file->architecture(), "llama");
}

TEST(GgufReader, AcceptsTensorsInAnyOrderOfOffsets) {
  GgufWriter writer;
  writer.add({.name = "second", .dims = {8}, .bytes = std::string(32, 'a'), .offset = 32});
  writer.add({.name = "first", .dims = {8}, .bytes = std::string(32, 'b'), .offset = 0});
  Parsed parsed(writer.build());
  ASSERT_TRUE(parsed.file) << parsed.file.error().message;
  EXPECT_EQ(parsed.file->find_tensor("first")->data[0], std::byte{'a'});
}

TEST(GgufReader, StaysValidWhenMoved) {
  Parsed parsed(GgufWriter().set("general.architecture", "llama").tensor("a", {1}, {3}).build());
  ASSERT_TRUE(parsed.file);
  const Tensor* before = parsed.file->find_tensor("a");
  File moved = std::move(*parsed.file);
  EXPECT_EQ(moved.find_tensor("a"), before);
  EXPECT_EQ(moved.architecture(), "llama");
}

TEST(GgufReader, TypedLookUpsNameKeyAndTypes) {
  Parsed parsed(GgufWriter().set("n", "three").set("f", 0.5f).set("u", uint16_t{9}).build());
  ASSERT_TRUE(parsed.file);
  const File& file = *parsed.file;
  EXPECT_EQ(*file.get_uint("u"), 9u);
  EXPECT_EQ(*file.uint_or("missing", 4), 4u);
  EXPECT_EQ(*file.float_or("f", 1), 0.5);
  EXPECT_EQ(*file.float_or("u", 1), 9.0);
  EXPECT_EQ(*file.get_string("n"), "three");
  EXPECT_EQ(file.string_or("u", "fallback"), "fallback");
  EXPECT_EQ(*file.bool_or("missing", true), true);
  EXPECT_EQ(file.get_uint("n").error().message,
            "test.gguf: key n is a string that is not a non-negative integer");
  EXPECT_EQ(file.get_uint("missing").error().message,
            "test.gguf: key missing is missing, expected a non-negative integer");
  EXPECT_EQ(file.uint_or("f", 0).error().code, Errc::corrupt);
  EXPECT_EQ(file.bool_or("f", false).error().message,
            "test.gguf: key f is a f32 that is not a boolean");
}

}  // namespace
}  // namespace hearth::gguf
