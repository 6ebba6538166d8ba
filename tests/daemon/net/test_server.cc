#include "daemon/net/test_server.h"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace hearth::transport {

TestFolder::TestFolder() {
  std::string pattern = std::filesystem::temp_directory_path() / "hearth-net-XXXXXX";
  folder_ = ::mkdtemp(pattern.data());
}

TestFolder::~TestFolder() { std::filesystem::remove_all(folder_); }

TestLoop::TestLoop() : work_(net::make_work_guard(context_)), thread_([this] { context_.run(); }) {}

TestLoop::~TestLoop() {
  work_.reset();
  thread_.join();
}

TestServer::TestServer(std::function<void(HttpServer&)> add_routes, HttpOptions options,
                       GateOptions gate) {
  auto token = Token::open(folder_.path("state/token"));
  EXPECT_TRUE(token);
  token_.emplace(std::move(*token));
  gate_.emplace(*token_, gate, &clients_);
  ListenOptions listen;
  listen.runtime_folder = folder_.path("run");
  listen.port = 0;
  auto listener = Listener::open(loop_.executor(), listen);
  EXPECT_TRUE(listener) << listener.error().message;
  port_ = listener->port();
  socket_path_ = listener->socket_path();
  loop_.call([&] {
    server_ = std::make_unique<HttpServer>(loop_.executor(), *gate_, options);
    if (add_routes) add_routes(*server_);
    server_->serve(std::move(*listener));
  });
}

TestServer::~TestServer() {
  stop();
  loop_.call([&] { server_.reset(); });
}

std::string TestServer::request(const std::string& method, const std::string& path,
                                const std::string& extra, const std::string& body) const {
  std::string length =
      body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return method + " " + path + " HTTP/1.1\r\nHost: " + host() + "\r\n" + bearer() + extra + length +
         "\r\n" + body;
}

RawResponse TestServer::exchange(const std::string& bytes) {
  RawClient client = connect();
  client.send(bytes);
  return client.read_response();
}

void TestServer::stop(std::chrono::milliseconds drain) { loop_.wait(server_->stop(drain)); }

}  // namespace hearth::transport
