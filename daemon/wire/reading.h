// Reading a request's JSON, the same for every served wire. A null member counts as absent; errors
// name the field.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "inference/completion.h"
#include "support/json.h"
#include "support/result.h"

namespace hearth::wire {

using json::Element;

Error wrong(std::string_view field, std::string_view expected);

std::optional<Element> member(Element object, std::string_view name);
std::optional<std::string_view> string_member(Element object, std::string_view name);
// A string that may be left out: "" then.
std::string text_member(Element object, std::string_view name);
// Absent leaves `out` alone.
Result<> read_flag(Element object, std::string_view name, bool& out);

// A number with bounds; absent leaves `out` alone.
template <class T>
Result<> read_number(Element body, std::string_view name, double low, double high,
                     std::optional<T>& out) {
  auto value = member(body, name);
  if (!value) return {};
  double number;
  bool is_wrong =
      value->get_double().get(number) != simdjson::SUCCESS || !(number >= low && number <= high);
  if constexpr (std::is_integral_v<T>)
    is_wrong = is_wrong || number != static_cast<double>(static_cast<T>(number));
  if (is_wrong)
    return wrong(name, fmt::format("{} from {} to {}",
                                   std::is_integral_v<T> ? "an integer" : "a number", low, high));
  out = static_cast<T>(number);
  return {};
}

// As OpenAI's wires have them: parallel_tool_calls, and tool_choice where it is a word. Where it is
// an object, whose form is each wire's own, gives that.
Result<std::optional<Element>> read_tool_mode(Element body, ToolChoice& out);
// Whether the tools are there that it asks for; `name_field` is where it names one.
Result<> check_tool_choice(const ToolChoice& choice, const std::vector<ToolSpec>& tools,
                           std::string_view name_field);

// Says of every tool result which tool it came from, by the call that it answers: labels and egress
// rules are decided on it.
void name_tools(std::vector<Message>& messages);

// The schema of a tool that takes one text: how a free-form tool is offered to models that know
// functions alone.
inline constexpr std::string_view kFreeFormSchema =
    R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})";

}  // namespace hearth::wire
