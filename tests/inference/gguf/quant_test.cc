#include "gguf/quant.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "gguf/half.h"
#include "gguf/k_scales.h"
#include "gguf/reader.h"
#include "support/test_data.h"

namespace hearth::gguf {
namespace {

const File& golden() {
  static const Result<File> file = File::open(testing::data_path("gguf/golden.gguf"));
  if (!file) throw std::runtime_error(file.error().message);
  return *file;
}

const Tensor& golden_tensor(const std::string& name) {
  const Tensor* tensor = golden().find_tensor(name);
  if (!tensor) throw std::runtime_error("no golden tensor " + name);
  return *tensor;
}

std::vector<float> floats(const Tensor& tensor) {
  std::vector<float> out(tensor.n_elements());
  dequantize_row(tensor.type, tensor.data.data(), out.size(), out.data());
  return out;
}

std::vector<float> round_trip(Type type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(row_bytes(type, values.size()));
  std::vector<float> out(values.size());
  quantize_row(type, values.data(), values.size(), bytes.data());
  dequantize_row(type, bytes.data(), out.size(), out.data());
  return out;
}

// Root of the mean squared error, relative to that of the values.
double relative_error(const std::vector<float>& values, const std::vector<float>& got) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    error += std::pow(double{got[i]} - values[i], 2);
    norm += std::pow(double{values[i]}, 2);
  }
  return std::sqrt(error / norm);
}

std::vector<float> normal_values(size_t n, double mean = 0) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(mean, 1);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(normal(random));
  return values;
}

class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, DequantizesBitForBit) {
  const std::string name = GetParam();
  const Tensor& blocks = golden_tensor(name);
  const std::vector<float> got = floats(blocks);
  const std::vector<float> expected = floats(golden_tensor(name + ".float"));
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(expected[i]))
        << describe(blocks) << " element " << i << ": " << got[i] << ", expected " << expected[i];
}

INSTANTIATE_TEST_SUITE_P(EveryType, Golden,
                         ::testing::Values("f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0",
                                           "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl",
                                           "iq4_xs", "mxfp4", "nvfp4"));

class GoldenBlocks : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenBlocks, QuantizesBitForBit) {
  const std::vector<float> input = floats(golden_tensor("input"));
  const Tensor& expected = golden_tensor(std::string("input.") + GetParam());
  std::vector<std::byte> got(expected.data.size());
  quantize_row(expected.type, input.data(), input.size(), got.data());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], expected.data[i]) << describe(expected) << " byte " << i;
}

INSTANTIATE_TEST_SUITE_P(EveryType, GoldenBlocks,
                         ::testing::Values("f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"));

TEST(Quant, EveryComputableTypeHasABlockFunction) {
  for (uint32_t id = 0; id < 64; ++id) {
    const TypeTraits* traits = traits_of(id);
    if (!traits || !traits->is_computable) continue;
    const std::vector<std::byte> zeros(traits->block_bytes);
    std::vector<float> out(traits->block_size, 1.0f);
    dequantize_row(traits->type, zeros.data(), out.size(), out.data());
    EXPECT_EQ(out, std::vector<float>(traits->block_size, 0.0f)) << traits->name;
  }
}

TEST(Quant, KQuantsStayWithinTheirError) {
  const std::vector<float> values = normal_values(256 * 64);
  EXPECT_LT(relative_error(values, round_trip(Type::q4_k, values)), 0.075);
  EXPECT_LT(relative_error(values, round_trip(Type::q5_k, values)), 0.038);
  EXPECT_LT(relative_error(values, round_trip(Type::q6_k, values)), 0.020);
}

// The definition of the format: the nearest of sixteen numbers, times the power of two that brings
// the largest element to between 4 and 8.
TEST(Quant, Mxfp4TakesTheNearestNumber) {
  const std::vector<float> values = normal_values(32 * 64);
  const std::vector<float> got = round_trip(Type::mxfp4, values);
  for (size_t block = 0; block < values.size(); block += 32) {
    float largest = 0;
    for (size_t i = block; i < block + 32; ++i) largest = std::max(largest, std::fabs(values[i]));
    const float unit = std::exp2(std::floor(std::log2(largest)) - 2);
    for (size_t i = block; i < block + 32; ++i) {
      float least = INFINITY;
      for (const float fp4 : {0.f, 0.5f, 1.f, 1.5f, 2.f, 3.f, 4.f, 6.f})
        least = std::min(least, std::fabs(std::fabs(values[i]) - fp4 * unit));
      EXPECT_FLOAT_EQ(std::fabs(got[i] - values[i]), least) << i;
    }
  }
  EXPECT_EQ(round_trip(Type::mxfp4, std::vector<float>(32, 0)), std::vector<float>(32, 0));
  EXPECT_LT(relative_error(values, got), 0.13);
}

TEST(Quant, KQuantsBeatPlainRounding) {
  const std::vector<float> values = normal_values(256 * 64);
  EXPECT_LT(relative_error(values, round_trip(Type::q4_k, values)),
            relative_error(values, round_trip(Type::q4_1, values)));
  EXPECT_LT(relative_error(values, round_trip(Type::q5_k, values)),
            relative_error(values, round_trip(Type::q5_1, values)));
}

TEST(Quant, KQuantsHoldWhatFitsTheirGrid) {
  for (Type type : {Type::q4_k, Type::q5_k, Type::q6_k}) {
    std::vector<float> values(256);
    EXPECT_EQ(round_trip(type, values), values) << name_of(type);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 16) - 8;
    EXPECT_LT(relative_error(values, round_trip(type, values)), 0.01) << name_of(type);
  }
}

TEST(Quant, KQuantsKeepValuesOfOneSign) {
  for (double mean : {-5.0, 5.0})
    for (Type type : {Type::q4_k, Type::q5_k, Type::q6_k}) {
      const std::vector<float> values = normal_values(256 * 8, mean);
      EXPECT_LT(relative_error(values, round_trip(type, values)), 0.05) << name_of(type) << mean;
    }
}

TEST(Quant, SurvivesValuesThatAreNotNumbers) {
  for (Type type : {Type::q4_0, Type::q4_1, Type::q5_0, Type::q5_1, Type::q8_0, Type::q4_k,
                    Type::q5_k, Type::q6_k, Type::mxfp4})
    for (float bad : {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f}) {
      std::vector<float> values = normal_values(512);
      values[3] = bad;
      const std::vector<float> got = round_trip(type, values);
      for (size_t i = 256; i < 512; ++i)  // the block beside it is as ever
        EXPECT_NEAR(got[i], values[i], type == Type::mxfp4 ? 1.0f : 0.5f) << name_of(type);
    }
}

TEST(Quant, PacksKScales) {
  KScales scales;
  for (size_t j = 0; j < 8; ++j) {
    scales.scale[j] = static_cast<uint8_t>(63 - 5 * j);
    scales.min[j] = static_cast<uint8_t>(17 + 6 * j);
  }
  uint8_t bytes[kScaleBytes];
  pack_k_scales(scales, bytes);
  EXPECT_EQ(unpack_k_scales(bytes).scale, scales.scale);
  EXPECT_EQ(unpack_k_scales(bytes).min, scales.min);
}

// The value of f16 bits, from the definition.
double half_value(unsigned bits) {
  const double sign = bits & 0x8000 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10 & 31), mantissa = static_cast<int>(bits & 1023);
  return sign *
         (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

TEST(Half, ConvertsEveryF16) {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    const float value = f16_to_f32(half);
    if ((bits & 0x7c00) != 0x7c00) {
      ASSERT_EQ(value, half_value(bits)) << bits;
      ASSERT_EQ(std::signbit(value), bits >= 0x8000) << bits;
      ASSERT_EQ(f32_to_f16(value), half);
    } else if ((bits & 0x3ff) == 0) {
      ASSERT_EQ(value, bits >= 0x8000 ? -INFINITY : INFINITY);
      ASSERT_EQ(f32_to_f16(value), half);
    } else {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value)))) << bits;
    }
  }
}

TEST(Half, RoundsToNearestTiesToEven) {
  for (unsigned bits = 0; bits < 0x7bff; ++bits) {
    const uint16_t low = static_cast<uint16_t>(bits), high = static_cast<uint16_t>(bits + 1);
    const float middle = static_cast<float>((half_value(low) + half_value(high)) / 2);
    ASSERT_EQ(f32_to_f16(middle), bits % 2 ? high : low) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), low) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, INFINITY)), high) << bits;
    ASSERT_EQ(f32_to_f16(-middle), (bits % 2 ? high : low) | 0x8000) << bits;
  }
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520), 0x7c00);
  EXPECT_EQ(f32_to_f16(-3e38f), 0xfc00);
}

TEST(Half, ConvertsBf16) {
  EXPECT_EQ(bf16_to_f32(0x3f80), 1);
  EXPECT_EQ(f32_to_bf16(1), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // ties to even
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(f32_to_bf16(INFINITY), 0x7f80);
  EXPECT_EQ(f32_to_bf16(3.4028235e38f), 0x7f80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

}  // namespace
}  // namespace hearth::gguf
