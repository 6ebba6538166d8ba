// Bytes of a client -> a server, through a socket pair, until the server has closed or answered
// all. The gate is real and the token known, so that corpora reach the handlers and the WebSocket.
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "net/http_server.h"
#include "support/file.h"
#include "support/log.h"

using namespace hearth;
using namespace hearth::transport;

namespace {

// "Authorization: Bearer 000...0" in the corpus.
Token known_token() {
  std::string folder = std::filesystem::temp_directory_path() / "hearth-http-fuzz-XXXXXX";
  if (!::mkdtemp(folder.data())) std::abort();
  std::string path = folder + "/token";
  if (!file::write_atomic(path, std::string(64, '0'))) std::abort();
  auto token = Token::open(path);
  std::filesystem::remove_all(folder);
  if (!token) std::abort();
  return std::move(*token);
}

Task<> echo_request(HttpRequest request, HttpResponder& responder) {
  if (request.query == "stream") {
    (void)responder.begin_stream(200, "text/plain");
    (void)co_await responder.write(std::move(request.body));
    (void)co_await responder.end();
  } else {
    (void)co_await responder.respond(200, "text/plain", std::move(request.body));
  }
}

Task<> echo_messages(HttpRequest, WebSocket& socket) {
  for (;;) {
    auto text = co_await socket.receive();
    if (!text) co_return;
    auto reply = std::make_shared<const std::string>(std::move(*text));
    auto sent = co_await socket.send(std::move(reply));
    if (!sent) co_return;
  }
}

// Reads and drops what the server says, so that it is never stuck.
Task<> drain(Socket& socket) {
  char bytes[4096];
  for (;;) {
    auto buffer = net::buffer(bytes);
    auto [error, n_bytes] = co_await socket.async_read_some(buffer, as_result);
    if (error) co_return;
  }
}

// In two pieces, cut behind the first head: what follows an upgrade must wait for its answer.
Task<> play(HttpServer& server, Socket& client, std::string bytes) {
  size_t end = bytes.find("\r\n\r\n");
  size_t cut = end == std::string::npos ? bytes.size() / 2 : end + 4;
  auto first = net::buffer(bytes.data(), cut);
  co_await net::async_write(client, first, as_result);
  auto executor = client.get_executor();
  for (int i = 0; i < 20; ++i) co_await net::post(executor, net::use_awaitable);
  auto rest = net::buffer(bytes.data() + cut, bytes.size() - cut);
  co_await net::async_write(client, rest, as_result);
  boost::system::error_code ignored;
  client.shutdown(Socket::shutdown_send, ignored);
  co_await drain(client);
  co_await server.stop(std::chrono::milliseconds(0));
}

// An exception that gets this far is a finding.
void abort_on_failure(std::exception_ptr failure) {
  if (failure) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Token token = known_token();
  log::set_level(log::Level::error);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();

  net::io_context context(1);
  GateOptions no_waiting;
  no_waiting.penalty = std::chrono::milliseconds(0);
  Gate gate(token, no_waiting);
  HttpOptions options;
  options.max_body_bytes = 4096;
  options.max_message_bytes = 1024;
  options.linger = std::chrono::milliseconds(1);
  HttpServer server(context.get_executor(), gate, options);
  server.route("POST", "/echo", echo_request);
  server.websocket("/socket", echo_messages);

  net::generic::stream_protocol protocol(AF_UNIX, 0);
  server.adopt(Socket(context, protocol, ends[0]), Peer{true, 0, "fuzz"});
  Socket client(context, protocol, ends[1]);
  std::string bytes(reinterpret_cast<const char*>(data), size);
  net::co_spawn(context, play(server, client, std::move(bytes)), abort_on_failure);
  context.run();
  return 0;
}
