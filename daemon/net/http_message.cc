#include "net/http_message.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "support/json.h"

namespace hearth::transport {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 421: return "Misdirected Request";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return status < 400 ? "OK" : "Error";
  }
}

std::string_view error_type_of(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403:
    case 421: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  for (const Header& header : headers)
    if (equal_ignoring_case(header.name, name)) return header.value;
  return std::nullopt;
}

size_t HttpRequest::count(std::string_view name) const {
  return static_cast<size_t>(std::ranges::count_if(
      headers, [&](const Header& header) { return equal_ignoring_case(header.name, name); }));
}

std::string error_body(int status, std::string_view message) {
  json::Object error{
      {"message", message}, {"type", error_type_of(status)}, {"param", nullptr}, {"code", nullptr}};
  if (status == 401) error["code"] = "invalid_api_key";
  return boost::json::serialize(json::Object{{"type", "error"}, {"error", error}});
}

Headers error_headers(std::string_view request_id) {
  const std::string id(request_id);
  return {{"X-Request-Id", id}, {"Request-Id", id}, {"X-Hearth-Error-Source", "hearth"}};
}

std::string as_utf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string(text);
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) out += static_cast<char>(0xc0 | byte >> 6);
    out += static_cast<char>(byte < 0x80 ? byte : 0x80 | (byte & 0x3f));
  }
  return out;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    uint8_t byte = 0;
    const char* digits = text.data() + at + 1;
    if (text[at] == '%' && at + 2 < text.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      at += 2;
    } else {
      out += text[at];
    }
  }
  return as_utf8(out);
}

std::string response_head(int status, std::string_view content_type, const Headers& extra) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_of(status));
  auto add = [&](std::string_view name, std::string_view value) {
    head += name;
    head += ": ";
    // A line break in a value would start a header of its own.
    for (char c : value) head += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    head += "\r\n";
  };
  if (!content_type.empty()) add("Content-Type", content_type);
  for (const Header& header : extra) add(header.name, header.value);
  add("X-Content-Type-Options", "nosniff");
  head += "\r\n";
  return head;
}

}  // namespace hearth::transport
