#include "jsonrpc/message.h"

#include <fmt/format.h>

#include "jsonrpc/dispatcher.h"

namespace hearth::jsonrpc {

namespace {

constexpr size_t kMaxIdBytes = 128;
constexpr size_t kMaxMethodBytes = 128;

using Kind = simdjson::dom::element_type;

json::Element empty_object() {
  static const auto document = json::Document::parse("{}");
  return document->root();
}

}  // namespace

// Fractions are refused since 1.0 and 1 would be told apart by some clients and not by others, null
// since it is the id of broken texts.
std::optional<std::string> id_text(json::Element id) {
  switch (id.type()) {
    case Kind::INT64:
    case Kind::UINT64: return json::to_text(id);
    case Kind::STRING:
      if (std::string_view(id).size() > kMaxIdBytes) return std::nullopt;
      return json::quote(std::string_view(id));
    default: return std::nullopt;
  }
}

std::variant<Message, BadMessage> read_message(std::string_view text) {
  auto document = json::Document::parse(text);
  if (!document) return BadMessage{kParseError, document.error().message};
  json::Element root = document->root();
  if (root.is_array()) return BadMessage{kInvalidRequest, "batches are not supported"};
  if (!root.is_object()) return BadMessage{kInvalidRequest, "expected an object"};

  // One pass, so that a second "method" or "id" is seen and not silently ignored: two readers of
  // one text must not understand two different requests.
  std::optional<json::Element> version, id, method, params;
  for (auto [key, value] : simdjson::dom::object(root)) {
    std::optional<json::Element>* slot = key == "jsonrpc"  ? &version
                                         : key == "id"     ? &id
                                         : key == "method" ? &method
                                         : key == "params" ? &params
                                                           : nullptr;
    if (!slot) continue;
    if (*slot) return BadMessage{kInvalidRequest, fmt::format("\"{}\" twice", key)};
    *slot = value;
  }

  BadMessage bad;
  std::string usable_id;
  if (id) {
    auto as_text = id_text(*id);
    if (!as_text) {
      bad.message =
          fmt::format("id: expected an integer or a string of at most {} bytes", kMaxIdBytes);
      return bad;
    }
    usable_id = std::move(*as_text);
  }
  if (!method) {  // perhaps an answer to a question that we never asked: not under its id
    bad.message = "method: missing";
    return bad;
  }
  if (id) bad.id = usable_id;
  if (!version || !version->is_string() || std::string_view(*version) != "2.0") {
    bad.message = "jsonrpc: expected \"2.0\"";
    return bad;
  }
  if (!method->is_string() || std::string_view(*method).size() > kMaxMethodBytes) {
    bad.message = fmt::format("method: expected a string of at most {} bytes", kMaxMethodBytes);
    return bad;
  }
  if (params && !params->is_object()) {
    bad.code = kInvalidParams;
    bad.message = "params: expected an object";
    return bad;
  }
  std::string_view name = *method;
  return Message{std::move(*document), std::move(usable_id), std::string(name),
                 params.value_or(empty_object())};
}

std::string result_text(std::string_view id, std::string_view result) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{}}})", id, result);
}

std::string error_text(std::string_view id, int code, std::string_view message) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":{}}}}})", id, code,
                     json::quote(message));
}

std::string error_text(std::string_view id, const Error& error,
                       std::optional<int64_t> retry_after_ms) {
  std::string retry = retry_after_ms ? fmt::format(R"(,"retryAfterMs":{})", *retry_after_ms) : "";
  return fmt::format(
      R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":{},"data":{{"kind":"{}"{}}}}}}})",
      id, code_of(error.code), json::quote(error.message), enum_name(error.code), retry);
}

}  // namespace hearth::jsonrpc
