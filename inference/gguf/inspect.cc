#include "gguf/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "gguf/printable.h"
#include "support/json.h"

namespace hearth::gguf {

namespace {

constexpr size_t kShownElements = 6;
constexpr size_t kShownBytes = 100;

struct Total {
  uint64_t tensors = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;

  void add(const Tensor& tensor) {
    ++tensors;
    elements += tensor.n_elements();
    bytes += tensor.data.size();
  }
};

std::map<Type, Total> totals_per_type(const File& file) {
  std::map<Type, Total> totals;
  for (const Tensor& tensor : file.tensors()) totals[tensor.type].add(tensor);
  return totals;
}

Total total_of(const File& file) {
  Total total;
  for (const Tensor& tensor : file.tensors()) total.add(tensor);
  return total;
}

// A scalar that is no string, in the forms that hold it: integers in one or both of the first two.
struct Number {
  ValueType type;
  std::optional<int64_t> whole;
  std::optional<uint64_t> positive;
  std::optional<double> real;
};

Number number_of(const Value& value) {
  return {value.type(), value.as_int(), value.as_uint(), value.as_float()};
}
Number number_at(const Value& array, size_t i) {
  return {array.element_type(), array.int_at(i), array.uint_at(i), array.float_at(i)};
}

// --- Text ---

std::string readable_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string readable_count(uint64_t count) {
  const double value = static_cast<double>(count);
  if (value < 1e6) return fmt::format("{}", count);
  return value < 1e9 ? fmt::format("{:.1f} M", value / 1e6) : fmt::format("{:.2f} G", value / 1e9);
}

double bits_per_weight(const Total& total) {
  return total.elements == 0
             ? 0
             : 8 * static_cast<double>(total.bytes) / static_cast<double>(total.elements);
}

// A number in the fewest digits that give it back, for its own width.
std::string number_text(const Number& number) {
  if (number.type == ValueType::boolean) return *number.whole ? "true" : "false";
  if (number.whole) return fmt::format("{}", *number.whole);
  if (number.positive) return fmt::format("{}", *number.positive);
  if (number.type == ValueType::f32) return fmt::format("{}", static_cast<float>(*number.real));
  return fmt::format("{}", *number.real);
}

std::string element_text(const Value& array, size_t i) {
  if (auto text = array.string_at(i)) return fmt::format("\"{}\"", printable(*text, 24));
  return number_text(number_at(array, i));
}

std::string value_text(const Value& value) {
  if (auto text = value.as_string()) {
    std::string more = text->size() > kShownBytes ? fmt::format(" ({} bytes)", text->size()) : "";
    return printable(*text, kShownBytes) + more;
  }
  if (value.type() != ValueType::array) return number_text(number_of(value));
  std::string out = "[";
  for (size_t i = 0; i < std::min(value.size(), kShownElements); ++i)
    out += (i > 0 ? ", " : "") + element_text(value, i);
  return out + (value.size() > kShownElements ? ", ...]" : "]");
}

std::string type_text(const Value& value) {
  if (value.type() != ValueType::array) return std::string(name_of(value.type()));
  return fmt::format("{}[{}]", name_of(value.element_type()), value.size());
}

// --- JSON ---

std::string utf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string(text);
  return printable(text, std::string_view::npos);
}

json::Value number_json(const Number& number) {
  if (number.type == ValueType::boolean) return json::Value(*number.whole != 0);
  if (number.whole) return json::Value(*number.whole);
  if (number.positive) return json::Value(*number.positive);
  return std::isfinite(*number.real) ? json::Value(*number.real) : json::Value(nullptr);
}

json::Value value_json(const Value& value) {
  if (auto text = value.as_string()) return json::Value(utf8(*text));
  if (value.type() != ValueType::array) return number_json(number_of(value));
  json::Array array;
  array.reserve(value.size());
  for (size_t i = 0; i < value.size(); ++i) {
    if (auto text = value.string_at(i))
      array.emplace_back(utf8(*text));
    else
      array.push_back(number_json(number_at(value, i)));
  }
  return array;
}

}  // namespace

std::string inspect_text(const File& file) {
  std::string out;
  auto line = [&](fmt::string_view format, const auto&... args) {
    fmt::vformat_to(std::back_inserter(out), format, fmt::make_format_args(args...));
    out += '\n';
  };
  const Total total = total_of(file);
  line("{}", printable(file.path(), 4096));
  line("architecture {}, {} parameters, {}, {:.2f} bits per weight",
       printable(file.architecture().empty() ? "unknown" : file.architecture()),
       readable_count(total.elements), readable_bytes(file.size_bytes()), bits_per_weight(total));

  line("\nMetadata: {} keys", file.metadata().size());
  for (const auto& [key, value] : file.metadata())
    line("  {:<44} {:<14} {}", printable(key), type_text(value), value_text(value));

  line("\nTensors: {}", file.tensors().size());
  for (const Tensor& tensor : file.tensors())
    line("  {:<44} {:<24} {:>10}", tensor.name, describe(tensor),
         readable_bytes(tensor.data.size()));

  line("\nTypes:");
  for (const auto& [type, of_type] : totals_per_type(file))
    line("  {:<8} {:>5} tensors {:>10} weights {:>12}", name_of(type), of_type.tensors,
         readable_count(of_type.elements), readable_bytes(of_type.bytes));
  return out;
}

std::string inspect_json(const File& file) {
  json::Object metadata;
  for (const auto& [key, value] : file.metadata()) metadata[key] = value_json(value);
  json::Array tensors;
  for (const Tensor& tensor : file.tensors()) {
    json::Array shape(tensor.dims.begin(), tensor.dims.begin() + tensor.n_dims);
    tensors.push_back(json::Object{{"name", tensor.name},
                                   {"shape", std::move(shape)},
                                   {"type", name_of(tensor.type)},
                                   {"bytes", tensor.data.size()}});
  }
  json::Array types;
  for (const auto& [type, total] : totals_per_type(file))
    types.push_back(json::Object{{"type", name_of(type)},
                                 {"tensors", total.tensors},
                                 {"elements", total.elements},
                                 {"bytes", total.bytes}});
  json::Object document{{"path", utf8(file.path())},
                        {"sizeBytes", file.size_bytes()},
                        {"architecture", utf8(file.architecture())},
                        {"metadata", std::move(metadata)},
                        {"tensors", std::move(tensors)},
                        {"types", std::move(types)}};
  return boost::json::serialize(document);
}

}  // namespace hearth::gguf
