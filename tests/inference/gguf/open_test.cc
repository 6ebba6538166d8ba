// Files on disk: what is opened at all, and models in several shards.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "gguf/reader.h"
#include "gguf/split.h"
#include "support/tiny_gguf.h"

namespace hearth::gguf {
namespace {

using testing::GgufWriter;

class GgufOpen : public ::testing::Test {
 protected:
  GgufOpen() {
    std::string pattern = ::testing::TempDir() + "gguf_open_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~GgufOpen() override { std::filesystem::remove_all(folder_); }

  std::string at(std::string_view name) const { return folder_ + "/" + std::string(name); }

  void expect_refusal(const std::string& path, Errc code, std::string_view message) {
    Result<File> file = File::open(path);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, code) << file.error().message;
    EXPECT_NE(file.error().message.find(message), std::string::npos) << file.error().message;
  }

  std::string folder_;
};

TEST_F(GgufOpen, MapsARegularFile) {
  GgufWriter().set("general.architecture", "llama").tensor("a", {2}, {1, 2}).write(at("m.gguf"));
  Result<File> file = File::open(at("m.gguf"));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->path(), at("m.gguf"));
  EXPECT_EQ(file->architecture(), "llama");
  EXPECT_EQ(file->size_bytes(), std::filesystem::file_size(at("m.gguf")));
  const File moved = std::move(*file);
  EXPECT_EQ(moved.find_tensor("a")->data.size(), 8u);
}

TEST_F(GgufOpen, OutlivesTheNameOfItsFile) {
  GgufWriter().tensor("a", {1}, {1}).write(at("m.gguf"));
  Result<File> file = File::open(at("m.gguf"));
  ASSERT_TRUE(file);
  std::filesystem::remove(at("m.gguf"));
  EXPECT_EQ(file->find_tensor("a")->data[3], std::byte{0x3f});
}

TEST_F(GgufOpen, RefusesWhatIsNoRegularFileWithoutBlocking) {
  ASSERT_EQ(::mkfifo(at("fifo.gguf").c_str(), 0600), 0);
  expect_refusal(at("fifo.gguf"), Errc::invalid, "expected a regular file");
  expect_refusal("/dev/zero", Errc::invalid, "expected a regular file");
  expect_refusal(folder_, Errc::invalid, "expected a regular file");
  expect_refusal(at("missing.gguf"), Errc::not_found, "cannot open: No such file or directory");
}

TEST_F(GgufOpen, RefusesEmptyFile) {
  std::ofstream(at("empty.gguf")).flush();
  expect_refusal(at("empty.gguf"), Errc::corrupt, "the file is empty");
}

TEST_F(GgufOpen, RefusesPathWithControlCharacters) {
  expect_refusal(at("a\nb.gguf"), Errc::invalid, "a\\x0ab.gguf: the path has control characters");
  expect_refusal(at(std::string_view("m.gguf\0x", 8)), Errc::invalid, "control characters");
}

// Shard i of n, with tensors t<i>a and t<i>b.
GgufWriter shard(uint16_t number, uint16_t count, int32_t n_tensors) {
  const std::string name = "t" + std::to_string(number);
  GgufWriter writer;
  if (number == 1) writer.set("general.architecture", "llama");
  writer.set("split.no", static_cast<uint16_t>(number - 1))
      .set("split.count", count)
      .set("split.tensors.count", n_tensors)
      .tensor(name + "a", {1}, {static_cast<float>(number)})
      .tensor(name + "b", {1}, {-1});
  return writer;
}

TEST_F(GgufOpen, JoinsShards) {
  for (uint16_t i = 1; i <= 3; ++i)
    shard(i, 3, 6).write(at("m-0000" + std::to_string(i) + "-of-00003.gguf"));
  Result<File> file = File::open(at("m-00001-of-00003.gguf"));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->architecture(), "llama");
  EXPECT_EQ(file->metadata().size(), 4u);
  ASSERT_EQ(file->tensors().size(), 6u);
  EXPECT_EQ(file->tensors()[5].name, "t3b");
  EXPECT_EQ(file->size_bytes(), std::filesystem::file_size(at("m-00001-of-00003.gguf")) +
                                    std::filesystem::file_size(at("m-00002-of-00003.gguf")) +
                                    std::filesystem::file_size(at("m-00003-of-00003.gguf")));
  float value;
  std::memcpy(&value, file->find_tensor("t3a")->data.data(), sizeof value);
  EXPECT_EQ(value, 3);
}

TEST_F(GgufOpen, RefusesShardsThatDoNotFit) {
  const std::string first = at("m-00001-of-00002.gguf"), second = at("m-00002-of-00002.gguf");
  shard(1, 2, 4).write(first);
  expect_refusal(first, Errc::not_found, "m-00002-of-00002.gguf: cannot open");
  shard(1, 2, 4).write(second);
  expect_refusal(first, Errc::corrupt, "00002-of-00002.gguf: split.no is 0, expected 1");
  shard(2, 3, 4).write(second);
  expect_refusal(first, Errc::corrupt, "split.count is 3, expected 2");
  shard(2, 2, 4).tensor("t1a", {1}, {1}).write(second);
  expect_refusal(first, Errc::corrupt, "the shards have 5 tensors, expected 4");
  shard(1, 2, 5).write(first);
  expect_refusal(first, Errc::corrupt, "tensor t1a occurs in two shards");
  expect_refusal(second, Errc::invalid, "shard 2 of 2; open the first, " + first);
  shard(1, 2, 4).write(at("renamed.gguf"));
  expect_refusal(at("renamed.gguf"), Errc::corrupt, "split.count is 2, expected 1");
  expect_refusal(at("m-00001-of-99999.gguf"), Errc::unsupported, "99999 shards");
}

TEST_F(GgufOpen, OpensOneShardOfOne) {
  GgufWriter().tensor("a", {1}, {1}).write(at("m-00001-of-00001.gguf"));
  EXPECT_TRUE(File::open(at("m-00001-of-00001.gguf")));
}

TEST(SplitName, ReadsOnlyItsOwnForm) {
  auto name = parse_split_name("/models/x-00002-of-00010.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->prefix, "/models/x");
  EXPECT_EQ(name->number, 2u);
  EXPECT_EQ(name->count, 10u);
  EXPECT_EQ(shard_path(*name, 7), "/models/x-00007-of-00010.gguf");
  for (const char* other :
       {"", "x.gguf", "-0001-of-00002.gguf", "x-00001-of-00002.bin", "x-00000-of-00002.gguf",
        "x-00003-of-00002.gguf", "x-0000a-of-00002.gguf", "x-+0001-of-00002.gguf",
        "x_00001-of-00002.gguf"})
    EXPECT_FALSE(parse_split_name(other)) << other;
}

}  // namespace
}  // namespace hearth::gguf
