#include "gguf/types.h"

#include <gtest/gtest.h>

namespace hearth::gguf {
namespace {

TEST(GgufTypes, EveryNameFindsItsType) {
  size_t n_known = 0;
  for (uint32_t id = 0; id < 256; ++id) {
    const TypeTraits* traits = traits_of(id);
    if (!traits) continue;
    ++n_known;
    EXPECT_EQ(static_cast<uint32_t>(traits->type), id);
    EXPECT_EQ(type_from_name(traits->name), traits->type);
    EXPECT_EQ(name_of(traits->type), traits->name);
    EXPECT_EQ(row_bytes(traits->type, 3 * traits->block_size), 3 * traits->block_bytes);
  }
  EXPECT_EQ(n_known, 22u);
  EXPECT_EQ(type_from_name("Q9_9"), std::nullopt);
}

// From the format's table: bits per weight.
TEST(GgufTypes, BlocksHaveTheirSizes) {
  auto bits = [](Type type) {
    return 8.0 * traits_of(type).block_bytes / traits_of(type).block_size;
  };
  EXPECT_EQ(bits(Type::q4_0), 4.5);
  EXPECT_EQ(bits(Type::q4_1), 5.0);
  EXPECT_EQ(bits(Type::q5_0), 5.5);
  EXPECT_EQ(bits(Type::q5_1), 6.0);
  EXPECT_EQ(bits(Type::q8_0), 8.5);
  EXPECT_EQ(bits(Type::q2_k), 2.625);
  EXPECT_EQ(bits(Type::q3_k), 3.4375);
  EXPECT_EQ(bits(Type::q4_k), 4.5);
  EXPECT_EQ(bits(Type::q5_k), 5.5);
  EXPECT_EQ(bits(Type::q6_k), 6.5625);
  EXPECT_EQ(bits(Type::iq4_nl), 4.5);
  EXPECT_EQ(bits(Type::iq4_xs), 4.25);
  EXPECT_EQ(bits(Type::mxfp4), 4.25);
  EXPECT_EQ(bits(Type::nvfp4), 4.5);
}

TEST(GgufTypes, EveryRefusalHasAReason) {
  for (uint32_t id = 0; id < 300; ++id) EXPECT_TRUE(traits_of(id) || !refusal_of(id).empty()) << id;
}

}  // namespace
}  // namespace hearth::gguf
