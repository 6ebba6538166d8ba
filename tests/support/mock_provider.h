// A scripted HTTP/1.1 upstream on loopback that can misbehave at any byte, and remembers exactly
// what it was sent.
//
//   MockProvider upstream;
//   upstream.add(sse({R"({"choices":[...]})", "[DONE]"}));   // what the next request gets
//   ... send a request to upstream.url() ...
//   EXPECT_EQ(upstream.requests().at(0).body, ...);
//
// Scripts are taken in the order in which they were added, one for each request; a request that
// finds none is answered 599. Scripts are plain data: faults are made by functions from script to
// script (cut_at, in_pieces), so that a seed or a loop can choose them.
//
// One thread of its own, raw sockets underneath. Nothing sleeps: a Stall lasts until release() or
// until the client is gone, and the wait_for... functions fail after 20 seconds instead of hanging.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hearth::testing {

// ---- scripts ----

struct Send {
  std::string bytes;  // as they are, in one write
};
struct Stall {};       // until release(), or until the client is gone
struct CloseClean {};  // FIN (with TLS: no close_notify)
struct Reset {};       // RST
using Step = std::variant<Send, Stall, CloseClean, Reset>;

struct Script {
  std::vector<Step> steps;    // a script that does not close leaves the connection to the next one
  bool reads_request = true;  // false: runs as soon as the connection is accepted
};

using HeaderLines = std::vector<std::pair<std::string, std::string>>;

std::string response_head(int status, const HeaderLines& headers);
std::string chunk(std::string_view bytes);  // of chunked transfer coding; chunk("") is the last one

// A whole answer with its content-length.
Script answer(int status, std::string body,
              HeaderLines headers = {{"content-type", "application/json"}});
// {"error": {"message", "type", "code"}} as OpenAI and those who follow it send it. `code` may be
// "".
Script error_answer(int status, std::string_view message, std::string_view type,
                    std::string_view code, HeaderLines headers = {});
// A stream: the head, then one chunk for each event's data, then the last chunk.
Script sse(const std::vector<std::string>& events);
// The same with each event named by the "type" of its data.
Script named_sse(const std::vector<std::string>& events);
// The head, the stream's bytes as they are in one chunk, the last chunk.
Script raw_stream(std::string_view bytes, std::string_view content_type = "text/event-stream");

// ---- faults ----

size_t size_of(const Script& script);
// The first n_bytes of what the script sends, then `ending`.
Script cut_at(const Script& script, size_t n_bytes, Step ending);
// The same bytes in writes of n_bytes.
Script in_pieces(const Script& script, size_t n_bytes);

// ---- the server ----

struct SeenRequest {
  std::string head;  // the request line and headers, exact, with the empty line
  std::string body;

  std::string line() const;  // "POST /v1/chat/completions HTTP/1.1"
  // nullopt when absent; the name in any case.
  std::optional<std::string> header(std::string_view name) const;
};

struct TlsIdentity {
  std::string certificate_pem;
  std::string key_pem;
  bool is_outdated = false;  // speaks TLS 1.1 at most
};

class MockProvider {
 public:
  explicit MockProvider(std::optional<TlsIdentity> tls = std::nullopt);
  ~MockProvider();
  MockProvider(const MockProvider&) = delete;
  MockProvider& operator=(const MockProvider&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT" or https
  uint16_t port() const;

  void add(Script script);
  void release();  // ends all stalls, also those to come

  std::vector<SeenRequest> requests() const;
  size_t n_connections() const;
  // False when it has not come to that in 20 seconds.
  bool wait_for_requests(size_t n_requests);
  bool wait_for_stall();            // a script stands at a Stall
  bool wait_for_client_to_leave();  // while a script stalled or sent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::testing
