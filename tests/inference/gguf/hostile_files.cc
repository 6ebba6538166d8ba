#include "inference/gguf/hostile_files.h"

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "support/tiny_gguf.h"

namespace hearth::testing {

namespace {

using gguf::Type;
using Tensor = GgufWriter::Tensor;

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kMaxSigned = std::numeric_limits<int64_t>::max();
constexpr uint32_t kU8 = 0, kU32 = 4, kI32 = 5, kBool = 7, kString = 8, kArray = 9, kU64 = 10;

// A header that other tests break: architecture, a number, an array and one tensor.
GgufWriter sound() {
  GgufWriter writer;
  writer.set("general.architecture", "llama")
      .set("llama.block_count", uint32_t{1})
      .set_array("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"})
      .tensor("a", {4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  return writer;
}

Tensor plain(std::string name) {
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.dims = {8};
  tensor.bytes = std::string(32, '\1');
  return tensor;
}

Tensor shaped(std::vector<uint64_t> dims, uint32_t type = 0) {
  Tensor tensor = plain("b");
  tensor.dims = std::move(dims);
  tensor.type = type;
  return tensor;
}

Tensor placed(uint64_t offset) {
  Tensor tensor = plain("b");
  tensor.offset = offset;
  return tensor;
}

std::string element(std::string_view text) { return GgufWriter::encoded(text); }

template <class T>
  requires std::is_arithmetic_v<T>
std::string element(T value) {
  return GgufWriter::encoded(value);
}

class Collection {
 public:
  void opens(std::string name, std::string bytes) {
    files_.push_back({std::move(name), std::move(bytes), std::nullopt, ""});
  }
  void corrupt(std::string name, std::string bytes, std::string message) {
    files_.push_back({std::move(name), std::move(bytes), Errc::corrupt, std::move(message)});
  }
  void unsupported(std::string name, std::string bytes, std::string message) {
    files_.push_back({std::move(name), std::move(bytes), Errc::unsupported, std::move(message)});
  }
  std::vector<HostileFile> take() { return std::move(files_); }

 private:
  std::vector<HostileFile> files_;
};

void add_headers(Collection& files) {
  auto header = [](auto change) {
    GgufWriter writer = sound();
    change(writer);
    return writer.build();
  };
  files.corrupt("Empty", "", "the file ends inside the magic number");
  files.corrupt("MagicAlone", "GGUF", "the file ends inside the version");
  files.corrupt("BadMagic", header([](auto& w) { w.magic = "FUGU"; }), "it starts with \"FUGU\"");
  files.corrupt("LfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0",
                "it is a Git LFS pointer");
  files.corrupt("WebPage", "<!DOCTYPE html><html>404</html>", "it looks like a web page");
  files.corrupt("OldFormat", "tjgg\3\0\0\0", "a model from before GGUF");
  for (uint32_t version : {0u, 1u, 99u})
    files.unsupported("Version" + std::to_string(version),
                      header([&](auto& w) { w.version = version; }),
                      "GGUF version " + std::to_string(version) + ", expected 2 or 3");
  files.unsupported("BigEndian", header([](auto& w) { w.version = 0x03000000; }),
                    "big-endian GGUF file (version 3), expected little-endian");
  for (auto [name, count] :
       {std::pair{"Max", kMax}, {"MaxSigned", kMaxSigned}, {"TooMany", 99ul}}) {
    files.corrupt(std::string("TensorCount") + name, header([&](auto& w) { w.n_tensors = count; }),
                  std::to_string(count) + " tensors cannot be in the");
    files.corrupt(std::string("KeyCount") + name, header([&](auto& w) { w.n_keys = count; }),
                  std::to_string(count) + " keys cannot be in the");
  }
  files.corrupt("OneTensorTooMany", header([](auto& w) { w.n_tensors = 2; }), "");
  files.corrupt("OneKeyTooMany", header([](auto& w) { w.n_keys = 4; }), "");
  files.opens("NothingInside", GgufWriter().build());
}

void add_keys(Collection& files) {
  auto with = [](auto change) {
    GgufWriter writer = sound();
    change(writer);
    return writer.build();
  };
  files.corrupt("KeySizeMax",
                GgufWriter().set_raw("k", kU32, "").build().substr(0, 24) + element(kMax) +
                    std::string(32, 'k'),
                "the file ends inside key 0");
  files.corrupt("KeyTooLong", with([](auto& w) { w.set(std::string(65536, 'k'), true); }),
                "key 3 has 65536 bytes, expected at most 65535");
  files.corrupt("KeyEmpty", with([](auto& w) { w.set("", true); }), "key 3 is empty");
  files.corrupt("KeyWithNul", with([](auto& w) { w.set(std::string("a\0b", 3), true); }),
                "key \"a\\x00b\" has bytes that are not printable ASCII");
  files.corrupt("KeyTwice", with([](auto& w) { w.set("llama.block_count", true); }),
                "key llama.block_count occurs twice");
  files.corrupt("ValueTypeUnknown", with([](auto& w) { w.set_raw("k", 13, "1234"); }),
                "key k has value type 13, expected 0 to 12");
  files.corrupt("ValueTypeMax", with([](auto& w) { w.set_raw("k", ~0u, "1234"); }),
                "key k has value type 4294967295");
  files.corrupt("BooleanTwo", with([](auto& w) { w.set_raw("k", kBool, "\2"); }),
                "key k has the boolean 2, expected 0 or 1");
  files.corrupt("StringSizeMax", with([](auto& w) { w.set_raw("k", kString, element(kMax)); }),
                "the file ends inside k");
  files.corrupt("StringSizeHalfRange",
                with([](auto& w) { w.set_raw("k", kString, element(kMaxSigned)); }),
                "the file ends inside k");
  files.corrupt("ArrayTypeUnknown", with([](auto& w) { w.set_raw_array("k", 77, 1, "1234"); }),
                "key k has elements of value type 77");
  files.unsupported("ArrayOfArrays", with([](auto& w) {
                      w.set_raw_array("k", kArray, 1, element(kU8) + element(kMax));
                    }),
                    "key k is an array of arrays");
  for (auto [name, type] :
       {std::pair{"U8", kU8}, {"I32", kI32}, {"U64", kU64}, {"String", kString}})
    for (auto [size, n] :
         {std::pair{"Max", kMax}, {"HalfRange", kMaxSigned}, {"Wraps", kMax / 8 + 2}})
      files.corrupt(std::string("Array") + name + size,
                    with([&](auto& w) { w.set_raw_array("k", type, n, "12345678"); }),
                    "key k has " + std::to_string(n) + " elements");
  files.corrupt("ArrayStringSizeMax", with([](auto& w) {
                  w.set_raw_array("k", kString, 2, element("a") + element(kMax));
                }),
                "the file ends inside k");
  files.corrupt("ArrayBooleanTwo",
                with([](auto& w) { w.set_raw_array("k", kBool, 3, std::string("\1\0\2", 3)); }),
                "key k has the boolean 2");
  files.opens("EveryNumberExtreme", with([](auto& w) {
                w.set("nan", std::numeric_limits<float>::quiet_NaN())
                    .set("inf", std::numeric_limits<double>::infinity())
                    .set("u64", kMax)
                    .set("i64", std::numeric_limits<int64_t>::min())
                    .set_array("u64s", std::vector<uint64_t>{kMax, 0})
                    .set_array("floats", std::vector<double>{-1e308, 1e-308})
                    .set("bytes", std::string("\0\xff\xfe\x1b[31m", 8));
              }));
}

void add_alignments(Collection& files) {
  for (uint32_t alignment : {0u, 1u, 3u, 4u, 12u, 33u, 1u << 21, 1u << 31, ~0u}) {
    GgufWriter writer = sound();
    writer.set("general.alignment", alignment);
    files.corrupt("Alignment" + std::to_string(alignment), writer.build(),
                  "general.alignment is " + std::to_string(alignment) +
                      ", expected a power of two from 8 to 1048576");
  }
  files.corrupt("AlignmentU64", sound().set("general.alignment", uint64_t{32}).build(),
                "general.alignment is a u64, expected a u32");
  files.corrupt("AlignmentString", sound().set("general.alignment", "32").build(),
                "general.alignment is a string, expected a u32");
  files.opens("Alignment64",
              GgufWriter().align(64).tensor("a", {1}, {1}).tensor("b", {1}, {1}).build());
}

void add_tensors(Collection& files) {
  auto with = [](Tensor tensor) { return sound().add(std::move(tensor)).build(); };
  files.corrupt("NameTooLong", with(plain(std::string(256, 'n'))),
                "tensor name 1 has 256 bytes, expected at most 255");
  files.corrupt("NameEmpty", with(plain("")), "tensor name 1 is empty");
  files.corrupt("NameTwice", with(plain("a")), "tensor a occurs twice");
  files.corrupt("NameWithNewline", with(plain("a\nb")), "tensor name \"a\\x0ab\" has bytes");
  Tensor endless_name = plain("b");
  endless_name.name_size = kMax;
  files.corrupt("NameSizeMax", with(endless_name), "the file ends inside tensor name 1");
  for (uint32_t n_dims : {0u, 5u, ~0u}) {
    Tensor tensor = plain("b");
    tensor.n_dims = n_dims;
    files.corrupt("Dims" + std::to_string(n_dims), with(tensor),
                  "tensor b has " + std::to_string(n_dims) + " dimensions, expected 1 to 4");
  }
  files.corrupt("DimZero", with(shaped({8, 0})), "has 0 elements in dimension 1");
  files.corrupt("DimNegative", with(shaped({8, kMax})), "has -1 elements in dimension 1");
  files.corrupt("DimsOverflow", with(shaped({1ull << 32, 1ull << 32})), "overflows");
  files.corrupt("DimsWrapToSmall", with(shaped({1ull << 62, 4, 2, 1})), "overflows");
  files.corrupt("DimsOverflowSign", with(shaped({1ull << 62, 2})), "overflows");
  files.corrupt("BytesOverflow", with(shaped({kMaxSigned})), "overflows");
  files.corrupt("BytesOverflowF64", with(shaped({1ull << 61}, 28)), "overflows");
  files.corrupt("RowNotOfBlocks", with(shaped({33}, 8)),
                "has rows of 33, expected a multiple of 32, the block of Q8_0");
  files.corrupt("RowNotOfSuperBlocks", with(shaped({128, 2}, 12)),
                "has rows of 128, expected a multiple of 256, the block of Q4_K");
  files.corrupt("TensorTooBig", with(shaped({1 << 20})), "but the data section has only");
  files.corrupt("TensorHuge", with(shaped({1ull << 60})), "but the data section has only");
  GgufWriter many_too_big = sound();
  for (int i = 0; i < 8; ++i) {
    Tensor tensor = shaped({1ull << 60});
    tensor.name = "big" + std::to_string(i);
    many_too_big.add(tensor);
  }
  files.corrupt("ManyTensorsWhoseSumWraps", many_too_big.build(), "but the data section has only");

  files.corrupt("OffsetMisaligned", with(placed(33)),
                "tensor b starts at offset 33, expected a multiple of 32");
  files.corrupt("OffsetPastEnd", with(placed(1 << 20)), "but the data section has only");
  files.corrupt("OffsetWraps", with(placed(kMax - 31)), "but the data section has only");
  files.corrupt("OffsetHalfRange", with(placed(1ull << 63)), "but the data section has only");
  files.corrupt("Overlap", with(placed(0)), "overlap");
  std::string sound_bytes = sound().build();
  files.corrupt("DataMissing", sound_bytes.substr(0, sound_bytes.size() - 32),
                "takes 32 bytes from offset 0, but the data section has only 0");
  files.corrupt("DataCut", sound_bytes.substr(0, sound_bytes.size() - 1),
                "but the data section has only 31; the file is truncated or wrong");
  files.opens("TrailingBytes", sound_bytes + std::string(100, '\xff'));
  files.opens("FourDims", GgufWriter().tensor("a", {1, 2, 1, 2}, {1, 2, 3, 4}).build());
}

void add_types(Collection& files) {
  for (auto [id, message] : {std::pair{4u, "Q4_2 was retired"},
                             {9u, "Q8_1 is for activations"},
                             {16u, "IQ2_XXS is not supported"},
                             {31u, "Q4_0_4_4 is retired: quantize the model again"},
                             {38u, "IQ4_NL_8_8 is retired"},
                             {97u, "a format of ik_llama.cpp only"},
                             {230u, "a format of ik_llama.cpp only"},
                             {43u, "an unknown type, or one newer than this build"},
                             {~0u, "an unknown type"}})
    files.unsupported("Type" + std::to_string(id), sound().add(shaped({256}, id)).build(),
                      "tensor b has type " + std::to_string(id) + ": " + message);
  GgufWriter every_type;
  for (uint32_t id = 0; id < 64; ++id)
    if (const gguf::TypeTraits* traits = gguf::traits_of(id))
      every_type.tensor_bytes(traits->name, {traits->block_size}, traits->type,
                              std::string(traits->block_bytes, '\x7f'));
  files.opens("EveryType", every_type.build());
}

void add_splits(Collection& files) {
  files.corrupt("ShardInMemory",
                sound().set("split.count", uint16_t{3}).set("split.no", uint16_t{0}).build(),
                "split.count is 3, expected 1");
  files.corrupt("SplitCountOfWrongType", sound().set("split.count", "2").build(),
                "split.count is a string, expected a count");
  files.corrupt("SplitTotalWrong", sound().set("split.tensors.count", int32_t{9}).build(),
                "the shards have 1 tensors, expected 9");
}

}  // namespace

std::vector<HostileFile> hostile_files() {
  Collection files;
  add_headers(files);
  add_keys(files);
  add_alignments(files);
  add_tensors(files);
  add_types(files);
  add_splits(files);
  return files.take();
}

std::string tiny_model() {
  std::vector<float> row(32);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i) - 16;
  return GgufWriter()
      .set("general.architecture", "llama")
      .set("u8", uint8_t{1})
      .set("i16", int16_t{-2})
      .set("f32", 0.5f)
      .set("bool", true)
      .set("f64", 0.25)
      .set_array("strings", std::vector<std::string>{"a", "bc", ""})
      .set_array("ints", std::vector<int32_t>{-1, 2, 3})
      .align(32)
      .tensor("q", {32}, row, Type::q4_0)
      .tensor("f", {2, 2}, {1, 2, 3, 4})
      .build();
}

}  // namespace hearth::testing
