// Binary encoding of records, for messages between our own processes and for event payloads that
// never leave the machine. Little-endian, length-prefixed, fields in declaration order; no names on
// the wire, so both ends must be the same build (the engine child is the same binary).
//
// Decoding trusts nothing: every length is checked against the bytes left before it is used.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "support/record.h"
#include "support/result.h"

namespace hearth::binary {

namespace detail {

using hearth::detail::is_optional;
using hearth::detail::is_variant;
using hearth::detail::is_vector;

struct Writer {
  std::string& out;

  void raw(const void* data, size_t size) { out.append(static_cast<const char*>(data), size); }

  template <class T>
  void operator()(std::string_view, const T& member) {
    write(member);
  }
  template <class T>
  void or_default(std::string_view, const T& member) {
    write(member);
  }

  template <class T>
  void write(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      raw(&value, sizeof value);
    } else if constexpr (std::is_same_v<T, std::string>) {
      write(static_cast<uint32_t>(value.size()));
      raw(value.data(), value.size());
    } else if constexpr (std::is_same_v<T, RawJson>) {
      write(value.text);
    } else if constexpr (is_optional<T>::value) {
      write(static_cast<uint8_t>(value.has_value()));
      if (value) write(*value);
    } else if constexpr (is_vector<T>::value) {
      write(static_cast<uint32_t>(value.size()));
      for (const auto& item : value) write(item);
    } else if constexpr (is_variant<T>::value) {
      write(static_cast<uint8_t>(value.index()));
      std::visit([&](const auto& alternative) { write(alternative); }, value);
    } else {
      static_assert(Record<T>);
      T::fields(value, *this);
    }
  }
};

struct Reader {
  std::string_view left;
  bool ok = true;

  bool raw(void* data, size_t size) {
    if (!ok || left.size() < size) return ok = false;
    std::memcpy(data, left.data(), size);
    left.remove_prefix(size);
    return true;
  }

  template <class T>
  void operator()(std::string_view, T& member) {
    read(member);
  }
  template <class T>
  void or_default(std::string_view, T& member) {
    read(member);
  }

  template <class T>
  void read(T& value) {
    if (!ok) return;
    if constexpr (std::is_same_v<T, bool>) {
      uint8_t byte = 0;
      if (raw(&byte, 1)) value = byte != 0;
    } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      raw(&value, sizeof value);
    } else if constexpr (std::is_same_v<T, std::string>) {
      uint32_t size = 0;
      read(size);
      if (!ok || left.size() < size) return void(ok = false);
      value.assign(left.data(), size);
      left.remove_prefix(size);
    } else if constexpr (std::is_same_v<T, RawJson>) {
      read(value.text);
    } else if constexpr (is_optional<T>::value) {
      uint8_t present = 0;
      read(present);
      if (ok && present) read(value.emplace());
    } else if constexpr (is_vector<T>::value) {
      uint32_t size = 0;
      read(size);
      if (!ok || size > left.size()) return void(ok = false);  // an item is at least one byte
      value.clear();
      value.reserve(size);
      for (uint32_t i = 0; ok && i < size; ++i) read(value.emplace_back());
    } else if constexpr (is_variant<T>::value) {
      uint8_t index = 0;
      read(index);
      if (ok) read_alternative<0>(value, index);
    } else {
      static_assert(Record<T>);
      T::fields(value, *this);
    }
  }

 private:
  template <size_t I, class V>
  void read_alternative(V& value, uint8_t index) {
    if constexpr (I < std::variant_size_v<V>) {
      if (index == I) return read(value.template emplace<I>());
      read_alternative<I + 1>(value, index);
    } else {
      ok = false;
    }
  }
};

}  // namespace detail

template <class T>
std::string encode(const T& record) {
  std::string out;
  detail::Writer{out}.write(record);
  return out;
}

// All bytes must be used; anything else is Errc::corrupt.
template <class T>
Result<T> decode(std::string_view bytes) {
  T value{};
  detail::Reader reader{bytes};
  reader.read(value);
  if (!reader.ok || !reader.left.empty())
    return Error{Errc::corrupt,
                 "malformed binary message of " + std::to_string(bytes.size()) + " bytes"};
  return value;
}

}  // namespace hearth::binary
