#include "net/http_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>

#include "net/http_connection.h"
#include "support/id.h"
#include "support/log.h"

namespace hearth::transport {

namespace {

file::Descriptor open_reserve() {
  return file::Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool is_out_of_resources(const boost::system::error_code& error) {
  int code = error.value();
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

// Tells a client that we are full. Best effort and without waiting: there is no room to wait in.
void turn_away(int fd) {
  const std::string body = error_body(503, "too many connections");
  Headers headers = error_headers(make_id("req"));
  headers.push_back({"Content-Length", std::to_string(body.size())});
  headers.push_back({"Connection", "close"});
  headers.push_back({"Retry-After", "1"});
  const std::string answer = response_head(503, "application/json", headers) + body;
  [[maybe_unused]] ssize_t n_sent =
      ::send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(fd, SHUT_WR);
  char heard[4096];  // what lies unread at close() would reset the connection before our answer
  while (::recv(fd, heard, sizeof heard, MSG_DONTWAIT) > 0) {
  }
}

// Whether the page is a listed one has been seen to: only those come here.
Task<> answer_preflight(HttpRequest, HttpResponder& responder) {
  Headers allowed{{"Access-Control-Allow-Methods", "GET, POST"},
                  {"Access-Control-Allow-Headers", "*, Authorization"},  // which '*' leaves out
                  {"Access-Control-Allow-Private-Network", "true"},
                  {"Access-Control-Max-Age", "600"}};
  (void)co_await responder.respond(200, "", "", std::move(allowed));
}

}  // namespace

HttpServer::HttpServer(net::any_io_executor executor, Gate& gate, HttpOptions options)
    : executor_(executor),
      gate_(gate),
      options_(options),
      reserve_(open_reserve()),
      acceptors_(executor),
      tasks_(executor) {
  preflight_.methods["OPTIONS"] = answer_preflight;
}

HttpServer::~HttpServer() = default;

void HttpServer::route(std::string method, std::string path, HttpHandler handler, Access access) {
  Route& route = routes_[std::move(path)];
  route.methods[std::move(method)] = std::move(handler);
  route.access = access;
}

void HttpServer::websocket(std::string path, WebSocketHandler handler) {
  routes_[std::move(path)].websocket = std::move(handler);
}

const HttpServer::Route* HttpServer::find(const HttpRequest& request) const {
  if (is_preflight(request)) return &preflight_;
  const std::string_view path = request.path;
  auto found = routes_.find(path);
  for (size_t slash = path.rfind('/'); found == routes_.end() && slash != path.npos;
       slash = slash == 0 ? path.npos : path.rfind('/', slash - 1))
    found = routes_.find(std::string(path.substr(0, slash + 1)) + "*");
  return found == routes_.end() ? nullptr : &found->second;
}

void HttpServer::serve(Listener listener) {
  listener_.emplace(std::move(listener));
  acceptors_.spawn("accept unix", accept_from(listener_->unix_acceptor(), 0));
  acceptors_.spawn("accept tcp", accept_from(listener_->tcp_acceptor(), listener_->port()));
}

Task<> HttpServer::accept_from(Listener::Acceptor& acceptor, uint16_t tcp_port) {
  net::steady_timer pause(executor_);
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(as_result);
    if (!error) {
      auto peer = Listener::peer_of(socket, tcp_port);
      if (peer)
        adopt(std::move(socket), std::move(*peer));
      else
        log::warn("connection refused", {{"why", peer.error().message}});
      continue;
    }
    if (!acceptor.is_open()) co_return;
    // A connection that died in the queue is no reason to wait, exhaustion is: it would come back
    // at once, for as long as it lasts.
    if (!is_out_of_resources(error)) continue;
    log::warn("cannot accept", {{"why", error.message()}});
    turn_away_next(acceptor);
    pause.expires_after(options_.accept_pause);
    co_await pause.async_wait(as_result);
  }
}

// Out of descriptors: the one held in reserve serves to tell the next client.
void HttpServer::turn_away_next(Listener::Acceptor& acceptor) {
  reserve_.reset();
  file::Descriptor next(::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
  if (next) turn_away(next.get());
  next.reset();
  reserve_ = open_reserve();
}

void HttpServer::adopt(Socket socket, Peer peer) {
  if (is_stopping_ || tasks_.size() >= options_.max_connections)
    return turn_away(socket.native_handle());
  tasks_.spawn("connection", run(std::move(socket), std::move(peer)));
}

Task<> HttpServer::run(Socket socket, Peer peer) {
  Connection connection(*this, std::move(socket), std::move(peer), next_client_id_++);
  auto at = connections_.insert(connections_.end(), &connection);
  co_await connection.run();
  connections_.erase(at);
}

void HttpServer::drop_clients() {
  for (Connection* connection : connections_)
    connection->ask_to_end(kClosePolicy, "the token has changed");
}

void HttpServer::cut_revoked() {
  for (Connection* connection : connections_)
    if (connection->client() && !gate_.is_current(*connection->client())) connection->cut();
}

Task<> HttpServer::stop(std::chrono::milliseconds drain) {
  using namespace net::experimental::awaitable_operators;
  co_await net::this_coro::throw_if_cancelled(false);
  is_stopping_ = true;
  for (Connection* connection : connections_)
    connection->ask_to_end(kCloseRestart, "the daemon is stopping");
  acceptors_.cancel();
  co_await acceptors_.join();
  listener_.reset();

  net::steady_timer deadline(executor_, drain);
  co_await (tasks_.join() || deadline.async_wait(net::use_awaitable));

  // Whatever is left has had its time.
  for (Connection* connection : connections_) connection->cut();
  tasks_.cancel(net::cancellation_type::terminal);
  co_await tasks_.join();
}

}  // namespace hearth::transport
