#include "support/mock_provider.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cctype>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "support/json.h"
#include "support/task.h"

namespace hearth::testing {

namespace {

using Tcp = net::ip::tcp;
using TlsStream = net::ssl::stream<Tcp::socket&>;

bool is_same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

void join_sends(const Script& script, std::string& bytes) {
  for (const Step& step : script.steps)
    if (auto* send = std::get_if<Send>(&step)) bytes += send->bytes;
}

}  // namespace

std::string response_head(int status, const HeaderLines& headers) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n";
  for (const auto& [name, value] : headers) head += name + ": " + value + "\r\n";
  return head + "\r\n";
}

std::string chunk(std::string_view bytes) {
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

Script answer(int status, std::string body, HeaderLines headers) {
  headers.emplace_back("content-length", std::to_string(body.size()));
  return {{Send{response_head(status, headers) + body}}};
}

Script error_answer(int status, std::string_view message, std::string_view type,
                    std::string_view code, HeaderLines headers) {
  json::Object error{{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}};
  if (!code.empty()) error["code"] = code;
  headers.emplace_back("content-type", "application/json");
  return answer(status, boost::json::serialize(json::Object{{"error", std::move(error)}}),
                std::move(headers));
}

namespace {

Script stream_of(const std::vector<std::string>& events) {
  Script script;
  script.steps.push_back(Send{response_head(
      200, {{"content-type", "text/event-stream"}, {"transfer-encoding", "chunked"}})});
  for (const std::string& event : events) script.steps.push_back(Send{chunk(event)});
  script.steps.push_back(Send{chunk("")});
  return script;
}

}  // namespace

Script sse(const std::vector<std::string>& events) {
  std::vector<std::string> written;
  for (const std::string& event : events) written.push_back("data: " + event + "\n\n");
  return stream_of(written);
}

Script named_sse(const std::vector<std::string>& events) {
  std::vector<std::string> written;
  for (const std::string& event : events) {
    auto document = json::Document::parse(event);
    std::string_view type;
    if (document && !document->root()["type"].get_string().get(type))
      written.push_back(fmt::format("event: {}\ndata: {}\n\n", type, event));
  }
  return stream_of(written);
}

Script raw_stream(std::string_view bytes, std::string_view content_type) {
  std::string head = response_head(
      200, {{"content-type", std::string(content_type)}, {"transfer-encoding", "chunked"}});
  return {{Send{std::move(head)}, Send{chunk(bytes)}, Send{chunk("")}}};
}

size_t size_of(const Script& script) {
  std::string bytes;
  join_sends(script, bytes);
  return bytes.size();
}

Script cut_at(const Script& script, size_t n_bytes, Step ending) {
  std::string bytes;
  join_sends(script, bytes);
  bytes.resize(std::min(n_bytes, bytes.size()));
  return {{Send{std::move(bytes)}, std::move(ending)}, script.reads_request};
}

Script in_pieces(const Script& script, size_t n_bytes) {
  Script split{{}, script.reads_request};
  for (const Step& step : script.steps) {
    auto* send = std::get_if<Send>(&step);
    if (!send) split.steps.push_back(step);
    for (size_t at = 0; send && at < send->bytes.size(); at += n_bytes)
      split.steps.push_back(Send{send->bytes.substr(at, n_bytes)});
  }
  return split;
}

std::string SeenRequest::line() const { return head.substr(0, head.find("\r\n")); }

std::optional<std::string> SeenRequest::header(std::string_view name) const {
  for (size_t at = head.find("\r\n") + 2; at < head.size();) {
    size_t end = head.find("\r\n", at);
    std::string_view each = std::string_view(head).substr(at, end - at);
    at = end + 2;
    size_t colon = each.find(':');
    if (colon == each.npos || !is_same_name(each.substr(0, colon), name)) continue;
    size_t value = each.find_first_not_of(' ', colon + 1);
    return std::string(value == each.npos ? "" : each.substr(value));
  }
  return std::nullopt;
}

// The accept loop and one coroutine for each connection, all on `thread`; tests see what is
// guarded.
struct MockProvider::State {
  explicit State(std::optional<TlsIdentity> identity)
      : acceptor(io, Tcp::endpoint(net::ip::address_v4::loopback(), 0)), released(io, Forever()) {
    if (identity) {
      tls.emplace(net::ssl::context::tls_server);
      tls->use_certificate_chain(net::buffer(identity->certificate_pem));
      tls->use_private_key(net::buffer(identity->key_pem), net::ssl::context::pem);
      if (identity->is_outdated) {
        SSL_CTX_set_security_level(tls->native_handle(), 0);
        SSL_CTX_set_max_proto_version(tls->native_handle(), TLS1_1_VERSION);
      }
    }
    net::co_spawn(io, accept(), net::detached);
    thread = std::thread([this] { io.run(); });
  }
  ~State() {
    io.stop();
    thread.join();
  }

  static net::steady_timer::time_point Forever() { return net::steady_timer::time_point::max(); }

  Task<> accept() {
    for (;;) {
      auto [failed, socket] = co_await acceptor.async_accept(as_result);
      if (failed) continue;
      note([this] { ++n_connections; });
      net::co_spawn(io, serve(std::move(socket)), net::detached);
    }
  }

  Task<> serve(Tcp::socket socket) {
    boost::system::error_code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
    if (!tls) co_return co_await converse(socket, socket);
    TlsStream stream(socket, *tls);
    auto [failed] = co_await stream.async_handshake(TlsStream::server, as_result);
    if (!failed) co_await converse(stream, socket);
  }

  template <class Stream>
  Task<> converse(Stream& stream, Tcp::socket& socket) {
    std::string buffer;
    for (;;) {
      std::optional<Script> script = take(true);
      if (!script) {
        std::optional<SeenRequest> request = co_await read_request(stream, buffer);
        if (!request) co_return;
        note([&] { requests.push_back(std::move(*request)); });
        script = take(false);
      }
      if (!script) script = answer(599, "no script is left for this request");
      for (const Step& step : script->steps)
        if (!co_await play(step, stream, socket)) co_return;
    }
  }

  // The next script, when it is one that begins with (or without) a request. A script of the other
  // kind waits for its moment.
  std::optional<Script> take(bool at_accept) {
    std::lock_guard lock(mu);
    if (scripts.empty() || scripts.front().reads_request == at_accept) return std::nullopt;
    Script script = std::move(scripts.front());
    scripts.pop_front();
    return script;
  }

  template <class Stream>
  Task<std::optional<SeenRequest>> read_request(Stream& stream, std::string& buffer) {
    auto incoming = net::dynamic_buffer(buffer);
    auto [failed, n_head] = co_await net::async_read_until(stream, incoming, "\r\n\r\n", as_result);
    if (failed) co_return std::nullopt;
    SeenRequest request;
    request.head = buffer.substr(0, n_head);
    size_t n_body = 0;
    if (auto length = request.header("content-length"))
      std::from_chars(length->data(), length->data() + length->size(), n_body);
    if (buffer.size() < n_head + n_body) {
      auto whole = net::transfer_exactly(n_head + n_body - buffer.size());
      auto [cut, n_read] = co_await net::async_read(stream, incoming, whole, as_result);
      if (cut) co_return std::nullopt;
    }
    request.body = buffer.substr(n_head, n_body);
    buffer.erase(0, n_head + n_body);
    co_return request;
  }

  // False when the connection is over.
  template <class Stream>
  Task<bool> play(const Step& step, Stream& stream, Tcp::socket& socket) {
    if (auto* send = std::get_if<Send>(&step)) {
      auto [failed, n_written] =
          co_await net::async_write(stream, net::buffer(send->bytes), as_result);
      if (failed) note([this] { has_client_left = true; });
      co_return !failed;
    }
    if (std::holds_alternative<Stall>(step)) {
      note([this] { is_stalled = true; });
      using namespace net::experimental::awaitable_operators;
      auto over = released.async_wait(as_result);
      auto gone = socket.async_wait(Tcp::socket::wait_read, as_result);
      auto first = co_await (std::move(over) || std::move(gone));
      if (first.index() == 1) note([this] { has_client_left = true; });
      co_return first.index() == 0;
    }
    boost::system::error_code ignored;
    if (std::holds_alternative<Reset>(step))
      socket.set_option(net::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
    co_return false;
  }

  void note(const std::function<void()>& change) {
    std::lock_guard lock(mu);
    change();
    changed.notify_all();
  }

  bool wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mu);
    return changed.wait_for(lock, std::chrono::seconds(20), condition);
  }

  net::io_context io{1};
  Tcp::acceptor acceptor;
  std::optional<net::ssl::context> tls;
  net::steady_timer released;  // the stalls wait on it

  std::mutex mu;
  std::condition_variable changed;
  // guarded by mu
  std::deque<Script> scripts;
  std::vector<SeenRequest> requests;
  size_t n_connections = 0;
  bool is_stalled = false, has_client_left = false;

  std::thread thread;
};

MockProvider::MockProvider(std::optional<TlsIdentity> tls)
    : state_(std::make_unique<State>(std::move(tls))) {}
MockProvider::~MockProvider() = default;

std::string MockProvider::url() const {
  return (state_->tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port());
}

uint16_t MockProvider::port() const { return state_->acceptor.local_endpoint().port(); }

void MockProvider::add(Script script) {
  state_->note([&] { state_->scripts.push_back(std::move(script)); });
}

void MockProvider::release() {
  net::post(state_->io,
            [this] { state_->released.expires_at(net::steady_timer::time_point::min()); });
}

std::vector<SeenRequest> MockProvider::requests() const {
  std::lock_guard lock(state_->mu);
  return state_->requests;
}

size_t MockProvider::n_connections() const {
  std::lock_guard lock(state_->mu);
  return state_->n_connections;
}

bool MockProvider::wait_for_requests(size_t n_requests) {
  return state_->wait([&] { return state_->requests.size() >= n_requests; });
}

bool MockProvider::wait_for_stall() {
  return state_->wait([&] { return state_->is_stalled; });
}

bool MockProvider::wait_for_client_to_leave() {
  return state_->wait([&] { return state_->has_client_left; });
}

}  // namespace hearth::testing
