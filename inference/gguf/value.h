// One metadata value of a GGUF file. Borrows from the file's mapping; immutable, any thread may
// read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace hearth::gguf {

// Values are the file format's own ids.
enum class ValueType : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};
inline constexpr uint32_t kValueTypeCount = 13;

std::string_view name_of(ValueType type);
size_t scalar_bytes(ValueType type);  // in the file; 0 for strings and arrays

// Scalars convert leniently between integer widths (files disagree on them), never silently out of
// range: what does not fit, or is of another kind, is nullopt.
class Value {
 public:
  ValueType type() const { return type_; }
  ValueType element_type() const { return element_type_; }  // of an array
  size_t size() const { return size_; }                     // of an array; 1 otherwise

  std::optional<int64_t> as_int() const;  // any integer type, or bool
  std::optional<uint64_t> as_uint() const;
  std::optional<double> as_float() const;  // any number
  std::optional<bool> as_bool() const;     // a bool, or an integer that is 0 or 1
  std::optional<std::string_view> as_string() const;

  // Elements of an array; nullopt also when this is no array or i is past its end. Strings of an
  // array are indexed once at open.
  std::optional<int64_t> int_at(size_t i) const;
  std::optional<uint64_t> uint_at(size_t i) const;
  std::optional<double> float_at(size_t i) const;
  std::optional<std::string_view> string_at(size_t i) const;

 private:
  friend class Parser;
  ValueType type_ = ValueType::u8;
  ValueType element_type_ = ValueType::u8;
  size_t size_ = 1;
  const std::byte* data_ = nullptr;        // unaligned, in the mapping; of scalars and their arrays
  std::vector<std::string_view> strings_;  // of a string (one) or a string array
};

}  // namespace hearth::gguf
