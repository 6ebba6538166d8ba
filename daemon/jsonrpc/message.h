// The envelope of JSON-RPC 2.0: what a client's text means before any method is looked at, and the
// texts that go back. Pure functions; the ids of requests are kept as JSON text, since 1 and "1"
// are two ids and 2^64 - 1 is one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "support/json.h"
#include "support/result.h"

namespace hearth::jsonrpc {

inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kTooManyRequests = -32001;
inline constexpr int kNotInitialized = -32002;
inline constexpr int kRequestCancelled = -32800;

// A request, or a notification when it has no id.
struct Message {
  json::Document document;  // params borrows from it
  std::string id;           // JSON text; empty: a notification
  std::string method;
  json::Element params;  // an object; an empty one when the client sent none

  bool is_notification() const { return id.empty(); }
};

// Why a text is no request. `id` is "null" unless the text got far enough to have a usable one.
struct BadMessage {
  int code = kInvalidRequest;
  std::string message;
  std::string id = "null";
};

// The text of an id that can be echoed exactly: an integer or a short string; nothing for others.
std::optional<std::string> id_text(json::Element id);

std::variant<Message, BadMessage> read_message(std::string_view text);

std::string result_text(std::string_view id, std::string_view result);
std::string error_text(std::string_view id, int code, std::string_view message);
// With data: {"kind": "busy"}, our own name for the error, and {"retryAfterMs"} where it helps.
std::string error_text(std::string_view id, const Error& error,
                       std::optional<int64_t> retry_after_ms = {});

}  // namespace hearth::jsonrpc
