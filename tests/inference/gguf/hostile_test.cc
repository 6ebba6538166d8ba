#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "gguf/reader.h"
#include "inference/gguf/hostile_files.h"
#include "support/allocation_watch.h"
#include "support/gguf_touch.h"
#include "support/tiny_gguf.h"

namespace hearth::gguf {
namespace {

using testing::HostileFile;

// A copy that ends where its allocation ends, so that AddressSanitizer sees a read past it.
struct Exact {
  explicit Exact(std::string_view text) : size(text.size()), bytes(new std::byte[size]) {
    std::copy(text.begin(), text.end(), reinterpret_cast<char*>(bytes.get()));
  }
  Result<File> parse() const { return File::parse("hostile.gguf", {bytes.get(), size}); }
  size_t size;
  std::unique_ptr<std::byte[]> bytes;
};

class Hostile : public ::testing::TestWithParam<HostileFile> {};

TEST_P(Hostile, IsRefusedWithItsReasonOrOpens) {
  const HostileFile& hostile = GetParam();
  const Exact exact(hostile.bytes);
  testing::forget_allocations();
  const Result<File> file = exact.parse();
  EXPECT_LE(testing::largest_allocation(), 2 * hostile.bytes.size() + 4096);
  if (!hostile.code) {
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_GT(testing::touch_everything(*file), 0u);
    return;
  }
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, *hostile.code) << file.error().message;
  EXPECT_NE(file.error().message.find(hostile.message), std::string::npos) << file.error().message;
  EXPECT_EQ(file.error().message.rfind("hostile.gguf: ", 0), 0u) << file.error().message;
  for (char c : file.error().message) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << file.error().message;
}

INSTANTIATE_TEST_SUITE_P(Kind, Hostile, ::testing::ValuesIn(testing::hostile_files()),
                         [](const auto& kind) { return kind.param.name; });

TEST(HostileGguf, EveryTruncationIsRefusedWithItsPlace) {
  const std::string model = testing::tiny_model();
  for (size_t size = 0; size < model.size(); ++size) {
    const Result<File> file = Exact(std::string_view(model).substr(0, size)).parse();
    ASSERT_FALSE(file) << size << " of " << model.size() << " bytes";
    EXPECT_EQ(file.error().code, Errc::corrupt) << file.error().message;
    EXPECT_NE(file.error().message.find(": byte "), std::string::npos) << file.error().message;
  }
  EXPECT_TRUE(Exact(model).parse());
}

TEST(HostileGguf, EveryFlippedByteIsSafe) {
  const std::string model = testing::tiny_model();
  size_t n_refused = 0, n_opened = 0;
  for (size_t at = 0; at < model.size(); ++at)
    for (int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      std::string broken = model;
      broken[at] = static_cast<char>(broken[at] ^ flip);
      const Exact exact(broken);
      const Result<File> file = exact.parse();
      if (!file) {
        EXPECT_FALSE(file.error().message.empty());
        ++n_refused;
        continue;
      }
      EXPECT_GT(testing::touch_everything(*file), 0u);
      ++n_opened;
    }
  EXPECT_GT(n_refused, 1000u);  // lengths, types, names
  EXPECT_GT(n_opened, 500u);    // texts, numbers, weights
}

TEST(HostileGguf, ManyTinyKeysTakeMemoryInProportion) {
  testing::GgufWriter writer;
  for (int i = 0; i < 20000; ++i) writer.set(std::to_string(i), uint8_t{1});
  const std::string bytes = writer.build();
  const Exact exact(bytes);
  testing::forget_allocations();
  ASSERT_TRUE(exact.parse());
  EXPECT_LT(testing::largest_allocation(), 16 * bytes.size());
}

}  // namespace
}  // namespace hearth::gguf
