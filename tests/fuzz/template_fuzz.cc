// Input: a template, a NUL byte, and a JSON object of variables. Finds crashes, and marks of
// provenance that do not lie in the text in order.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "chat/jinja.h"

using namespace hearth;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), size);
  auto parsed = jinja::Template::parse(input.substr(0, end));
  if (!parsed) return 0;
  json::Object variables{
      {"messages", json::Array{json::Object{{"role", "user"}, {"content", "Hé"}}}},
      {"s", "text"},
      {"n", 3},
      {"d", json::Object{{"k", json::Array{1, 2.5, nullptr, true}}}}};
  if (auto more = json::parse_value(input.substr(std::min(end + 1, size)));
      more && more->is_object())
    for (auto& [key, value] : more->as_object()) variables[key] = std::move(value);

  constexpr jinja::Limits kLimits{.max_steps = 20'000,
                                  .max_output_bytes = 1u << 16,
                                  .max_value_bytes = 1u << 20,
                                  .max_depth = 100};
  auto rendered = parsed->render(variables, 1767268800, kLimits);
  if (!rendered) return 0;
  size_t at = 0;
  for (const auto& range : rendered->from_variables) {
    if (range.begin < at || range.end <= range.begin || range.end > rendered->text.size()) abort();
    at = range.end;
  }
  return 0;
}
