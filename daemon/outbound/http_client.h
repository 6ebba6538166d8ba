// Outbound HTTP(S) for providers and model downloads: libcurl's multi interface on the loop.
//
// TLS is verified (system CAs, a file of the user's, or SSL_CERT_FILE), connections are pooled and
// kept alive. The user's proxy variables hold for other machines: what is meant for this one never
// goes to a proxy. Redirects are not followed unless asked for, never with credentials to another
// host and never from https to http. Lives on one executor; every transfer ends before the client
// dies.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/result.h"
#include "support/task.h"

namespace hearth {

struct Egress;

struct OutboundRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "name: value"; never logged
  std::string body;
  std::string cause;  // on whose behalf, for the egress sink: a request's id, "pull"
  bool follow_redirects = false;
  uint64_t max_body_bytes = 64u << 20;  // of the answer; a longer one is an error
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds first_byte_timeout{0};  // of an answer; 0: as stall_timeout
  std::chrono::milliseconds stall_timeout{60'000};  // without a byte
  std::chrono::milliseconds total_timeout{0};       // 0: none
  // Asked after each piece of the body. Once true the answer is whole, however the connection ends
  // and though the server keeps it open: the rest is waited for only a moment, so that it can be
  // reused.
  std::function<bool()> has_all;
  // Told beside the client's own sink, once, however the transfer ends.
  std::function<void(const Egress&)> on_end;
};

struct OutboundResponse {
  long status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string url;                                           // after redirects

  std::optional<std::string_view> header(std::string_view name) const;
};

// What one transfer moved, however it ended.
struct Egress {
  std::string cause;
  std::string method;
  std::vector<std::string> hosts;  // "host:port" as asked, then one for each redirect elsewhere
  uint64_t n_sent = 0;             // bytes of heads and bodies, before TLS
  uint64_t n_received = 0;
  bool is_body_sent = false;  // all of it
  long status = 0;            // 0: no answer came
};
using EgressSink = std::function<void(const Egress&)>;

// What carries requests: the network, or a simulation of it.
class Transport {
 public:
  virtual ~Transport() = default;

  // Gets the body in pieces, after the head is complete; returning false ends the transfer with
  // Errc::cancelled. The head that `on_body` sees is that of the final response.
  using BodySink = std::function<bool(const OutboundResponse& head, std::string_view piece)>;

  // Errors: invalid for a header with a control character, timeout, or upstream with what failed
  // (DNS, connect, TLS, reset) and the host. A status of 400 and above is a response, not an error.
  // Cancelling the task ends the transfer. What `on_body` throws comes out of the task.
  virtual Task<Result<OutboundResponse>> fetch(OutboundRequest request, BodySink on_body) = 0;
};

class HttpClient : public Transport {
 public:
  // There is no client without a sink, so that nothing leaves unseen. `ca_file` is asked for each
  // transfer: a PEM file of authorities beside the system's, "" for none.
  HttpClient(net::any_io_executor executor, EgressSink on_egress,
             std::function<std::string()> ca_file = {});
  ~HttpClient() override;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  Task<Result<OutboundResponse>> fetch(OutboundRequest request, BodySink on_body) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace hearth
