// Writes GGUF files in memory, for tests: good ones, and bad ones through the raw hooks.
//
//   std::string bytes = GgufWriter().set("general.architecture", "llama")
//                           .set("llama.block_count", uint32_t{2})
//                           .tensor("output_norm.weight", {4}, {1, 1, 1, 1})
//                           .build();
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gguf/types.h"
#include "gguf/value.h"

namespace hearth::testing {

class GgufWriter {
 public:
  // --- Metadata. The C++ type is the type in the file: uint32_t{2} is a u32, 0.5f an f32 ---

  template <class T>
    requires std::is_arithmetic_v<T>
  GgufWriter& set(std::string_view key, T value) {
    return set_raw(key, static_cast<uint32_t>(value_type<T>()), encoded(value));
  }
  GgufWriter& set(std::string_view key, std::string_view value);
  GgufWriter& set(std::string_view key, const char* value) {
    return set(key, std::string_view(value));
  }

  template <class T>
    requires std::is_arithmetic_v<T>
  GgufWriter& set_array(std::string_view key, const std::vector<T>& values) {
    std::string elements;
    for (T value : values) elements += encoded(value);
    return set_raw_array(key, static_cast<uint32_t>(value_type<T>()), values.size(), elements);
  }
  GgufWriter& set_array(std::string_view key, const std::vector<std::string>& values);

  // general.alignment, and what the tensors are padded to.
  GgufWriter& align(uint32_t alignment);

  // --- Tensors: dims[0] runs fastest. Each is put at the next aligned offset ---

  GgufWriter& tensor(std::string_view name, const std::vector<uint64_t>& dims,
                     std::span<const float> values, gguf::Type type = gguf::Type::f32);
  GgufWriter& tensor(std::string_view name, const std::vector<uint64_t>& dims,
                     std::initializer_list<float> values, gguf::Type type = gguf::Type::f32) {
    return tensor(name, dims, std::span(values.begin(), values.size()), type);
  }
  GgufWriter& tensor_bytes(std::string_view name, const std::vector<uint64_t>& dims,
                           gguf::Type type, std::string_view bytes);

  std::string build() const;
  void write(const std::string& path) const;  // throws when it cannot

  // --- Hooks that make broken files ---

  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> n_tensors;  // what the header says, where it lies
  std::optional<uint64_t> n_keys;
  size_t padding = 32;  // of the data, where it is not what general.alignment says

  GgufWriter& set_raw(std::string_view key, uint32_t type, std::string_view bytes);
  GgufWriter& set_raw_array(std::string_view key, uint32_t element_type, uint64_t n,
                            std::string_view bytes);

  struct Tensor {
    std::string name = {};
    std::vector<uint64_t> dims = {};
    uint32_t type = 0;
    std::string bytes = {};
    std::optional<uint32_t> n_dims = {};     // default: dims.size()
    std::optional<uint64_t> offset = {};     // default: the next aligned one
    std::optional<uint64_t> name_size = {};  // default: name.size()
  };
  GgufWriter& add(Tensor tensor);

  template <class T>
    requires std::is_arithmetic_v<T>
  static std::string encoded(T value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
  }
  static std::string encoded(std::string_view text);  // length first

 private:
  template <class T>
  static constexpr gguf::ValueType value_type() {
    using gguf::ValueType;
    if constexpr (std::is_same_v<T, bool>) return ValueType::boolean;
    if constexpr (std::is_floating_point_v<T>)
      return sizeof(T) == 4 ? ValueType::f32 : ValueType::f64;
    constexpr bool is_signed = std::is_signed_v<T>;
    switch (sizeof(T)) {
      case 1: return is_signed ? ValueType::i8 : ValueType::u8;
      case 2: return is_signed ? ValueType::i16 : ValueType::u16;
      case 4: return is_signed ? ValueType::i32 : ValueType::u32;
      default: return is_signed ? ValueType::i64 : ValueType::u64;
    }
  }

  std::string metadata_;
  uint64_t key_count_ = 0;
  std::vector<Tensor> tensors_;
};

}  // namespace hearth::testing
