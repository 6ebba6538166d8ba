#include "gguf/value.h"

#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

namespace hearth::gguf {

namespace {

struct ValueTraits {
  std::string_view name;
  size_t bytes;
};

constexpr std::array<ValueTraits, kValueTypeCount> kValueTraits{{
    {"u8", 1},
    {"i8", 1},
    {"u16", 2},
    {"i16", 2},
    {"u32", 4},
    {"i32", 4},
    {"f32", 4},
    {"bool", 1},
    {"string", 0},
    {"array", 0},
    {"u64", 8},
    {"i64", 8},
    {"f64", 8},
}};

template <class T>
T load(const std::byte* data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

// Calls f with the C++ value of a scalar; a string or array gives nullopt.
template <class F>
auto visit_scalar(ValueType type, const std::byte* data, F f) -> decltype(f(uint8_t{})) {
  switch (type) {
    case ValueType::u8: return f(load<uint8_t>(data));
    case ValueType::i8: return f(load<int8_t>(data));
    case ValueType::u16: return f(load<uint16_t>(data));
    case ValueType::i16: return f(load<int16_t>(data));
    case ValueType::u32: return f(load<uint32_t>(data));
    case ValueType::i32: return f(load<int32_t>(data));
    case ValueType::f32: return f(load<float>(data));
    case ValueType::boolean: return f(load<uint8_t>(data) != 0);
    case ValueType::u64: return f(load<uint64_t>(data));
    case ValueType::i64: return f(load<int64_t>(data));
    case ValueType::f64: return f(load<double>(data));
    case ValueType::string:
    case ValueType::array: break;
  }
  return std::nullopt;
}

template <class Int>
std::optional<Int> to_integer(ValueType type, const std::byte* data) {
  return visit_scalar(type, data, []<class T>(T value) -> std::optional<Int> {
    if constexpr (std::is_same_v<T, bool>) {
      return static_cast<Int>(value);
    } else if constexpr (std::is_integral_v<T>) {
      if (std::in_range<Int>(value)) return static_cast<Int>(value);
    }
    return std::nullopt;
  });
}

std::optional<double> to_float(ValueType type, const std::byte* data) {
  return visit_scalar(type, data, []<class T>(T value) -> std::optional<double> {
    if constexpr (!std::is_same_v<T, bool>) return static_cast<double>(value);
    return std::nullopt;
  });
}

}  // namespace

std::string_view name_of(ValueType type) { return kValueTraits[static_cast<size_t>(type)].name; }
size_t scalar_bytes(ValueType type) { return kValueTraits[static_cast<size_t>(type)].bytes; }

std::optional<int64_t> Value::as_int() const { return to_integer<int64_t>(type_, data_); }
std::optional<uint64_t> Value::as_uint() const { return to_integer<uint64_t>(type_, data_); }
std::optional<double> Value::as_float() const { return to_float(type_, data_); }

std::optional<bool> Value::as_bool() const {
  std::optional<uint64_t> number = as_uint();
  if (!number || *number > 1) return std::nullopt;
  return *number == 1;
}

std::optional<std::string_view> Value::as_string() const {
  if (type_ != ValueType::string) return std::nullopt;
  return strings_.front();
}

std::optional<int64_t> Value::int_at(size_t i) const {
  if (type_ != ValueType::array || i >= size_) return std::nullopt;
  return to_integer<int64_t>(element_type_, data_ + i * scalar_bytes(element_type_));
}

std::optional<uint64_t> Value::uint_at(size_t i) const {
  if (type_ != ValueType::array || i >= size_) return std::nullopt;
  return to_integer<uint64_t>(element_type_, data_ + i * scalar_bytes(element_type_));
}

std::optional<double> Value::float_at(size_t i) const {
  if (type_ != ValueType::array || i >= size_) return std::nullopt;
  return to_float(element_type_, data_ + i * scalar_bytes(element_type_));
}

std::optional<std::string_view> Value::string_at(size_t i) const {
  if (type_ != ValueType::array || element_type_ != ValueType::string || i >= size_)
    return std::nullopt;
  return strings_[i];
}

}  // namespace hearth::gguf
