// Who may talk to us, decided on the request's head before anything else is done with it:
//   Host    must be one of our own names, always, on TCP (DNS rebinding)
//   Origin  must be absent or listed, even with the right token (web pages). A listed page may ask
//           beforehand whether it may (a preflight, to which browsers give no token)
//   token   must be right, except for /healthz; from a header, never from the URL. It is the
//   owner's
//           or one with a name (client_tokens.h), which opens the routes that are for clients
// A flood of wrong tokens is slowed by making the offender wait; the right token never waits.
// Lives on the loop thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/auth.h"
#include "net/client_tokens.h"
#include "net/http_message.h"
#include "net/socket.h"

namespace hearth::transport {

struct GateOptions {
  std::vector<std::string> allowed_origins;  // exact, for example "https://app.example"
  int free_mistakes = 10;                    // wrong tokens per second that are answered at once
  int max_waiting = 64;                      // offenders kept waiting; the others get 429
  std::chrono::milliseconds penalty{1000};
};

// A browser's question whether a page may send what it is about to.
bool is_preflight(const HttpRequest& head);

class Gate {
 public:
  // Without `clients` there are no tokens but the owner's.
  Gate(Token& token, GateOptions options, ClientTokens* clients = nullptr)
      : token_(token), clients_(clients), options_(std::move(options)) {}

  // The page that a request comes from, when it is a listed one; else "".
  std::string page_of(const HttpRequest& head) const;

  // Nothing: come in, and head.client says who. Host and Origin first, so that a web page learns
  // nothing about tokens.
  std::optional<Refusal> check(HttpRequest& head, const Peer& peer) const;

  // False: that token has been revoked since.
  bool is_current(const ClientToken& client) const;

  // After a 401: how this offender is to be treated. Zero: answer at once. Nothing: answer 429.
  // Each wait ends with end_penalty().
  std::optional<std::chrono::milliseconds> begin_penalty(std::chrono::steady_clock::time_point now);
  void end_penalty() { --n_waiting_; }

  void set_allowed_origins(std::vector<std::string> origins) {
    options_.allowed_origins = std::move(origins);
  }

 private:
  std::optional<Refusal> check_host(const HttpRequest& head, const Peer& peer) const;
  std::optional<Refusal> check_origin(const HttpRequest& head) const;
  std::optional<Refusal> check_token(HttpRequest& head) const;

  Token& token_;
  ClientTokens* clients_;
  GateOptions options_;
  std::chrono::steady_clock::time_point second_{};
  int n_mistakes_ = 0;  // in the current second
  int n_waiting_ = 0;
};

}  // namespace hearth::transport
