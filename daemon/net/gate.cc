#include "net/gate.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/log.h"

namespace hearth::transport {

namespace {

constexpr std::string_view kTokenSubprotocol = "hearth.token.";

std::string_view trim(std::string_view text) {
  size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool consume_prefix_ignoring_case(std::string_view& text, std::string_view prefix) {
  if (!equal_ignoring_case(text.substr(0, prefix.size()), prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "127.0.0.1:48620" and friends. The port may be left out only where it is HTTP's own.
bool is_own_name(std::string_view host, uint16_t port) {
  bool matched = false;
  for (std::string_view name : {"127.0.0.1", "localhost", "[::1]"})
    if (!matched) matched = consume_prefix_ignoring_case(host, name);
  if (!matched) return false;
  if (host.empty()) return port == 80;
  return host == fmt::format(":{}", port);
}

bool asks_in_query(std::string_view query) {
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    std::string_view key = pair.substr(0, pair.find('='));
    for (std::string_view name : {"token", "access_token", "api_key", "key"})
      if (equal_ignoring_case(key, name)) return true;
  }
  return false;
}

// The token of `Sec-WebSocket-Protocol: hearth, hearth.token.<token>`: browsers' WebSocket API can
// set no other header.
std::optional<std::string_view> subprotocol_token(std::string_view list) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    item = trim(item);
    if (item.starts_with(kTokenSubprotocol)) return item.substr(kTokenSubprotocol.size());
  }
  return std::nullopt;
}

std::optional<std::string_view> presented_token(const HttpRequest& head) {
  if (auto value = head.header("Authorization")) {
    std::string_view rest = *value;
    if (consume_prefix_ignoring_case(rest, "Bearer ")) return trim(rest);
  }
  if (auto value = head.header("X-Api-Key")) return trim(*value);
  for (const Header& header : head.headers)
    if (equal_ignoring_case(header.name, "Sec-WebSocket-Protocol"))
      if (auto token = subprotocol_token(header.value)) return token;
  return std::nullopt;
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

bool is_preflight(const HttpRequest& head) {
  return head.method == "OPTIONS" && head.header("Origin") &&
         head.header("Access-Control-Request-Method");
}

std::optional<Refusal> Gate::check(HttpRequest& head, const Peer& peer) const {
  if (auto refusal = check_host(head, peer)) return refusal;
  if (auto refusal = check_origin(head)) return refusal;
  if (head.path == "/healthz" || is_preflight(head)) return std::nullopt;
  return check_token(head);
}

std::optional<Refusal> Gate::check_host(const HttpRequest& head, const Peer& peer) const {
  if (peer.is_unix) return std::nullopt;  // no name leads a browser there
  if (head.count("Host") != 1) return Refusal{403, "expected exactly one Host header"};
  if (is_own_name(*head.header("Host"), peer.local_port)) return std::nullopt;
  return Refusal{403, fmt::format("this server is 127.0.0.1:{0}, localhost:{0} or [::1]:{0}, and "
                                  "the Host header names something else",
                                  peer.local_port)};
}

std::string Gate::page_of(const HttpRequest& head) const {
  if (head.count("Origin") != 1) return "";
  const std::string_view origin = *head.header("Origin");
  return std::ranges::count(options_.allowed_origins, origin) ? std::string(origin) : "";
}

std::optional<Refusal> Gate::check_origin(const HttpRequest& head) const {
  if (head.count("Origin") == 0 || !page_of(head).empty()) return std::nullopt;
  return Refusal{403, "requests from web pages (with an Origin header) are refused"};
}

std::optional<Refusal> Gate::check_token(HttpRequest& head) const {
  if (asks_in_query(head.query))
    return Refusal{401,
                   "a token in the URL is refused: URLs end up in logs; send it as "
                   "Authorization: Bearer"};
  auto presented = presented_token(head);
  if (!presented)
    return Refusal{401, "no token: send the one of the discovery file as Authorization: Bearer"};
  const bool is_owner = token_.matches(*presented);
  if (!clients_) return is_owner ? std::nullopt : std::optional(Refusal{401, "wrong token"});
  if (clients_->refresh() && clients_->fault())
    log::error("named tokens are refused", {{"error", clients_->fault()->message}});
  auto client = clients_->find(*presented);
  if (is_owner) return std::nullopt;
  if (!client) return Refusal{401, "wrong token"};
  if (client->expires_ms != 0 && client->expires_ms <= now_ms())
    return Refusal{401, fmt::format("the token \"{}\" has expired", client->name)};
  head.client = std::move(client);
  return std::nullopt;
}

bool Gate::is_current(const ClientToken& client) const {
  if (!clients_) return false;
  clients_->refresh();
  return std::ranges::any_of(clients_->list(),
                             [&](const auto& each) { return each->sha256 == client.sha256; });
}

std::optional<std::chrono::milliseconds> Gate::begin_penalty(
    std::chrono::steady_clock::time_point now) {
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    n_mistakes_ = 0;
  }
  bool is_flood = ++n_mistakes_ > options_.free_mistakes;
  if (is_flood && n_waiting_ >= options_.max_waiting) return std::nullopt;
  ++n_waiting_;
  return is_flood ? options_.penalty : std::chrono::milliseconds(0);
}

}  // namespace hearth::transport
