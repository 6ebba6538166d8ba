#include "gguf/convert.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gguf/quant.h"
#include "support/temporary_folder.h"
#include "support/test_data.h"
#include "support/tiny_gguf.h"

namespace hearth::gguf {
namespace {

// --- Which tensor gets which type ---

struct MixCase {
  std::string model, architecture;
  ModelFacts facts;
  std::vector<std::string> mixes;
  std::vector<TensorInfo> tensors;
  std::vector<std::vector<Type>> expected;  // of each tensor, by mix
};

Type type_named(const std::string& name) { return type_from_name(name).value(); }

TensorInfo tensor_of(const std::string& name, const std::string& dims, const std::string& type) {
  TensorInfo tensor{.name = name, .type = type_named(type), .n_dims = 0};
  std::istringstream in(dims);
  for (std::string dim; std::getline(in, dim, 'x');)
    tensor.dims[tensor.n_dims++] = std::stoull(dim);
  return tensor;
}

std::vector<MixCase> mix_cases() {
  std::vector<MixCase> cases;
  std::ifstream file(testing::data_path("gguf/mixes.txt"));
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first, dims, type;
    words >> first;
    if (first == "model") {
      MixCase& each = cases.emplace_back();
      words >> each.model >> each.architecture >> each.facts.n_layers >> each.facts.n_experts >>
          each.facts.shares_kv_heads;
      for (std::string mix; words >> mix;) each.mixes.push_back(mix);
      continue;
    }
    words >> dims >> type;
    cases.back().tensors.push_back(tensor_of(first, dims, type));
    std::vector<Type>& expected = cases.back().expected.emplace_back();
    for (std::string each; words >> each;) expected.push_back(type_named(each));
  }
  return cases;
}

TEST(Mix, ChoosesTheTypesThatTheCommonToolChooses) {
  const std::vector<MixCase> cases = mix_cases();
  ASSERT_EQ(cases.size(), 6u);
  for (MixCase each : cases) {
    each.facts.architecture = each.architecture;
    for (size_t m = 0; m < each.mixes.size(); ++m) {
      // Without experts that tool writes no MXFP4 at all; ours does.
      if (each.mixes[m] == "MXFP4" && each.facts.n_experts == 0) continue;
      const auto types = types_of(*mix_of(each.mixes[m]), each.facts, each.tensors);
      for (size_t t = 0; t < types.size(); ++t)
        EXPECT_EQ(name_of(types[t]), name_of(each.expected[t][m]))
            << each.model << ' ' << each.mixes[m] << ' ' << each.tensors[t].name;
    }
  }
}

TEST(Mix, Mxfp4OfADenseModelIsInItsMatrices) {
  const std::vector<TensorInfo> tensors{tensor_of("token_embd.weight", "64x96", "F32"),
                                        tensor_of("output.weight", "64x96", "F32"),
                                        tensor_of("blk.0.attn_q.weight", "64x64", "F32"),
                                        tensor_of("blk.0.attn_norm.weight", "64", "F32")};
  const std::vector<Type> expected{Type::q8_0, Type::q8_0, Type::mxfp4, Type::f32};
  EXPECT_EQ(types_of(*mix_of("mxfp4"), {.architecture = "llama", .n_layers = 1}, tensors),
            expected);
}

TEST(Mix, NamesAreTakenInAnyCaseAndOthersRefused) {
  EXPECT_EQ(mix_of("q4_k_m")->name, "Q4_K_M");
  EXPECT_EQ(mix_of("Mxfp4_Moe")->name, "MXFP4");
  EXPECT_EQ(mix_of("Q9").error().code, Errc::invalid);
  EXPECT_NE(mix_of("Q9").error().message.find("Q4_K_M"), std::string::npos);
  EXPECT_FALSE(mix_of(""));
}

// --- Whole files ---

class Convert : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }
  size_t n_files() const {
    const std::filesystem::directory_iterator files(folder_.path());
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  static std::string model_bytes(float value = 0.25f) {
    std::vector<float> matrix(64 * 96);
    for (size_t i = 0; i < matrix.size(); ++i) matrix[i] = std::sin(static_cast<float>(i)) * 0.1f;
    matrix[70] = value;
    const std::vector<float> norm(64, 1);
    return testing::GgufWriter()
        .set("general.architecture", "llama")
        .set("llama.block_count", uint32_t{1})
        .set("llama.rope.freq_base", 1e6f)
        .set("tokenizer.ggml.add_bos_token", true)
        .set("split.count", uint16_t{1})
        .set_array("tokenizer.ggml.tokens", std::vector<std::string>{"a", "", "c"})
        .set_array("tokenizer.ggml.scores", std::vector<float>{0.5f, -1, 2})
        .set_array("some.numbers", std::vector<int64_t>{-1, int64_t{1} << 40})
        .tensor("token_embd.weight", {64, 96}, matrix)
        .tensor("output_norm.weight", {64}, norm)
        .tensor("blk.0.attn_q.weight", {64, 96}, matrix)
        .build();
  }

  Result<> convert_to(const std::string& type, const std::string& out,
                      const std::string& bytes = model_bytes()) {
    const Result<File> in = File::parse("in", bytes_of(bytes));
    if (!in) return in.error();
    const Result<ModelSource> source = source_of(*in);
    if (!source) return source.error();
    return convert(*source, *mix_of(type), out, 3, nullptr);
  }

  static std::span<const std::byte> bytes_of(const std::string& bytes) {
    return std::as_bytes(std::span(bytes));
  }

  test::TemporaryFolder folder_;
};

TEST_F(Convert, KeepsMetadataAndWritesTheTypes) {
  ASSERT_TRUE(convert_to("Q8_0", path("out.gguf")));
  const Result<File> out = File::open(path("out.gguf"));
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(out->architecture(), "llama");
  EXPECT_EQ(*out->find("llama.block_count")->as_uint(), 1u);
  EXPECT_EQ(*out->find("llama.rope.freq_base")->as_float(), 1e6);
  EXPECT_EQ(*out->find("tokenizer.ggml.add_bos_token")->as_bool(), true);
  EXPECT_EQ(out->find("tokenizer.ggml.tokens")->string_at(2), "c");
  EXPECT_EQ(out->find("tokenizer.ggml.scores")->float_at(1), -1);
  EXPECT_EQ(out->find("some.numbers")->int_at(1), int64_t{1} << 40);
  EXPECT_EQ(*out->find("general.file_type")->as_uint(), 7u);
  EXPECT_EQ(*out->find("general.quantization_version")->as_uint(), 2u);
  EXPECT_EQ(out->find("split.count"), nullptr);
  EXPECT_EQ(out->find_tensor("token_embd.weight")->type, Type::q8_0);
  EXPECT_EQ(out->find_tensor("output_norm.weight")->type, Type::f32);
  EXPECT_EQ(n_files(), 1u) << "no temporary is left";
}

TEST_F(Convert, EveryRowIsWhatTheQuantizerMakesOfIt) {
  for (const std::string type : {"F16", "Q8_0", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "MXFP4"}) {
    ASSERT_TRUE(convert_to(type, path("out.gguf"))) << type;
    const Result<File> out = File::open(path("out.gguf"));
    ASSERT_TRUE(out);
    const std::string bytes = model_bytes();
    const Result<File> in = File::parse("in", bytes_of(bytes));
    for (const Tensor& tensor : out->tensors()) {
      const Tensor& before = *in->find_tensor(tensor.name);
      std::vector<float> values(before.n_elements());
      dequantize_row(before.type, before.data.data(), values.size(), values.data());
      std::vector<std::byte> expected(tensor.data.size());
      const size_t n_bytes = row_bytes(tensor.type, tensor.dims[0]);
      for (uint64_t row = 0; row < tensor.n_rows(); ++row)
        quantize_row(tensor.type, &values[row * tensor.dims[0]], tensor.dims[0],
                     expected.data() + row * n_bytes);
      EXPECT_TRUE(std::ranges::equal(tensor.data, expected)) << type << ' ' << tensor.name;
    }
  }
}

TEST_F(Convert, IsDeterministicAndRepeatable) {
  ASSERT_TRUE(convert_to("Q4_K_M", path("a.gguf")));
  ASSERT_TRUE(convert_to("Q4_K_M", path("b.gguf")));
  const auto read = [&](const char* name) {
    std::ifstream in(path(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_EQ(read("a.gguf"), read("b.gguf"));
}

TEST_F(Convert, AFailureLeavesNothingBehind) {
  const Result<> done = convert_to("Q4_0", path("out.gguf"), model_bytes(NAN));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::corrupt);
  EXPECT_NE(done.error().message.find("token_embd.weight"), std::string::npos);
  EXPECT_EQ(n_files(), 0u);
  EXPECT_EQ(convert_to("Q4_0", path("no/such/folder.gguf")).error().code, Errc::not_found);
}

TEST_F(Convert, AFailureKeepsTheFileThatWasThere) {
  std::ofstream(path("out.gguf")) << "precious";
  ASSERT_FALSE(convert_to("Q4_0", path("out.gguf"), model_bytes(INFINITY)));
  std::ifstream in(path("out.gguf"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "precious");
}

TEST_F(Convert, WhatIsNoRegularFileIsRefusedAndStays) {
  namespace fs = std::filesystem;
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  fs::create_directory(path("folder"));
  fs::create_symlink(path("pipe"), path("link to a pipe"));
  fs::create_symlink(path("nothing"), path("link to nothing"));
  for (const char* name : {"pipe", "folder", "link to a pipe", "link to nothing"}) {
    const auto before = fs::symlink_status(path(name)).type();
    const Result<> done = convert_to("Q4_0", path(name));
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().code, Errc::invalid) << done.error().message;
    EXPECT_NE(done.error().message.find(path(name)), std::string::npos) << done.error().message;
    EXPECT_EQ(fs::symlink_status(path(name)).type(), before) << name;
  }
  EXPECT_EQ(n_files(), 4u) << "nothing was written";
}

TEST_F(Convert, ALinkIsWrittenThrough) {
  namespace fs = std::filesystem;
  std::ofstream(path("out.gguf")) << "old";
  fs::create_symlink("out.gguf", path("link"));
  ASSERT_TRUE(convert_to("Q4_0", path("link")));
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_TRUE(File::open(path("out.gguf")));
}

TEST_F(Convert, RefusesAVocabularyWithoutTensors) {
  const std::string bytes = testing::GgufWriter().set("general.architecture", "llama").build();
  const Result<> done = convert_to("Q8_0", path("out.gguf"), bytes);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::invalid);
}

}  // namespace
}  // namespace hearth::gguf
