#include "models/metadata.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace hearth {
namespace {

std::string not_an_integer(const gguf::Value& value) {
  if (const std::optional<int64_t> number = value.as_int())
    return fmt::format("is {}, expected a positive integer", *number);
  return fmt::format("is {}, expected an integer", name_of(value.type()));
}

}  // namespace

std::string Metadata::full(std::string_view key) const {
  return fmt::format("{}.{}", prefix_, key);
}

bool Metadata::has(std::string_view key) const { return file_.find(full(key)) != nullptr; }

void Metadata::fail(Errc code, std::string_view key, std::string_view what) {
  if (!error_) error_ = Error{code, fmt::format("{}: {} {}", file_.path(), full(key), what)};
}

void Metadata::fail_tensor(std::string_view name, std::string_view what) {
  if (!error_)
    error_ = Error{Errc::corrupt, fmt::format("{}: tensor {} {}", file_.path(), name, what)};
}

uint32_t Metadata::size(std::string_view key, uint64_t max) {
  if (!error_ && !has(key)) fail(Errc::corrupt, key, "is missing, expected a positive integer");
  return size_or(key, 0, max);
}

uint32_t Metadata::size_or(std::string_view key, uint64_t fallback, uint64_t max) {
  const uint64_t number = integer(key).value_or(fallback);
  if (!error_ && (number == 0 || number > max))
    fail(Errc::corrupt, key, fmt::format("is {}, expected 1 to {}", number, max));
  return error_ ? 1 : static_cast<uint32_t>(number);
}

uint32_t Metadata::count_or(std::string_view key, uint64_t fallback, uint64_t max) {
  const uint64_t number = integer(key).value_or(fallback);
  if (!error_ && number > max)
    fail(Errc::corrupt, key, fmt::format("is {}, expected 0 to {}", number, max));
  return error_ ? 0 : static_cast<uint32_t>(number);
}

float Metadata::number_or(std::string_view key, double fallback) {
  if (error_) return 1.f;
  const gguf::Value* value = file_.find(full(key));
  if (!value) return static_cast<float>(fallback);
  const std::optional<double> number = value->as_float();
  if (!number) {
    fail(Errc::corrupt, key, fmt::format("is {}, expected a number", name_of(value->type())));
  } else if (!(std::abs(*number) <= std::numeric_limits<float>::max())) {
    fail(Errc::corrupt, key, fmt::format("is {}, expected a finite number", *number));
  } else {
    return static_cast<float>(*number);
  }
  return 1.f;
}

float Metadata::positive_or(std::string_view key, double fallback) {
  const float number = number_or(key, fallback);
  if (!(number > 0)) fail(Errc::corrupt, key, fmt::format("is {}, expected > 0", number));
  return number;
}

bool Metadata::flag_or(std::string_view key, bool fallback) {
  const gguf::Value* value = error_ ? nullptr : file_.find(full(key));
  if (!value) return fallback;
  const std::optional<bool> flag = value->as_bool();
  if (!flag)
    fail(Errc::corrupt, key, fmt::format("is {}, expected true or false", name_of(value->type())));
  return flag.value_or(fallback);
}

std::string_view Metadata::string_or(std::string_view key, std::string_view fallback) {
  const gguf::Value* value = error_ ? nullptr : file_.find(full(key));
  if (!value) return fallback;
  const std::optional<std::string_view> text = value->as_string();
  if (!text)
    fail(Errc::corrupt, key, fmt::format("is {}, expected a string", name_of(value->type())));
  return text.value_or(fallback);
}

bool Metadata::is_marked(std::string_view key, size_t layer, uint32_t period) {
  const gguf::Value* value = error_ ? nullptr : file_.find(full(key));
  if (!value || value->type() != gguf::ValueType::array) {
    const uint32_t n = size_or(key, period, kMaxLayers);
    return layer % n < n - 1;
  }
  const std::optional<int64_t> mark = value->int_at(layer);
  if (!mark)
    fail(Errc::corrupt, key,
         fmt::format("has {} elements, expected one of true or false for layer {}", value->size(),
                     layer));
  return mark.value_or(0) != 0;
}

float Metadata::layer_number(std::string_view whole_key, size_t layer) {
  if (error_) return 0;
  const gguf::Value* value = file_.find(whole_key);
  double number = NAN;
  if (value && value->type() == gguf::ValueType::array)
    number = value->float_at(layer).value_or(NAN);
  else if (value)
    number = value->as_float().value_or(NAN);
  if (std::abs(number) <= std::numeric_limits<float>::max()) return static_cast<float>(number);
  error_ = Error{Errc::corrupt, fmt::format("{}: {} has no finite number for layer {}",
                                            file_.path(), whole_key, layer)};
  return 0;
}

// Nothing when the key is missing, or after an error.
std::optional<uint64_t> Metadata::integer(std::string_view key) {
  const gguf::Value* value = error_ ? nullptr : file_.find(full(key));
  if (!value) return std::nullopt;
  if (value->type() == gguf::ValueType::array) return uniform(key, *value);
  const std::optional<uint64_t> number = value->as_uint();
  if (!number) fail(Errc::corrupt, key, not_an_integer(*value));
  return number;
}

std::optional<uint64_t> Metadata::uniform(std::string_view key, const gguf::Value& array) {
  if (layer_) {
    const std::optional<uint64_t> element = array.uint_at(*layer_);
    if (!element)
      fail(Errc::corrupt, key,
           fmt::format("has {} elements, expected one that is not negative for layer {}",
                       array.size(), *layer_));
    return element;
  }
  for (size_t i = 0; i < array.size(); ++i) {
    const std::optional<int64_t> first = array.int_at(0), element = array.int_at(i);
    if (!element || *element < 0) {
      fail(Errc::corrupt, key, fmt::format("element {} is not a positive integer", i));
    } else if (element != first) {
      fail(Errc::unsupported, key,
           fmt::format("differs by layer ({} in layer 0, {} in layer {}), which is not supported",
                       *first, *element, i));
    }
    if (error_) return std::nullopt;
  }
  if (array.size() == 0) {
    fail(Errc::corrupt, key, "is an empty array");
    return std::nullopt;
  }
  return static_cast<uint64_t>(*array.int_at(0));
}

}  // namespace hearth
