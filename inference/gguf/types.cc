#include "gguf/types.h"

#include <array>
#include <cassert>

namespace hearth::gguf {

namespace {

constexpr std::array kTypes{
    TypeTraits{Type::f32, "F32", 1, 4, true},
    TypeTraits{Type::f16, "F16", 1, 2, true},
    TypeTraits{Type::q4_0, "Q4_0", 32, 18, true},
    TypeTraits{Type::q4_1, "Q4_1", 32, 20, true},
    TypeTraits{Type::q5_0, "Q5_0", 32, 22, true},
    TypeTraits{Type::q5_1, "Q5_1", 32, 24, true},
    TypeTraits{Type::q8_0, "Q8_0", 32, 34, true},
    TypeTraits{Type::q2_k, "Q2_K", 256, 84, true},
    TypeTraits{Type::q3_k, "Q3_K", 256, 110, true},
    TypeTraits{Type::q4_k, "Q4_K", 256, 144, true},
    TypeTraits{Type::q5_k, "Q5_K", 256, 176, true},
    TypeTraits{Type::q6_k, "Q6_K", 256, 210, true},
    TypeTraits{Type::iq4_nl, "IQ4_NL", 32, 18, true},
    TypeTraits{Type::iq4_xs, "IQ4_XS", 256, 136, true},
    TypeTraits{Type::i8, "I8", 1, 1, false},
    TypeTraits{Type::i16, "I16", 1, 2, false},
    TypeTraits{Type::i32, "I32", 1, 4, false},
    TypeTraits{Type::i64, "I64", 1, 8, false},
    TypeTraits{Type::f64, "F64", 1, 8, false},
    TypeTraits{Type::bf16, "BF16", 1, 2, true},
    TypeTraits{Type::mxfp4, "MXFP4", 32, 17, true},
    TypeTraits{Type::nvfp4, "NVFP4", 64, 36, true},
};

// Position in kTypes by id, -1 for a gap: every tensor of a file looks its id up.
constexpr size_t kIdEnd = 41;
constexpr auto kPositions = [] {
  std::array<int8_t, kIdEnd> positions{};
  positions.fill(-1);
  for (size_t i = 0; i < kTypes.size(); ++i)
    positions[static_cast<size_t>(kTypes[i].type)] = static_cast<int8_t>(i);
  return positions;
}();

// From here up ids belong to ik_llama.cpp, a fork with formats of its own.
constexpr uint32_t kForkIds = 97;

}  // namespace

const TypeTraits* traits_of(uint32_t id) {
  if (id >= kIdEnd || kPositions[id] < 0) return nullptr;
  return &kTypes[static_cast<size_t>(kPositions[id])];
}

const TypeTraits& traits_of(Type type) {
  const TypeTraits* traits = traits_of(static_cast<uint32_t>(type));
  assert(traits);
  return *traits;
}

std::string_view name_of(Type type) { return traits_of(type).name; }

std::optional<Type> type_from_name(std::string_view name) {
  for (const TypeTraits& traits : kTypes)
    if (traits.name == name) return traits.type;
  return std::nullopt;
}

std::string_view refusal_of(uint32_t id) {
  switch (id) {
    case 4: return "Q4_2 was retired before GGUF: convert the model again";
    case 5: return "Q4_3 was retired before GGUF: convert the model again";
    case 9: return "Q8_1 is for activations and cannot be in a file";
    case 15: return "Q8_K is for activations and cannot be in a file";
    case 16: return "IQ2_XXS is not supported: use a Q2_K or larger file of this model";
    case 17: return "IQ2_XS is not supported: use a Q2_K or larger file of this model";
    case 18: return "IQ3_XXS is not supported: use a Q3_K or larger file of this model";
    case 19: return "IQ1_S is not supported: use a Q2_K or larger file of this model";
    case 21: return "IQ3_S is not supported: use a Q3_K or larger file of this model";
    case 22: return "IQ2_S is not supported: use a Q2_K or larger file of this model";
    case 29: return "IQ1_M is not supported: use a Q2_K or larger file of this model";
    case 31: return "Q4_0_4_4 is retired: quantize the model again, to Q4_0";
    case 32: return "Q4_0_4_8 is retired: quantize the model again, to Q4_0";
    case 33: return "Q4_0_8_8 is retired: quantize the model again, to Q4_0";
    case 34: return "TQ1_0 is not supported: use a Q2_K or larger file of this model";
    case 35: return "TQ2_0 is not supported: use a Q2_K or larger file of this model";
    case 36: return "IQ4_NL_4_4 is retired: quantize the model again, to IQ4_NL";
    case 37: return "IQ4_NL_4_8 is retired: quantize the model again, to IQ4_NL";
    case 38: return "IQ4_NL_8_8 is retired: quantize the model again, to IQ4_NL";
    case 41: return "Q1_0 is not supported: use a Q2_K or larger file of this model";
    case 42: return "Q2_0 is not supported: use a Q2_K or larger file of this model";
  }
  if (id >= kForkIds && id < 1000)
    return "a format of ik_llama.cpp only: use a file made for llama.cpp (Q4_K_M, IQ4_XS, ...)";
  return "an unknown type, or one newer than this build";
}

size_t row_bytes(Type type, size_t n) {
  const TypeTraits& traits = traits_of(type);
  assert(n % traits.block_size == 0);
  return n / traits.block_size * traits.block_bytes;
}

}  // namespace hearth::gguf
